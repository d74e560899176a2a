/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A person explained: the account, its bindings, the certificates in its own folder and on
 * cards. These are listed by signers, which become the person before they look. One thread.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_common.h"
#include "tools/ctl_explain.h"
#include "tools/ctl_explain_keys.h"

#define CMD         "explain"
#define LIST_MS     10000
#define HOME_SUFFIX "/.config/mtls"

/* --------------------------------------------------------------------------------- account */

static void show_account(const struct explain *e, struct explain_report *report, const char *name,
			 const struct passwd *pw)
{
	uint32_t uid = 0;

	if (e->authd)
		(void)explain_account(e, report, name, &uid);
	else
		explain_add(report, EXPLAIN_UNKNOWN, "account", 0, "%s", e->no_authd.text);
	if (!pw)
		return;
	explain_add(report, EXPLAIN_FACT, "", 0, "home %s, shell %s", pw->pw_dir, pw->pw_shell);
	if (e->pam && pw->pw_uid != 0 && pw->pw_uid < e->pam->min_uid)
		explain_add(report, EXPLAIN_FAILED, "this machine", MTLS_REASON_MIN_UID,
			    "uid %u is below min_uid %" PRIu32 " of pam_mtls.conf",
			    (unsigned int)pw->pw_uid, e->pam->min_uid);
}

/* -------------------------------------------------------------------------------- bindings */

/* A published binding: whether service x509 gives the name for it, as mtls-authd would be told. */
static void show_binding(const struct explain *e, struct explain_report *report, const char *name,
			 struct mtls_acct_str key)
{
	static struct mtls_lookup_query query;
	static struct mtls_lookup_answer answer;
	struct mtls_diag diag = { 0 };
	bool holds = false;

	query.count = 0;
	int r = mtls_lookup_query_add(&query, key.data, key.len)
			? explain_ask(e, MTLS_LOOKUP_X509, &query, &answer, &diag)
			: mtls_diag_set(&diag, MTLS_E_LIMIT, "the key is too long");
	for (uint32_t i = 0; r >= 0 && answer.status == MTLS_LOOKUP_FOUND && i < answer.count; i++)
		holds = holds || mtls_streq(answer.names[i].text, name);
	if (r < 0)
		explain_add(report, EXPLAIN_UNKNOWN, "binding", 0, "%.*s: published; %s",
			    (int)key.len, key.data, mtls_diag_text(&diag, r));
	else
		explain_add(report, holds ? EXPLAIN_PASSED : EXPLAIN_FACT, "binding", 0, "%.*s: %s",
			    (int)key.len, key.data,
			    holds ? "published, and mtls-authd is told of it"
				  : "published, but service x509 does not give it: mtlsctl check");
}

static size_t show_published(const struct explain *e, struct explain_report *report,
			     const char *name)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_free_ struct ctl_binding *bindings = NULL;
	size_t count = 0, own = 0;

	if (ctl_accounts_read(&accounts) != CTL_OK ||
	    ctl_snapshot_bindings(&accounts.snapshot, &bindings, &count) < 0) {
		explain_add(report, EXPLAIN_UNKNOWN, "bindings", 0,
			    "the published accounts cannot be read");
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (!mtls_acct_str_eq(bindings[i].name, name, strlen(name)))
			continue;
		show_binding(e, report, name, bindings[i].key);
		own++;
	}
	if (own == 0) {
		explain_add(report, EXPLAIN_FACT, "bindings", 0, "no published binding names '%s'",
			    name);
		explain_hint(report, "mtlsctl bind add %s --cert FILE", name);
	}
	return own;
}

/* What only mtls-accountd knows, about one name. */
struct left_out {
	struct explain_report *report;
	const struct ctl_accounts *accounts;
	const char *name;
	char quoted[MTLS_ACCOUNT_NAME_MAX + 3];
};

static void take_dropped(void *ctx, const struct mtls_control_item *item)
{
	const struct left_out *left_out = ctx;
	const char *text = ctl_field(&item->fields, "text");

	if (mtls_streq(item->kind, "dropped") && strstr(text, left_out->quoted))
		explain_add(left_out->report, EXPLAIN_FACT, "not published", 0, "%s", text);
}

static void take_binding(void *ctx, const struct mtls_control_item *item)
{
	const struct left_out *left_out = ctx;
	const char *key = ctl_field(&item->fields, "key");
	const uint32_t owner = ctl_field_u32(&item->fields, "owner");

	if (!mtls_streq(item->kind, "binding") ||
	    ctl_snapshot_bound(&left_out->accounts->snapshot, left_out->name, key))
		return;
	if (mtls_streq(ctl_field(&item->fields, "holds"), "yes"))
		explain_add(left_out->report, EXPLAIN_FACT, "binding", 0,
			    "%s: kept, but not published: mtlsctl account status", key);
	else if (owner)
		explain_add(left_out->report, EXPLAIN_FACT, "binding", 0,
			    "%s: kept, not published: it was bound to the '%s' of uid %" PRIu32
			    ", whom no source gives now",
			    key, left_out->name, owner);
	else
		explain_add(
			left_out->report, EXPLAIN_FACT, "binding", 0,
			"%s: kept, not published: it was bound to a '%s' of another system, and "
			"that is an account of pam-mtls now",
			key, left_out->name);
}

