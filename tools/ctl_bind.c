/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl bind add|remove|list: which certificate is which account's. */
#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/cert/cert.h"
#include "lib/name/key.h"
#include "tools/ctl_accounts.h"

#define CERT_FILE_MAX   (256 << 10)
#define FIRST_HUMAN_UID 1000
#define UID_NOBODY      65534

static const char usage[] =
	"Usage: mtlsctl bind add USER KEY [--dry-run]\n"
	"       mtlsctl bind add USER --cert FILE.pem [--kind KIND] [--dry-run]\n"
	"       mtlsctl bind remove USER KEY | --cert FILE.pem [--kind KIND] [--dry-run]\n"
	"       mtlsctl bind list [USER] [--json]\n"
	"\n"
	"Binds a certificate to an account: one of pam-mtls, or one that another source holds\n"
	"(/etc/passwd, a directory). Root and system accounts cannot be bound.\n"
	"  KEY      sha256:HEX, spki-sha256:HEX, issuer-serial:HEX:DN or subject:DN\n"
	"  --kind   what of the certificate is bound (default spki-sha256: its key, which\n"
	"           outlives a renewal)\n";

enum { OPT_CERT = 256, OPT_KIND, OPT_DRY_RUN, OPT_JSON };

static const struct option change_long[] = {
	{ "cert", required_argument, NULL, OPT_CERT },
	{ "kind", required_argument, NULL, OPT_KIND },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ 0 },
};

static const struct option list_long[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ 0 },
};

struct change_options {
	const char *user, *key, *cert, *kind;
	bool dry_run;
};

static int wrong_usage(void)
{
	(void)fputs(usage, stderr);
	return CTL_USAGE;
}

static int parse_change(int argc, char **argv, struct change_options *o)
{
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "", change_long, NULL)) != -1;) {
		switch (c) {
		case OPT_CERT:
			o->cert = optarg;
			break;
		case OPT_KIND:
			o->kind = optarg;
			break;
		case OPT_DRY_RUN:
			o->dry_run = true;
			break;
		default:
			return wrong_usage();
		}
	}
	if (argc - optind != (o->cert ? 1 : 2) || (o->kind && !o->cert))
		return wrong_usage();
	o->user = argv[optind];
	o->key = o->cert ? NULL : argv[optind + 1];
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
	int code = read_cert(o->cert, &cert);
	if (code)
		return code;
	if (mtls_cert_flags(cert) & MTLS_CERT_IS_CA)
		return ctl_accounts_fail(
			CTL_FAILED, "'%s' is the certificate of a CA, not of a person", o->cert);
	int r = key_of(cert, kind, out);
	if (r == MTLS_E_UNSUPPORTED)
		return ctl_accounts_fail(CTL_USAGE,
					 "--kind: '%s' is none of spki-sha256, sha256, "
					 "issuer-serial, subject",
					 kind);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "'%s' has no usable %s: %s", o->cert, kind,
					 mtls_strerror(r));
	return CTL_OK;
}

static int canonical_key(const struct change_options *o, struct mtls_buf *out)
{
	struct mtls_diag diag = { "" };
	enum mtls_key_kind kind;
	if (o->cert)
		return key_from_cert(o, out);
	int r = mtls_key_parse(o->key, strlen(o->key), &kind, out, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_USAGE, "%s", mtls_diag_text(&diag, r));
	if (!mtls_key_kind_supported(kind))
		(void)printf("note: mtls-authd does not ask for keys of the kind '%s' yet\n",
			     mtls_key_kind_name(kind));
	return CTL_OK;
}

/* A binding to nobody would be taken over by whoever gets the name later. */
static int check_user(const struct ctl_accounts *accounts, const char *user)
{
	uint32_t uid;
	if (mtls_acctset_user(accounts->set, user))
		return CTL_OK;
	if (!ctl_accounts_foreign_user(accounts, user, &uid))
		return ctl_accounts_fail(CTL_FAILED,
					 "there is no account '%s' on this machine: create it with "
					 "mtlsctl account add %s, or in the source that it belongs "
					 "to",
					 user, user);
	if (uid < FIRST_HUMAN_UID || uid == UID_NOBODY)
		return ctl_accounts_fail(CTL_FAILED,
					 "'%s' has uid %" PRIu32
					 ": root and system accounts cannot be bound",
					 user, uid);
	return CTL_OK;
}

static int change(int argc, char **argv, bool add)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(MTLS_KEY_MAX);
	struct change_options o = { 0 };
	struct mtls_diag diag = { "" };
	int code = parse_change(argc, argv, &o);
	if (!code)
		code = canonical_key(&o, &buf);
	if (!code)
		code = ctl_accounts_change(&accounts);
	if (!code && add)
		code = check_user(&accounts, o.user);
	if (code)
		return code;
	const char *key = mtls_buf_cstr(&buf);
	if (!key)
		return ctl_accounts_fail(CTL_FAILED, "out of memory");
	int r = add ? mtls_acctset_bind(accounts.set, key, o.user, &diag)
		    : mtls_acctset_unbind(accounts.set, key, o.user, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	code = ctl_accounts_commit(&accounts, o.dry_run);
	if (!code)
		(void)printf("%s %s '%s'\n", key, add ? "is bound to" : "is no longer bound to",
			     o.user);
	return code;
}

static int run_add(int argc, char **argv)
{
	return change(argc, argv, true);
}

static int run_remove(int argc, char **argv)
{
	return change(argc, argv, false);
}

struct listing {
	const struct mtls_acctset *set;
	const char *user; /* NULL: all */
	json_t *json;     /* NULL: as text */
};

static int list_one(void *ctx, const struct mtls_acctset_binding *binding)
{
	struct listing *l = ctx;
	for (char **name = binding->names; *name; name++) {
		if (l->user && !mtls_streq(l->user, *name))
			continue;
		const char *source = mtls_acctset_user(l->set, *name) ? "mtls" : "other";
		if (!l->json) {
			(void)printf("%s\t%s\t%s\n", *name, source, binding->key);
			continue;
		}
		json_t *item = json_pack("{s:s, s:s, s:s}", "user", *name, "source", source, "key",
					 binding->key);
		if (!item || json_array_append_new(l->json, item) < 0)
			return -1;
	}
	return 0;
}

static int run_list(int argc, char **argv)
{
	static const struct mtls_acctset_walk walk = { .binding = list_one };
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	bool json = false;
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "", list_long, NULL)) != -1;) {
		if (c != OPT_JSON)
			return wrong_usage();
		json = true;
	}
	if (argc - optind > 1)
		return wrong_usage();
	int code = ctl_accounts_read(&accounts);
	if (code)
		return code;
	struct listing l = { .set = accounts.set,
			     .user = optind < argc ? argv[optind] : NULL,
			     .json = json ? json_array() : NULL };
	if (json && !l.json)
		return ctl_accounts_fail(CTL_FAILED, "out of memory");
	code = ctl_accounts_print(accounts.set, &walk, &l, l.json, "USER\tSOURCE\tKEY");
	json_decref(l.json);
	return code;
}

int ctl_bind(int argc, char **argv)
{
	static const struct ctl_action actions[] = {
		{ "add", run_add },
		{ "remove", run_remove },
		{ "list", run_list },
		{ NULL, NULL },
	};
	return ctl_accounts_dispatch(actions, usage, argc, argv);
}
