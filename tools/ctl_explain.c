/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl explain: what is asked about, what is loaded for it; a certificate in a file. One thread.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/base/when.h"
#include "lib/name/account.h"
#include "lib/trust/trust.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_explain.h"
#include "tools/ctl_json.h"

#define CMD             "explain"
#define FILE_BYTES_MAX  (1 << 20)
#define AUDIT_ID_LEN    32 /* hexadecimal digits: as mtls-authd makes them */
#define SERVICE_MAX     64
#define SERVICE_NOBODYS "mtlsctl" /* settings of no section */

struct explain_options {
	const char *service, *user, *at, *file;
	bool json;
};

static const struct ctl_option explain_options[] = {
	CTL_OPTION(struct explain_options, service, "service", "SERVICE",
		   "for this PAM service: its section of pam_mtls.conf"),
	CTL_OPTION(struct explain_options, user, "user", "USER",
		   "who asks for this account; else the certificate decides"),
	CTL_OPTION(struct explain_options, at, "at", "WHEN",
		   "as if the clock stood there: -2h, 2026-11-30 14:00"),
	CTL_OPTION(struct explain_options, file, "file", "FILE",
		   "look for the AUDIT-ID in this file (-: standard input)"),
	CTL_OPTION(struct explain_options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

/* --------------------------------------------------------------------------------- loading */

static void load_authd(struct explain *e)
{
	struct mtls_diag diag = { 0 };

	int r = mtls_settings_authd_load(MTLS_AUTHD_CONF, &e->authd, &diag);
	if (r >= 0) {
		e->bounds = mtls_trust_bounds(e->authd);
		r = mtls_trust_load(e->authd, &e->anchors, &diag);
	}
	if (r >= 0)
		return;
	(void)mtls_diag_set(&e->no_authd, r, "not looked at: %s", mtls_diag_text(&diag, r));
	mtls_settings_authd_free(e->authd);
	e->authd = NULL;
}

void explain_load(struct explain *e)
{
	const char *service = e->service ? e->service : SERVICE_NOBODYS;

	load_authd(e);
	struct mtls_diag diag = { 0 };
	int r = mtls_settings_pam_load(MTLS_PAM_CONF, service, 0, NULL, &e->pam, &diag);
	e->pam_absent = r == -ENOENT;
	if (r < 0)
		(void)mtls_diag_set(&e->no_pam, r, "%s%s", e->pam_absent ? "has no pam_mtls: " : "",
				    mtls_diag_text(&diag, r));
}

void explain_done(struct explain *e)
{
	mtls_settings_authd_free(e->authd);
	mtls_anchors_free(e->anchors);
	mtls_settings_pam_free(e->pam);
	e->authd = NULL;
	e->anchors = NULL;
	e->pam = NULL;
}

/* ------------------------------------------------------------------------------ a file */

static int read_file(const char *path, struct mtls_buf *buf)
{
	struct mtls_diag diag = { 0 };
	int r = mtls_streq(path, "-") ? mtls_fd_read_all(STDIN_FILENO, buf)
				      : mtls_file_read(path, NULL, buf, &diag);
	return r < 0 ? ctl_error(CMD, "'%s': %s", path, mtls_diag_text(&diag, r)) : CTL_OK;
}

/* Every certificate of a PEM text, in its order, or one in DER. 0, -ENOMEM, MTLS_E_LIMIT. */
static int split_file(const struct mtls_buf *buf, struct explain_chain *chain)
{
	static const char begin[] = "-----BEGIN CERTIFICATE";
	const uint8_t *at = memmem(buf->data, buf->len, begin, sizeof(begin) - 1);
	int r = 0;

	if (!at)
		return explain_chain_add(chain, buf->data, buf->len);
	while (r >= 0 && at) {
		const size_t rest = buf->len - (size_t)(at - buf->data);
		const gnutls_datum_t pem = { buf->data + (at - buf->data), (unsigned int)rest };
		gnutls_datum_t der = { 0 };
		if (gnutls_pem_base64_decode2("CERTIFICATE", &pem, &der) < 0)
			return MTLS_E_SYNTAX;
		r = explain_chain_add(chain, der.data, der.size);
		gnutls_free(der.data);
		at = memmem(at + 1, rest - 1, begin, sizeof(begin) - 1);
	}
	return r;
}

int explain_print_json(json_t *object, int code)
{
	const int printed = ctl_json_print(object);
	return printed == CTL_OK ? code : printed;
}

static void say_moment(const struct explain *e, struct explain_report *report)
{
	char text[MTLS_WHEN_TEXT_MAX];

	mtls_when_format(e->now, text);
	explain_add(report, EXPLAIN_FACT, "moment", 0,
		    "%s; CRLs, bindings and accounts as they are now", text);
}

int explain_file(struct explain *e, const char *path, bool json)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(FILE_BYTES_MAX);
	_cleanup_(explain_chain_done) struct explain_chain chain = { .count = 0 };
	_cleanup_(explain_report_done) struct explain_report report = { 0 };

	int code = read_file(path, &buf);
	if (code)
		return code;
	int r = split_file(&buf, &chain);
	if (r < 0)
		return ctl_error(CMD, "'%s': %s", path,
				 r == MTLS_E_LIMIT ? "more certificates than anybody is shown"
						   : mtls_strerror(r));
	explain_load(e);
	say_moment(e, &report);
	explain_certificate(e, &chain, &report);
	code = explain_exit_code(&report);
	if (!json) {
		explain_print(&report, true);
		return code;
	}
	return explain_print_json(explain_json(&report), code);
}

/* --------------------------------------------------------------------------------- command */

/* What the argument is: a path if it looks like one, an id if it can be none else. */
static int explain_argument(struct explain *e, const char *argument, bool json)
{
	if (mtls_streq(argument, "-") || strchr(argument, '/'))
		return explain_file(e, argument, json);
	if (strlen(argument) == AUDIT_ID_LEN && mtls_audit_id_valid(argument))
		return explain_record(e, argument, json);
	/* "bob" is a person, "./bob" a file; "bob.pem" a file if there is one. */
	if (strchr(argument, '.') && access(argument, F_OK) == 0)
		return explain_file(e, argument, json);
	if (mtls_account_name_valid(argument, strlen(argument)))
		return explain_user(e, argument, json);
	return explain_file(e, argument, json);
}

static int run_explain(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(explain_done) struct explain e = { .now = time(NULL), .peer_uid = -1 };
	struct explain_options o = { 0 };
	struct mtls_diag diag = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	if (o.at && mtls_when_parse(o.at, time(NULL), &e.now, &diag) < 0)
		return ctl_action_usage(action, "--at: %s", diag.text);
	if (o.service && (!*o.service || strlen(o.service) > SERVICE_MAX))
		return ctl_action_usage(action, "--service needs 1 to %d bytes", SERVICE_MAX);
	if (o.user && !mtls_account_name_valid(o.user, strlen(o.user)))
		return ctl_action_usage(action, "--user: '%s' is no account name", o.user);
	e.service = o.service;
	e.user = o.user;
	e.audit_file = o.file;
	return explain_argument(&e, args[0], o.json);
}

static const struct ctl_action actions[] = {
	{ CMD, "", "CERT|USER|AUDIT-ID",
	  "Shows every check of a decision: of a certificate, a person, or an attempt", 1, 1,
	  explain_options, run_explain },
};

const struct ctl_command ctl_explain = {
	.name = CMD,
	.help = "why somebody enters or does not, check by check",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