/* One question to mtls-accountd; false if it had no answer. */
static bool ask_accountd(struct ctl_accounts *accounts, const char *verb, const char *name,
			 ctl_item_fn *each, struct left_out *left_out)
{
	_cleanup_(ctl_message_done) struct ctl_message message = { 0 };
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;

	ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, verb);
	ctl_message_add(&message, "name", name);
	return ctl_ask(accounts, &message, each, left_out, &end) == CTL_OK &&
	       end->u.control_end.code == MTLS_CONTROL_OK;
}

/* What the publisher left out: only mtls-accountd knows, and only root may ask it. */
static void show_left_out(struct explain_report *report, const char *name)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	struct left_out left_out = { .report = report, .accounts = &accounts, .name = name };

	if (geteuid() != 0) {
		explain_add(report, EXPLAIN_FACT, "not published", 0,
			    "only root may ask mtls-accountd what it has not published");
		return;
	}
	(void)snprintf(left_out.quoted, sizeof(left_out.quoted), "'%s'", name);
	if (ctl_accounts_open(&accounts, LIST_MS) != CTL_OK ||
	    !ask_accountd(&accounts, MTLS_ACCT_VERB_BIND_LIST, name, take_binding, &left_out) ||
	    !ask_accountd(&accounts, MTLS_ACCT_VERB_STATUS, NULL, take_dropped, &left_out))
		explain_add(report, EXPLAIN_FACT, "not published", 0,
			    "mtls-accountd could not be asked what it has not published");
}

/* ---------------------------------------------------------------------------- certificates */

/* What opens a key, in words. */
static const char *secret_words(const struct mtls_signer_credential *c)
{
	if (!c->needs_secret)
		return c->token ? "without a PIN" : "without a passphrase";
	return c->secret_kind == MTLS_SECRET_PASSPHRASE ? "protected by a passphrase"
							: "protected by a PIN";
}

/* One certificate of the person, as a program of the person would offer it. */
static void judge_credential(const struct explain *e, const struct mtls_signer_credential *c,
			     struct explain_report *report)
{
	_cleanup_(explain_chain_done) struct explain_chain chain = { .count = 0 };

	explain_add(report, EXPLAIN_FACT, "key", 0, "%s%s%s%s, %s", c->label,
		    c->token ? " on '" : "", c->token ? c->token : "", c->token ? "'" : "",
		    secret_words(c));
	if (!c->needs_secret && e->pam && e->pam->presence != MTLS_PRESENCE_NOT_REQUIRED)
		explain_add(report, EXPLAIN_FAILED, "presence", MTLS_REASON_KEY_UNPROTECTED,
			    "the key has no %s, and presence = required",
			    c->token ? "PIN" : "passphrase");
	if (c->chain_count == 0) {
		explain_add(report, EXPLAIN_UNKNOWN, "certificate", 0,
			    "hidden until the passphrase is given: mtlsctl try, as the person");
		return;
	}
	for (size_t i = 0; i < c->chain_count; i++)
		if (explain_chain_add(&chain, c->chain[i].data, c->chain[i].len) < 0)
			report->err = -ENOMEM;
	explain_certificate(e, &chain, report);
}

static bool may_look(const struct passwd *pw)
{
	return pw->pw_uid != 0 && (geteuid() == 0 || geteuid() == pw->pw_uid);
}

static void show_sources(const struct explain_keys *keys, struct explain_report *report)
{
	for (size_t i = 0; i < keys->sources; i++) {
		const bool listed = keys->source[i].reason == MTLS_REASON_ALLOWED;
		const char *detail = keys->source[i].detail.text;
		const char *word = mtls_source_word(keys->source[i].kind);
		if (*detail && listed)
			explain_add(report, EXPLAIN_FACT, "certificates", 0, "not used: %s",
				    detail);
		else if (*detail || (!listed && keys->source[i].kind != MTLS_SOURCE_FILE))
			explain_add(report, EXPLAIN_FACT, "certificates", 0, "%s: %s%s%s", word,
				    mtls_reason_text(keys->source[i].reason), *detail ? " " : "",
				    detail);
	}
}

/* Keys that only a process of the person's can find. */
static bool may_be_elsewhere(const struct mtls_settings_pam *settings)
{
	for (char **word = settings ? settings->sources : NULL; word && *word; word++) {
		const int kind = mtls_source_from_word(*word);
		if (kind == MTLS_SOURCE_AGENT || kind == MTLS_SOURCE_P11_KIT)
			return true;
	}
	return false;
}

/* False: said in @report why there is no list. */
static bool list_keys(const struct explain *e, const struct passwd *pw, struct explain_keys *keys,
		      struct explain_report *report)
{
	struct mtls_diag diag = { 0 };
	bool cards = false;

