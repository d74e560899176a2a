/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl bind add|remove|list: which certificate is which account's. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>

#include "lib/audit/record.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/cert/cert.h"
#include "lib/name/key.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_bind.h"
#include "tools/ctl_json.h"

#define CERT_FILE_MAX   (256 << 10)
#define FIRST_HUMAN_UID 1000
#define UID_NOBODY      65534

static const char about[] =
	"Binds a certificate to an account: one of pam-mtls, or one that another source holds\n"
	"(/etc/passwd, a directory). Root and system accounts cannot be bound.\n"
	"KEY is sha256:HEX, spki-sha256:HEX, issuer-serial:HEX:DN, subject:DN, or of a later kind.";

struct change_options {
	const char *user, *key; /* arguments */
	const char *cert, *kind;
	bool dry_run, json;
	/* add only */
	const char *from_audit;
	bool yes;
};

static const struct ctl_option add_options[] = {
	CTL_OPTION(struct change_options, cert, "cert", "FILE",
		   "a certificate (PEM or DER) instead of KEY"),
	CTL_OPTION(struct change_options, from_audit, "from-audit", "ID",
		   "the certificate that was refused in this attempt"),
	CTL_OPTION(struct change_options, kind, "kind", "spki-sha256|sha256|issuer-serial|subject",
		   "what of the certificate is bound (spki-sha256: its key, which outlives a "
		   "renewal)"),
	CTL_OPTION(struct change_options, dry_run, "dry-run", NULL,
		   "all checks, but change nothing"),
	CTL_OPTION(struct change_options, json, "json", NULL, "print one JSON object"),
	CTL_OPTION(struct change_options, yes, "yes", NULL, "with --from-audit: do not ask"),
	{ 0 },
};

