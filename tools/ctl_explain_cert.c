/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A certificate explained: bounds, path and policy by lib/verify, keys and decision by lib/mapping,
 * lookups by the process that mtls-authd asks, the checks of this machine by lib/client. Nothing is
 * decided here but which of them can be made.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/base/when.h"
#include "lib/client/obey.h"
#include "lib/mapping/account.h"
#include "lib/mapping/mapper.h"
#include "tools/ctl_explain.h"
#include "tools/ctl_lookup.h"

/* One certificate on its way through the checks. */
struct subject {
	const struct explain *e;
	struct explain_report *report;
	struct mtls_chain *chain;
	struct mtls_path *path; /* NULL: none was found */
	struct mtls_cert *leaf; /* parsed on its own */
	struct mtls_mapper mapper;
};

static void subject_done(struct subject *s)
{
	mtls_chain_free(s->chain);
	mtls_path_free(s->path);
	mtls_cert_free(s->leaf);
	mtls_mapper_done(&s->mapper);
}

int explain_chain_add(struct explain_chain *chain, const uint8_t *der, size_t len)
{
	if (chain->count == EXPLAIN_CERTS_MAX)
		return MTLS_E_LIMIT;
	uint8_t *copy = malloc(len ? len : 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, der, len);
	chain->der[chain->count] = copy;
	chain->len[chain->count++] = len;
	return 0;
}

void explain_chain_done(struct explain_chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		free(chain->der[i]);
	chain->count = 0;
}

static void say(const struct subject *s, enum mtls_reason reason, const char *name,
		const char *good, const char *bad)
{
	const bool allowed = reason == MTLS_REASON_ALLOWED;

	explain_add(s->report, allowed ? EXPLAIN_PASSED : EXPLAIN_FAILED, name, reason, "%s",
		    allowed ? good : bad);
}

/* --------------------------------------------------------------------------- certificate */

static void show_leaf(const struct subject *s)
{
	char serial[2 * MTLS_SERIAL_MAX + 1] = "", from[MTLS_WHEN_TEXT_MAX],
					  until[MTLS_WHEN_TEXT_MAX], sha256[65];
	const struct mtls_cert *leaf = s->leaf;
	size_t len;
	const uint8_t *octets = mtls_cert_serial(leaf, &len);

	mtls_hex_encode(octets, len, serial);
	mtls_hex_encode(mtls_cert_sha256(leaf), 32, sha256);
	mtls_when_format(mtls_cert_not_before(leaf), from);
	mtls_when_format(mtls_cert_not_after(leaf), until);
	explain_add(s->report, EXPLAIN_FACT, "certificate", 0, "%s", mtls_cert_subject(leaf));
	explain_add(s->report, EXPLAIN_FACT, "", 0, "issuer %s, serial %s", mtls_cert_issuer(leaf),
		    serial);
	explain_add(s->report, EXPLAIN_FACT, "", 0, "valid from %s to %s", from, until);
	explain_add(s->report, EXPLAIN_FACT, "", 0, "sha256:%s", sha256);
}

/* False if there is nothing to go on with. */
static bool check_bytes(struct subject *s, const struct explain_chain *chain)
{
	struct mtls_diag diag = { 0 };

	int r = chain->count ? mtls_cert_from_der(chain->der[0], chain->len[0], &s->leaf, &diag)
			     : mtls_diag_set(&diag, MTLS_E_SYNTAX, "no certificate");
	if (r >= 0) {
		show_leaf(s);
		return true;
	}
	say(s, r == -ENOMEM ? MTLS_REASON_INTERNAL : mtls_chain_parse_reason(r), "encoding", "",
	    mtls_diag_text(&diag, r));
	return false;
}

