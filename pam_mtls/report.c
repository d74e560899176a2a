/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reporting. Everything that came from outside is cleaned, so no record and no terminal sequence
 * can be forged; fields that others chose cannot leave their quotes. The detail, written by our own
 * code, stands last and may contain quotes.
 */
#include <config.h>

#include <syslog.h>

#include <security/pam_ext.h>

#include "pam_mtls/report.h"
#include "pam_mtls/words.h"

#define LINE_MAX   1536
#define FIELD_MAX  256
#define DETAIL_MAX 512

static int log_priority(int situation)
{
	switch (situation) {
	case MTLS_REASON_ALLOWED:
		return LOG_INFO;
	case RESULT_OFF:
		/* Every time: nobody shall forget that the machine runs without. */
		return LOG_WARNING;
	case MTLS_REASON_CONFIG:
	case MTLS_REASON_NONCE:
	case MTLS_REASON_NAME_GRAMMAR:
	case MTLS_REASON_NAME_MISMATCH:
	case RESULT_NO_MEMORY:
	case RESULT_FAULT:
		return LOG_ERR;
	default:
		return result_to_pam(RESULT_AUTHENTICATE, situation) == PAM_AUTHINFO_UNAVAIL
			       ? LOG_WARNING
			       : LOG_NOTICE;
	}
}

static void add_field(struct mtls_buf *line, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	(void)mtls_buf_printf(line, " %s='", name);
	prompt_clean(line, value, '\'', FIELD_MAX);
	(void)mtls_buf_append_str(line, "'");
}

static void write_log(pam_handle_t *pamh, const struct report *report)
{
	const struct mtls_auth_reply *reply = report->reply;
	_cleanup_buf_ struct mtls_buf line = MTLS_BUF(LINE_MAX);
	(void)mtls_buf_printf(&line, "reason=%s", result_token(report->situation));
	add_field(&line, "service", report->service);
	add_field(&line, "user", report->user);
	add_field(&line, "host", report->host);
	if (reply && reply->has_account) {
		add_field(&line, "account", reply->account);
		(void)mtls_buf_printf(&line, " uid=%u", reply->uid);
	}
	if (reply && reply->audit_id) {
		(void)mtls_buf_append_str(&line, " audit=");
		prompt_clean(&line, reply->audit_id, ' ', FIELD_MAX);
	}
	if (report->detail && *report->detail) {
		/* It quotes names, of the person's files too: none of them may end the field. */
		(void)mtls_buf_append_str(&line, " detail=\"");
		prompt_clean(&line, report->detail, '"', DETAIL_MAX);
		(void)mtls_buf_append_str(&line, "\"");
	}
	const char *text = mtls_buf_cstr(&line);
	pam_syslog(pamh, log_priority(report->situation), "%s",
		   text ? text : result_token(report->situation));
}

static void tell_person(const struct report *report)
{
	const struct mtls_auth_reply *reply = report->reply;
	_cleanup_buf_ struct mtls_buf line = MTLS_BUF(LINE_MAX);
	/* The daemon's own words only where the daemon's reason is the one that counts. */
	if (reply && reply->text && *reply->text && (int)reply->reason == report->situation)
		prompt_clean(&line, reply->text, 0, DETAIL_MAX);
	else
		(void)mtls_buf_append_str(&line, words(result_text(report->situation)));
	(void)mtls_buf_printf(&line, " (%s)", result_token(report->situation));
	/* What an administrator needs to find the attempt: mtlsctl explain ID. */
	if (reply && reply->audit_id && *reply->audit_id) {
		(void)mtls_buf_append_str(&line, " [id ");
		prompt_clean(&line, reply->audit_id, ']', FIELD_MAX);
		(void)mtls_buf_append_str(&line, "]");
	}
	const char *text = mtls_buf_cstr(&line);
	prompt_error(report->prompt, text ? text : result_text(report->situation));
}

void report_outcome(pam_handle_t *pamh, const struct report *report)
{
	write_log(pamh, report);
	if (report->prompt && report->situation != MTLS_REASON_ALLOWED &&
	    report->situation != RESULT_OFF)
		tell_person(report);
}