static const struct ctl_option change_options[] = {
	CTL_OPTION(struct change_options, cert, "cert", "FILE",
		   "a certificate (PEM or DER) instead of KEY"),
	CTL_OPTION(struct change_options, kind, "kind", "spki-sha256|sha256|issuer-serial|subject",
		   "what of the certificate is bound (spki-sha256: its key, which outlives a "
		   "renewal)"),
	CTL_OPTION(struct change_options, dry_run, "dry-run", NULL,
		   "all checks, but change nothing"),
	CTL_OPTION(struct change_options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

struct list_options {
	bool json;
};

static const struct ctl_option list_options[] = {
	CTL_OPTION(struct list_options, json, "json", NULL, "an array of objects instead of lines"),
	{ 0 },
};

static int parse_change(const struct ctl_action *action, int argc, char **argv,
			struct change_options *o)
{
	char **args;
	int count;
	int code = ctl_action_parse(action, argc, argv, o, &args, &count);
	if (code)
		return code;
	const bool key = count == 2;
	if (key + (o->cert != NULL) + (o->from_audit != NULL) != 1)
		return ctl_action_usage(action, "USER and one of KEY, --cert%s are needed",
					action->options == add_options ? ", --from-audit" : "");
	if (o->kind && key)
		return ctl_action_usage(action, "--kind belongs to a certificate, not to a KEY");
	if (o->yes && !o->from_audit)
		return ctl_action_usage(action, "--yes belongs to --from-audit");
	if (o->from_audit && !mtls_audit_id_valid(o->from_audit))
		return ctl_action_usage(action, "--from-audit: '%s' is no audit id", o->from_audit);
	o->user = args[0];
	o->key = key ? args[1] : NULL;
	return CTL_OK;
}

/* The first certificate of a PEM file, or a DER file. */
static int read_cert(const char *path, struct mtls_cert **ret)
{
	_cleanup_buf_ struct mtls_buf file = MTLS_BUF(CERT_FILE_MAX);
	struct mtls_diag diag = { "" };
	int r = mtls_file_read(path, NULL, &file, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	gnutls_datum_t text = { .data = file.data, .size = (unsigned int)file.len };
	gnutls_datum_t der = { 0 };
	bool pem = gnutls_pem_base64_decode2("CERTIFICATE", &text, &der) >= 0;
	r = pem ? mtls_cert_from_der(der.data, der.size, ret, &diag)
		: mtls_cert_from_der(file.data, file.len, ret, &diag);
	gnutls_free(der.data);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "'%s' is not a certificate (PEM or DER): %s",
					 path, mtls_diag_text(&diag, r));
	return CTL_OK;
}

static int key_of(const struct mtls_cert *cert, const char *kind, struct mtls_buf *out)
{
	size_t len;
	if (mtls_streq(kind, mtls_key_kind_name(MTLS_KEY_SPKI_SHA256)))
		return mtls_key_format_digest(MTLS_KEY_SPKI_SHA256, mtls_cert_spki_sha256(cert),
					      out);
	if (mtls_streq(kind, mtls_key_kind_name(MTLS_KEY_SHA256)))
		return mtls_key_format_digest(MTLS_KEY_SHA256, mtls_cert_sha256(cert), out);
	if (mtls_streq(kind, mtls_key_kind_name(MTLS_KEY_SUBJECT)))
		return mtls_key_format_subject(mtls_cert_subject(cert), out);
	if (mtls_streq(kind, mtls_key_kind_name(MTLS_KEY_ISSUER_SERIAL))) {
		const uint8_t *serial = mtls_cert_serial(cert, &len);
		return mtls_key_format_issuer_serial(serial, len, mtls_cert_issuer(cert), out);
	}
	return MTLS_E_UNSUPPORTED;
}

static int key_from_cert(const struct change_options *o, struct mtls_buf *out)
{
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;
	const char *kind = o->kind ? o->kind : mtls_key_kind_name(MTLS_KEY_SPKI_SHA256);
	const char *name = o->cert ? o->cert : o->from_audit;
	int code = o->cert ? read_cert(o->cert, &cert)
			   : ctl_bind_cert_from_audit(o->from_audit, o->user, &cert);
	if (code)
		return code;
	if (mtls_cert_flags(cert) & MTLS_CERT_IS_CA)
		return ctl_accounts_fail(CTL_FAILED,
					 "'%s' is the certificate of a CA, not of a person", name);
	int r = key_of(cert, kind, out);
	if (r == MTLS_E_UNSUPPORTED)
		return ctl_accounts_fail(CTL_USAGE,
					 "--kind: '%s' is none of spki-sha256, sha256, "
					 "issuer-serial, subject",
					 kind);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "'%s' has no usable %s: %s", name, kind,
					 mtls_strerror(r));
	return CTL_OK;
}

static int canonical_key(const struct change_options *o, struct mtls_buf *out)
{
	struct mtls_diag diag = { "" };
	enum mtls_key_kind kind;
	if (!o->key)
		return key_from_cert(o, out);
	int r = mtls_key_parse(o->key, strlen(o->key), &kind, out, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_USAGE, "%s", mtls_diag_text(&diag, r));
	if (!mtls_key_kind_supported(kind))
		(void)fprintf(
			stderr,
			"mtlsctl: note: mtls-authd does not ask for keys of the kind '%s' yet\n",
			mtls_key_kind_name(kind));
	return CTL_OK;
}

/* A binding to nobody would be taken over by whoever gets the name later. */
static int check_user(const struct ctl_accounts *accounts, const char *name)
{
	struct mtls_acct_user user;
	uint32_t uid;
	if (ctl_snapshot_user(&accounts->snapshot, name, &user))
		return CTL_OK;
	if (!ctl_foreign_user(accounts, name, &uid))
		return ctl_accounts_fail(CTL_FAILED,
					 "there is no account '%s' on this machine: create it with "
					 "mtlsctl account add %s, or in the source that it belongs "
					 "to",
					 name, name);
	if (uid < FIRST_HUMAN_UID || uid == UID_NOBODY)
		return ctl_accounts_fail(CTL_FAILED,
					 "'%s' has uid %" PRIu32
					 ": root and system accounts cannot be bound",
					 name, uid);
	return CTL_OK;
}

static int ask_for(struct ctl_accounts *accounts, const char *verb, const char *user,
		   const char *key, bool dry_run)
{
	_cleanup_(ctl_message_done) struct ctl_message message = { 0 };
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	int code = mtls_streq(verb, MTLS_ACCT_VERB_BIND_ADD) ? check_user(accounts, user) : CTL_OK;
	if (code)
		return code;
	ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, verb);
	ctl_message_add(&message, "key", key);
	ctl_message_add(&message, "name", user);
	ctl_message_add(&message, "dry-run", dry_run ? "yes" : NULL);
	return ctl_change(accounts, &message, &end);
}

int ctl_bind_key(const char *user, const char *key, bool dry_run)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	int code = ctl_accounts_open(&accounts, CTL_PATIENCE_MS);
	if (code || ctl_snapshot_bound(&accounts.snapshot, user, key))
		return code;
	return ask_for(&accounts, MTLS_ACCT_VERB_BIND_ADD, user, key, dry_run);
}

int ctl_unbind_key(const char *user, const char *key)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	int code = ctl_accounts_open(&accounts, CTL_PATIENCE_MS);
	return code ? code : ask_for(&accounts, MTLS_ACCT_VERB_BIND_REMOVE, user, key, false);
}