static void check_bounds(struct subject *s, const struct explain_chain *chain)
{
	const uint8_t *der[EXPLAIN_CERTS_MAX];
	struct mtls_diag diag = { 0 };
	char good[64];

	if (!s->e->authd) {
		explain_add(s->report, EXPLAIN_UNKNOWN, "bounds", 0, "%s", s->e->no_authd.text);
		return;
	}
	for (size_t i = 0; i < chain->count; i++)
		der[i] = chain->der[i];
	int r = mtls_chain_parse(&s->e->bounds, der, chain->len, chain->count, NULL, &s->chain,
				 &diag);
	(void)snprintf(good, sizeof(good), "%zu certificate%s, of accepted sizes and key types",
		       chain->count, chain->count == 1 ? "" : "s");
	say(s, mtls_chain_parse_reason(r), "bounds", good, mtls_diag_text(&diag, r));
}

static void say_path(const struct subject *s)
{
	const struct mtls_path *path = s->path;

	explain_add(s->report, EXPLAIN_PASSED, "path", 0,
		    "signatures lead to '%s' of ca '%s', for %s, by %zu step%s",
		    mtls_cert_subject(path->certs[path->count - 1]), path->ca_name,
		    path->role == MTLS_ROLE_USER ? "people" : "hosts", path->count - 1,
		    path->count == 2 ? "" : "s");
}

static void check_path(struct subject *s)
{
	struct mtls_diag diag = { 0 };

	if (!s->e->anchors) {
		explain_add(s->report, EXPLAIN_UNKNOWN, "path", 0, "%s", s->e->no_authd.text);
		return;
	}
	if (!s->chain)
		return; /* the bounds have said why */
	int r = mtls_chain_path(s->e->anchors, s->chain, NULL, &s->path, &diag);
	if (r >= 0) {
		say_path(s);
		return;
	}
	say(s, mtls_chain_path_reason(r), "path", "", mtls_diag_text(&diag, r));
	explain_hint(
		s->report,
		"if its issuer is the CA of people here: add the CA's certificate to files of a "
		"ca section in %s, then: mtlsctl reload",
		MTLS_AUTHD_CONF);
	explain_hint(s->report, "if there is a CA between: its certificate must stand behind the "
				"person's in the person's file");
}

static void hint_policy(const struct subject *s, enum mtls_reason reason)
{
	const char *const user = s->e->user ? s->e->user : "USER";

	switch (reason) {
	case MTLS_REASON_CERT_EXPIRED:
	case MTLS_REASON_CERT_REVOKED:
	case MTLS_REASON_EKU_MISSING:
	case MTLS_REASON_EKU_WRONG:
	case MTLS_REASON_KU_WRONG:
	case MTLS_REASON_CERT_WEAK:
		explain_hint(s->report, "with the CA of mtlsctl init: mtlsctl issue %s", user);
		break;
	case MTLS_REASON_CERT_NOT_YET:
		explain_hint(s->report, "timedatectl status");
		break;
	case MTLS_REASON_CRL_UNUSABLE:
		explain_hint(s->report,
			     "the list is named in crl of the ca section in %s; when it is "
			     "there: mtlsctl reload",
			     MTLS_AUTHD_CONF);
		break;
	default:
		break;
	}
}

/* What a check that passed has looked at, in words. */
static const char *passed_text(const char *name)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "role", "it comes from a CA for people" },
		{ "shape", "a person's certificate, with nothing in it that is not understood" },
		{ "names", "well-formed, without control characters" },
		{ "strength", "keys and signatures are strong enough" },
		{ "depth", "the chain is not longer than max_depth" },
		{ "times", "all certificates of the path are valid at that moment" },
		{ "key usage", "it may sign, and its issuers may issue" },
		{ "revocation", "it is not revoked, as far as crl_policy asks for" },
		{ "purpose", "extendedKeyUsage allows login" },
	};

	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (mtls_streq(rows[i].name, name))
			return rows[i].text;
	return "good";
}

static void policy_row(void *ctx, const char *name, enum mtls_reason reason, const char *detail)
{
	const struct subject *s = ctx;

	if (!detail) {
		explain_add(s->report, EXPLAIN_FACT, name, 0,
			    "not looked at: it is about a path, and there is none");
		return;
	}
	say(s, reason, name, passed_text(name), *detail ? detail : mtls_reason_text(reason));
	if (reason != MTLS_REASON_ALLOWED)
		hint_policy(s, reason);
}

