/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a refused attempt to a binding. The record comes from a daemon that reads the network, so
 * nothing in it is believed beyond what it is: a certificate that must be acceptable to this
 * machine now, by the checks of a login, and a person who says yes. One thread.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/base/when.h"
#include "tools/ctl_audit.h"
#include "tools/ctl_bind.h"
#include "tools/ctl_common.h"
#include "tools/ctl_explain.h"
#include "tools/ctl_term.h"

#define CMD "bind add"

static void print_fact(const char *name, const char *text)
{
	char clean[4096];

	(void)ctl_term_text(text && *text ? text : "-", 0, clean, sizeof(clean));
	(void)printf("%-12s %s\n", name, clean);
}

static void print_attempt(const struct mtls_audit_record *record, const struct mtls_cert *cert)
{
	const struct mtls_audit_request *request = &record->request;
	char when[MTLS_WHEN_TEXT_MAX], until[MTLS_WHEN_TEXT_MAX], sha256[65], from[256];

	mtls_when_format(record->time_us / 1000000, when);
	mtls_when_format(mtls_cert_not_after(cert), until);
	mtls_hex_encode(mtls_cert_sha256(cert), 32, sha256);
	(void)snprintf(from, sizeof(from), "%s%s%s%s, uid %" PRId64 "%s",
		       request->tty ? request->tty : "",
		       request->tty && request->remote_host ? ", " : "",
		       request->remote_host ? request->remote_host : "",
		       record->peer.address ? record->peer.address : "", record->peer.uid,
		       request->reported ? "" : " (claimed)");
	print_fact("subject", mtls_cert_subject(cert));
	print_fact("issuer", mtls_cert_issuer(cert));
	print_fact("sha256", sha256);
	print_fact("valid until", until);
	print_fact("attempt", when);
	print_fact("service", request->service);
	print_fact("asked for", request->account);
	print_fact("from", from);
	print_fact("refused for", record->reason);
}

/* Only who finished the handshake has shown to hold the key of what it sent. */
static int check_record(const struct mtls_audit_record *record)
{
	if (record->allowed)
		return ctl_error(CMD,
				 "that attempt was no refusal: its certificate is bound already");
	if (!record->proven)
		return ctl_error(CMD,
				 "nobody has proved to hold the key of that certificate (%s): the "
				 "handshake was not finished. Let the person try again",
				 record->reason);
	if (!record->leaf)
		return ctl_error(CMD, "the record has no certificate: it was too long");
	return CTL_OK;
}

static int parse_leaf(const struct mtls_audit_record *record, const struct explain_chain *chain,
		      struct mtls_cert **ret)
{
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;
	struct mtls_diag diag = { 0 };
	char sha256[65];

	int r = mtls_cert_from_der(chain->der[0], chain->len[0], &cert, &diag);
	if (r < 0)
		return ctl_error(CMD, "the record's certificate: %s", mtls_diag_text(&diag, r));
	mtls_hex_encode(mtls_cert_sha256(cert), 32, sha256);
	if (!mtls_streq(sha256, record->verified.sha256))
		return ctl_error(CMD,
				 "the record contradicts itself: its certificate is not the one "
				 "that was verified. Look at mtls-authd");
	*ret = MTLS_TAKE(cert);
	return CTL_OK;
}

/* What a login would find now, but for the binding and the account, which are to come. */
static int check_now(const struct explain_chain *chain)
{
	_cleanup_(explain_done) struct explain e = { .now = time(NULL), .peer_uid = -1 };
	_cleanup_(explain_report_done) struct explain_report report = { 0 };

	explain_load(&e);
	explain_acceptable(&e, chain, &report);
	const enum mtls_reason reason = explain_reason(&report);
	if (reason == MTLS_REASON_ALLOWED && !explain_unknown(&report))
		return CTL_OK;
	explain_print(&report, false);
	if (reason == MTLS_REASON_ALLOWED)
		return ctl_error(CMD, "not everything could be looked at: nothing is bound");
	return ctl_error(CMD, "the certificate would be refused now: %s (%s)",
			 mtls_reason_text(reason), mtls_reason_token(reason));
}

int ctl_bind_cert_from_audit(const char *id, const char *user, struct mtls_cert **ret)
{
	_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;
	_cleanup_(explain_chain_done) struct explain_chain chain = { .count = 0 };
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;

	int code = ctl_audit_find(CMD, NULL, id, &record);
	if (!code)
		code = check_record(record);
	if (code)
		return code;
	int r = explain_chain_from_record(record, &chain);
	if (r < 0)
		return ctl_error(CMD, "the record's certificate cannot be read: %s",
				 mtls_strerror(r));
	code = parse_leaf(record, &chain, &cert);
	if (!code)
		code = check_now(&chain);
	if (code)
		return code;
	print_attempt(record, cert);
	if (record->request.account && *record->request.account &&
	    !mtls_streq(record->request.account, user))
		(void)printf("note: that attempt asked for another account than '%s'\n", user);
	*ret = MTLS_TAKE(cert);
	return CTL_OK;
}

int ctl_bind_confirm(const char *user)
{
	char answer[16];

	(void)fflush(stdout);
	if (!isatty(STDIN_FILENO))
		return ctl_error(CMD, "nobody is there to be asked: --yes binds without asking");
	(void)fprintf(stderr, "Whoever has this key enters as '%s'. Bind it? [y/N] ", user);
	if (!fgets(answer, sizeof(answer), stdin) ||
	    (!mtls_streq(answer, "y\n") && !mtls_streq(answer, "yes\n")))
		return ctl_error(CMD, "nothing was bound");
	return CTL_OK;
}