	if (!may_look(pw)) {
		explain_add(report, EXPLAIN_UNKNOWN, "certificates", 0,
			    pw->pw_uid == 0 ? "root has no certificates of its own here"
					    : "only root and the person may look at %s" HOME_SUFFIX,
			    pw->pw_dir);
		return false;
	}
	if (explain_keys_open(keys, pw, e->pam, &diag) < 0) {
		explain_add(report, EXPLAIN_UNKNOWN, "certificates", 0, "%s", diag.text);
		return false;
	}
	show_sources(keys, report);
	const bool elsewhere = may_be_elsewhere(e->pam);
	if (elsewhere)
		explain_add(report, EXPLAIN_UNKNOWN, "certificates", 0,
			    "keys of an agent and forwarded cards are not looked at: 'mtlsctl "
			    "try%s%s', as '%s' where they are",
			    e->service ? " --service " : "", e->service ? e->service : "",
			    pw->pw_name);
	if (explain_keys_count(keys))
		return true;
	if (elsewhere)
		return false;
	enum mtls_reason worst = MTLS_REASON_NO_CREDENTIAL;
	for (size_t i = 0; i < keys->sources; i++) {
		cards = cards || keys->source[i].kind == MTLS_SOURCE_PKCS11;
		if (keys->source[i].kind == MTLS_SOURCE_FILE &&
		    keys->source[i].reason != MTLS_REASON_ALLOWED)
			worst = keys->source[i].reason;
	}
	explain_add(report, EXPLAIN_FAILED, "certificates", worst,
		    "there is none in %s" HOME_SUFFIX "%s", pw->pw_dir,
		    cards ? ", and none on a card" : "");
	explain_hint(report, "mtlsctl enroll %s", pw->pw_name);
	return false;
}

/* ----------------------------------------------------------------------------------- shown */

struct outcome {
	bool json;
	json_t *certificates;
	bool enters, unknown;
};

static void show_credential(struct outcome *out, const struct explain_report *report, size_t number,
			    size_t count)
{
	const int code = explain_exit_code(report);

	out->enters = out->enters || code == CTL_OK;
	out->unknown = out->unknown || code == CTL_FAILED;
	if (out->json) {
		(void)json_array_append_new(out->certificates, explain_json(report));
		return;
	}
	(void)printf("\nCertificate %zu of %zu\n", number, count);
	explain_print(report, true);
}

static int verdict_of(const struct outcome *out, const struct explain_report *person)
{
	if (explain_reason(person) != MTLS_REASON_ALLOWED)
		return CTL_DENIED;
	if (out->enters)
		return CTL_OK;
	return out->unknown || explain_unknown(person) ? CTL_FAILED : CTL_DENIED;
}

static int show_person(struct explain *e, const char *name, const struct passwd *pw,
		       struct outcome *out)
{
	_cleanup_(explain_keys_done) struct explain_keys keys = { .sources = 0 };
	_cleanup_(explain_report_done) struct explain_report person = { 0 };

	show_account(e, &person, name, pw);
	(void)show_published(e, &person, name);
	show_left_out(&person, name);
	const bool listed = pw && list_keys(e, pw, &keys, &person);
	if (!out->json)
		explain_print(&person, false);
	const size_t count = listed ? explain_keys_count(&keys) : 0;
	for (size_t i = 0; i < count; i++) {
		_cleanup_(explain_report_done) struct explain_report own = { 0 };
		judge_credential(e, explain_keys_at(&keys, i), &own);
		show_credential(out, &own, i + 1, count);
	}
	const int code = verdict_of(out, &person);
	if (!out->json) {
		(void)printf("\n'%s' %s\n", name,
			     code == CTL_OK ? "would enter"
			     : code == CTL_DENIED
				     ? "would not enter"
				     : "may enter or not: not everything could be looked at");
		return code;
	}
	return explain_print_json(json_pack("{s:s, s:s, s:o, s:O}", "user", name, "verdict",
					    code == CTL_OK       ? "allowed"
					    : code == CTL_DENIED ? "denied"
								 : "unknown",
					    "person", explain_json(&person), "certificates",
					    out->certificates),
				  code);
}

int explain_user(struct explain *e, const char *name, bool json)
{
	struct outcome out = { .json = json, .certificates = json ? json_array() : NULL };
	const struct passwd *found = getpwnam(name);
	struct passwd pw;
	_cleanup_free_ char *home = found ? strdup(found->pw_dir) : NULL;
	_cleanup_free_ char *shell = found ? strdup(found->pw_shell) : NULL;
	_cleanup_free_ char *own_name = strdup(name);

	if (!own_name || (found && (!home || !shell)))
		return ctl_error(CMD, "out of memory");
	if (found)
		/* getpwnam()'s memory is used again by what follows. */
		pw = (struct passwd){ .pw_name = own_name,
				      .pw_uid = found->pw_uid,
				      .pw_gid = found->pw_gid,
				      .pw_dir = home,
				      .pw_shell = shell };
	if (!e->user)
		e->user = name;
	explain_load(e);
	int code = show_person(e, name, found ? &pw : NULL, &out);
	json_decref(out.certificates);
	return code;
}