static void check_policy(struct subject *s)
{
	struct mtls_path alone = { .certs = { s->leaf }, .count = 1 };

	if (s->e->authd)
		mtls_verify_policy_watch(s->e->anchors, &s->e->bounds, s->path ? s->path : &alone,
					 s->e->now, policy_row, s);
	else
		explain_add(s->report, EXPLAIN_UNKNOWN, "policy", 0, "%s", s->e->no_authd.text);
}

/* -------------------------------------------------------------------------------- mapping */

static const char *key_of(const struct subject *s, enum mtls_key_kind kind)
{
	for (size_t i = 0; i < s->mapper.key_count; i++)
		if (s->mapper.kinds[i] == kind)
			return s->mapper.keys[i];
	return "KEY";
}

static void show_keys(const struct subject *s)
{
	for (size_t i = 0; i < s->mapper.key_count; i++) {
		char names[1024] = "";
		size_t used = 0;
		for (size_t k = 0; k < s->mapper.name_count; k++) {
			const struct mtls_mapper_name *name = &s->mapper.names[k];
			if (!(name->keys & (UINT32_C(1) << i)) || used + 70 > sizeof(names))
				continue;
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
						 used ? ", " : "", name->text);
		}
		explain_add(s->report, EXPLAIN_FACT, "key", 0, "%s: %s%s", s->mapper.keys[i],
			    !s->mapper.answered ? "not looked up"
			    : used              ? "bound to "
						: "bound to nobody",
			    names);
	}
}

static void say_lookup(struct explain_report *report, const char *name, uint32_t status)
{
	const bool timeout = status == MTLS_LOOKUP_TIMEOUT;

	explain_add(report, EXPLAIN_FAILED, name,
		    timeout ? MTLS_REASON_LOOKUP_TIMEOUT : MTLS_REASON_LOOKUP_FAILED, "%s",
		    timeout ? "an account source did not answer within lookup_timeout"
			    : "the account sources could not answer: libnss_x509 or the snapshot "
			      "is missing or damaged, or a source failed");
	if (!timeout)
		explain_hint(report, "mtlsctl check");
}

int explain_ask(const struct explain *e, enum mtls_lookup_kind kind,
		const struct mtls_lookup_query *query, struct mtls_lookup_answer *ret,
		struct mtls_diag *diag)
{
	if (!e->authd)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "%s", e->no_authd.text);
	return ctl_lookup(kind, e->authd->user, e->authd->lookup_timeout_ms, query, ret, diag);
}

/* True if the bindings are known now. */
static bool look_up_keys(struct subject *s)
{
	static struct mtls_lookup_query query;
	static struct mtls_lookup_answer answer;
	struct mtls_diag diag = { 0 };

	if (mtls_mapper_keys(&s->mapper, s->leaf) < 0) {
		say(s, MTLS_REASON_INTERNAL, "keys", "", "the certificate gives no keys");
		return false;
	}
	mtls_mapper_query(&s->mapper, &query);
	int r = explain_ask(s->e, MTLS_LOOKUP_X509, &query, &answer, &diag);
	bool known = r >= 0 &&
		     (answer.status == MTLS_LOOKUP_FOUND || answer.status == MTLS_LOOKUP_NOTFOUND);
	if (known && mtls_mapper_add(&s->mapper, &answer) < 0) {
		known = false;
		answer.status = MTLS_LOOKUP_FAILED;
	}
	show_keys(s);
	if (r < 0)
		explain_add(s->report, EXPLAIN_UNKNOWN, "bindings", 0, "%s",
			    mtls_diag_text(&diag, r));
	else if (!known)
		say_lookup(s->report, "bindings", answer.status);
	return known;
}

/* -------------------------------------------------------------------------------- account */