bool ctl_is_bound(const char *user, const char *key)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };

	return ctl_accounts_read(&accounts) == CTL_OK &&
	       ctl_snapshot_bound(&accounts.snapshot, user, key);
}

static int change(const struct ctl_action *action, int argc, char **argv, bool add)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(MTLS_KEY_MAX);
	struct change_options o = { 0 };
	int code = parse_change(action, argc, argv, &o);
	if (!code)
		code = canonical_key(&o, &buf);
	if (!code)
		code = ctl_accounts_open(&accounts, CTL_PATIENCE_MS);
	if (!code && o.from_audit)
		code = check_user(&accounts, o.user);
	if (!code && o.from_audit && !o.yes && !o.dry_run)
		code = ctl_bind_confirm(o.user);
	if (code)
		return code;
	const char *key = mtls_buf_cstr(&buf);
	if (!key)
		return ctl_accounts_fail(CTL_FAILED, "out of memory");
	code = ask_for(&accounts, add ? MTLS_ACCT_VERB_BIND_ADD : MTLS_ACCT_VERB_BIND_REMOVE,
		       o.user, key, o.dry_run);
	if (o.json && code == CTL_OK)
		return ctl_json_print(json_pack("{s:s, s:s, s:b}", "key", key, "name", o.user,
						"dry_run", o.dry_run));
	if (o.json || !ctl_was_done(code))
		return code;
	if (o.dry_run)
		(void)puts("dry run: nothing was changed");
	(void)printf("%s %s '%s'\n", key, add ? "is bound to" : "is no longer bound to", o.user);
	return code;
}

static int run_add(const struct ctl_action *action, int argc, char **argv)
{
	return change(action, argc, argv, true);
}

static int run_remove(const struct ctl_action *action, int argc, char **argv)
{
	return change(action, argc, argv, false);
}

struct rows {
	const struct ctl_snapshot *snapshot;
	struct ctl_binding *bindings;
	size_t count;
};

/* Whether an account of pam-mtls has the name, or another source may. */
static const char *source_of(const struct rows *rows, const struct ctl_binding *binding)
{
	struct mtls_acct_user user;
	return mtls_acctdb_user_by_name(&rows->snapshot->db, binding->name.data, binding->name.len,
					&user) == 0
		       ? "mtls"
		       : "other";
}

static int print_row(const void *ctx, size_t index)
{
	const struct rows *rows = ctx;
	const struct ctl_binding *b = &rows->bindings[index];
	(void)printf("%.*s\t%s\t%.*s\n", (int)b->name.len, b->name.data, source_of(rows, b),
		     (int)b->key.len, b->key.data);
	return 0;
}

static json_t *row_json(const void *ctx, size_t index)
{
	const struct rows *rows = ctx;
	const struct ctl_binding *b = &rows->bindings[index];
	return json_pack("{s:o, s:s, s:o}", "user", ctl_json_str(b->name), "source",
			 source_of(rows, b), "key", ctl_json_str(b->key));
}

static void select_user(struct rows *rows, const char *user)
{
	size_t kept = 0;
	for (size_t i = 0; i < rows->count; i++)
		if (mtls_acct_str_eq(rows->bindings[i].name, user, strlen(user)))
			rows->bindings[kept++] = rows->bindings[i];
	rows->count = kept;
}

static int run_list(const struct ctl_action *action, int argc, char **argv)
{
	static const struct ctl_listing listing = {
		.header = "USER\tSOURCE\tKEY",
		.text = print_row,
		.json = row_json,
	};
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	struct list_options o = { 0 };
	struct rows rows = { .snapshot = &accounts.snapshot };
	char **args;
	int count;
	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_accounts_read(&accounts);
	if (code)
		return code;
	int r = ctl_snapshot_bindings(&accounts.snapshot, &rows.bindings, &rows.count);
	if (r == 0 && count)
		select_user(&rows, args[0]);
	if (r == 0)
		r = ctl_print_listing(&listing, &rows, rows.count, o.json);
	free(rows.bindings);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "'%s': %s", accounts.settings->snapshot,
					 mtls_strerror(r));
	return CTL_OK;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ "bind", "add", "USER [KEY]", "Binds a certificate to an account", 1, 2, add_options, run_add },
	{ "bind", "remove", "USER [KEY]", "Takes a binding away; it holds from the next login on", 1, 2, change_options, run_remove },
	{ "bind", "list", "[USER]", "Lists the published bindings, sorted by account", 0, 1, list_options, run_list },
};
/* clang-format on */

const struct ctl_command ctl_bind = {
	.name = "bind",
	.help = "which certificate belongs to which account",
	.about = about,
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