/* The checks of pam_mtls on the verdict, for the account as this machine knows it. */
static void check_local(struct subject *s, const char *name, uint32_t uid)
{
	static struct mtls_auth_reply reply;
	char account[MTLS_ACCOUNT_NAME_MAX + 1], good[160];
	const struct explain *e = s->e;

	if (!e->pam) {
		explain_add(s->report, e->pam_absent ? EXPLAIN_FACT : EXPLAIN_FAILED,
			    "this machine", MTLS_REASON_CONFIG, "%s", e->no_pam.text);
		return;
	}
	const struct passwd *local = getpwnam(name);
	const struct mtls_obey_local facts = {
		.pam_user = e->user,
		.user_found = local != NULL,
		.user_uid = local ? local->pw_uid : (uid_t)-1,
		.min_uid = e->pam->min_uid,
		.allow_root = e->pam->allow_root,
	};
	(void)mtls_strcopy(account, sizeof(account), name);
	reply = (struct mtls_auth_reply){
		.verdict = MTLS_VERDICT_ALLOWED,
		.reason = MTLS_REASON_ALLOWED,
		.has_account = true,
		.account = account,
		.uid = uid,
	};
	const enum mtls_reason reason = mtls_obey_verdict(&reply, &facts);
	(void)snprintf(good, sizeof(good), "would obey: uid %" PRIu32 ", min_uid %" PRIu32 "%s%s",
		       uid, e->pam->min_uid, e->service ? ", service " : "",
		       e->service ? e->service : "");
	say(s, reason, "this machine", good, mtls_reason_text(reason));
}

static void say_absent(struct explain_report *report, const char *name)
{
	explain_add(report, EXPLAIN_FAILED, "account", MTLS_REASON_ACCOUNT_UNKNOWN,
		    "'%s' does not exist in any source of accounts", name);
	explain_hint(report, "mtlsctl account add %s, or in the source that it belongs to", name);
	explain_hint(report, "or take its bindings away: mtlsctl bind list %s", name);
}

/* What roles_decide() and the verdict say of a program that is not root's. */
static bool is_own(const struct explain *e, struct explain_report *report, const char *name,
		   uint32_t uid)
{
	if (e->peer_uid < 0 || e->peer_uid == (int64_t)uid)
		return true;
	explain_add(report, EXPLAIN_FAILED, "own account", MTLS_REASON_ACCOUNT_PEER,
		    "a program of uid %" PRId64 " asked for '%s', which is uid %" PRIu32,
		    e->peer_uid, name, uid);
	return false;
}

bool explain_account(const struct explain *e, struct explain_report *report, const char *name,
		     uint32_t *ret_uid)
{
	static struct mtls_lookup_query query;
	static struct mtls_lookup_answer answer;
	struct mtls_diag diag = { 0 };

	query.count = 0;
	int r = mtls_lookup_query_add(&query, name, strlen(name))
			? explain_ask(e, MTLS_LOOKUP_ACCOUNTS, &query, &answer, &diag)
			: MTLS_E_SYNTAX;
	if (r < 0) {
		explain_add(report, EXPLAIN_UNKNOWN, "account", 0, "%s", mtls_diag_text(&diag, r));
		return false;
	}
	if (answer.status == MTLS_LOOKUP_NOTFOUND) {
		say_absent(report, name);
		return false;
	}
	if (answer.status != MTLS_LOOKUP_FOUND) {
		say_lookup(report, "account", answer.status);
		return false;
	}
	const enum mtls_reason reason =
		mtls_mapping_judge_account(&answer, name, e->authd->min_uid);
	const bool allowed = reason == MTLS_REASON_ALLOWED;
	explain_add(report, allowed ? EXPLAIN_PASSED : EXPLAIN_FAILED, "account", reason,
		    "'%s' exists: uid %" PRIu32 ", gid %" PRIu32
		    "; min_uid of mtls-authd is %" PRIu32,
		    name, answer.uid, answer.gid, e->authd->min_uid);
	*ret_uid = answer.uid;
	return allowed && is_own(e, report, name, answer.uid);
}

static void hint_bind(const struct subject *s, const char *name)
{
	if (s->e->audit_id)
		explain_hint(s->report, "mtlsctl bind add %s --from-audit %s", name,
			     s->e->audit_id);
	else
		explain_hint(s->report, "mtlsctl bind add %s %s", name,
			     key_of(s, MTLS_KEY_SPKI_SHA256));
}

static void say_unmapped(const struct subject *s)
{
	explain_add(s->report, EXPLAIN_FAILED, "binding", MTLS_REASON_UNMAPPED,
		    "none of its keys is bound to an account");
	hint_bind(s, s->e->user ? s->e->user : "USER");
}

static void say_other(const struct subject *s)
{
	explain_add(s->report, EXPLAIN_FAILED, "binding", MTLS_REASON_MAPPED_OTHER,
		    "'%s' is asked for, and it is bound to %s%s%s", s->e->user,
		    s->mapper.names[0].text, s->mapper.name_count > 1 ? " and others" : "", "");
	explain_hint(s->report, "ask for the account '%s' instead", s->mapper.names[0].text);
	hint_bind(s, s->e->user);
}

/* Several accounts and none named: each is looked at, one is enough. */
static void check_candidates(struct subject *s)
{
	explain_add(s->report, EXPLAIN_PASSED, "binding", 0,
		    "bound to %zu accounts: the person is asked which", s->mapper.name_count);
	for (size_t i = 0; i < s->mapper.name_count; i++) {
		struct explain_report own = { 0 };
		struct subject candidate = *s;
		uint32_t uid = 0;
		char text[1024];
		candidate.report = &own;
		if (explain_account(s->e, &own, s->mapper.names[i].text, &uid))
			check_local(&candidate, s->mapper.names[i].text, uid);
		own.account = strdup(s->mapper.names[i].text);
		explain_verdict_text(&own, text, sizeof(text));
		const int code = explain_exit_code(&own);
		s->report->choose = s->report->choose || code == CTL_OK;
		explain_add(s->report, EXPLAIN_FACT, "candidate", 0, "'%s': %s",
			    s->mapper.names[i].text, text);
		explain_report_done(&own);
	}
	if (!s->report->choose)
		explain_add(s->report, EXPLAIN_FAILED, "account", MTLS_REASON_ACCOUNT_REFUSED,
			    "none of them can be entered");
}

static void check_chosen(struct subject *s, const struct mtls_mapper_name *name)
{
	uint32_t uid = 0;

	explain_add(s->report, EXPLAIN_PASSED, "binding", 0, "its %s is bound to '%s'",
		    mtls_key_kind_name(name->kind), name->text);
	if (!explain_account(s->e, s->report, name->text, &uid))
		return;
	check_local(s, name->text, uid);
	s->report->account = strdup(name->text);
	if (!s->report->account)
		s->report->err = -ENOMEM;
}

static void check_mapping(struct subject *s)
{
	const struct mtls_mapper_name *name = NULL;

	if (!look_up_keys(s))
		return;
	switch (mtls_mapper_decide(&s->mapper, s->e->user, &name)) {
	case MTLS_REASON_ALLOWED:
		check_chosen(s, name);
		return;
	case MTLS_REASON_CHOOSE:
		check_candidates(s);
		return;
	case MTLS_REASON_MAPPED_OTHER:
		say_other(s);
		break;
	default:
		say_unmapped(s);
		break;
	}
	/* Whether a binding would do: the account that it should be. */
	uint32_t uid = 0;
	if (s->e->user && mtls_account_name_valid(s->e->user, strlen(s->e->user)) &&
	    explain_account(s->e, s->report, s->e->user, &uid))
		check_local(s, s->e->user, uid);
}

void explain_acceptable(const struct explain *e, const struct explain_chain *chain,
			struct explain_report *report)
{
	_cleanup_(subject_done) struct subject s = { .e = e, .report = report };

	if (!check_bytes(&s, chain))
		return;
	check_bounds(&s, chain);
	check_path(&s);
	check_policy(&s);
}

void explain_certificate(const struct explain *e, const struct explain_chain *chain,
			 struct explain_report *report)
{
	_cleanup_(subject_done) struct subject s = { .e = e, .report = report };

	if (!check_bytes(&s, chain))
		return;
	check_bounds(&s, chain);
	check_path(&s);
	check_policy(&s);
	check_mapping(&s);
}
