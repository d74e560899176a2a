/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What mtls-authd says of itself, as findings: is it there, is its configuration the one of the
 * files, do its workers stay, what of it ends soon. Says nothing of files: see ctl_check_cert.c.
 */
#include <config.h>

#include <errno.h>

#include "lib/base/str.h"
#include "lib/control/authd.h"
#include "tools/ctl_check.h"
#include "tools/ctl_text.h"

#define DAY 86400

#define JOURNAL "journalctl -u mtls-authd"

static void judge_reload(struct check *check, const struct ctl_daemon *daemon)
{
	struct ctl_text when;
	size_t at = 0;
	const struct mtls_control_fields *f = ctl_daemon_item(daemon, "reload", &at);

	if (!f || mtls_streq(ctl_field(f, "result"), "ok"))
		return;
	check_add(check, CHECK_ERROR, "authd", "correct it, then: mtlsctl reload",
		  "the configuration could not be reloaded at %s, the one before is used on: %s",
		  ctl_text_moment(&when, (int64_t)ctl_field_u64(f, "time")), ctl_field(f, "error"));
}

static void judge_workers(struct check *check, const struct ctl_daemon *daemon)
{
	const struct mtls_control_fields *f;
	size_t serving = 0;

	for (size_t at = 0; (f = ctl_daemon_item(daemon, "worker", &at));) {
		const char *state = ctl_field(f, "state");
		serving += mtls_streq(state, "running") || mtls_streq(state, "starting");
		if (mtls_streq(state, "waiting"))
			check_add(
				check, CHECK_WARNING, "authd", JOURNAL,
				"worker %s ended %s times and waits before it is started again: %s",
				ctl_field(f, "slot"), ctl_field(f, "restarts"),
				ctl_field(f, "error"));
	}
	if (!serving)
		check_add(check, CHECK_ERROR, "authd", JOURNAL,
			  "mtls-authd has no running worker: nobody can log in by certificate");
}

/* Kinds of items that end some day. */
static const struct ending {
	const char *kind, *field, *what, *advice, *over;
	int warn_days;
} endings[] = {
	{ "certificate", "not-after", "the server's certificate",
	  "make a new one: move server.pem and private/server.key away, then: mtlsctl init, "
	  "mtlsctl reload",
	  "every login by certificate fails", CHECK_WARN_DAYS },
	{ "ca", "not-after", "a CA's certificate",
	  "give authd.conf the CA's new certificate, then: mtlsctl reload",
	  "nobody with a certificate of it gets in", CHECK_WARN_DAYS },
	{ "crl", "next-update", "a revocation list",
	  "put the CA's new list in its place, then: mtlsctl reload",
	  "certificates of its CA are refused", CHECK_WARN_DAYS_CRL },
};

static void judge_end(struct check *check, const struct ending *e, const char *file, int64_t end)
{
	const char *advice = e->advice;
	struct ctl_text day, span;
	int64_t left = end - check->now;

	(void)ctl_text_day(&day, end);
	if (left <= 0)
		check_add(check, CHECK_ERROR, "authd", advice, "%s ('%s') ended on %s: %s", e->what,
			  file, day.text, e->over);
	else if (left < (int64_t)e->warn_days * DAY)
		check_add(check, CHECK_WARNING, "authd", advice, "%s ('%s') ends in %s, on %s",
			  e->what, file, ctl_text_span(&span, left), day.text);
}

static void judge_endings(struct check *check, const struct ctl_daemon *daemon)
{
	const struct mtls_control_fields *f;

	for (size_t i = 0; i < MTLS_COUNT(endings); i++) {
		const struct ending *e = &endings[i];
		for (size_t at = 0; (f = ctl_daemon_item(daemon, e->kind, &at));)
			if (mtls_control_get(f, e->field))
				judge_end(check, e, ctl_field(f, "file"),
					  (int64_t)ctl_field_u64(f, e->field));
	}
}

static void say_no_answer(struct check *check, const struct ctl_daemon *daemon)
{
	const char *advice = ctl_start_command(CTL_AUTHD);

	if (daemon->state == CTL_DAEMON_DOWN)
		check_add(check, CHECK_ERROR, "authd", advice,
			  "mtls-authd does not run: nobody can log in by certificate");
	else if (daemon->err == -EACCES)
		check_add(check, CHECK_NOTE, "authd", "sudo mtlsctl status",
			  "only root can ask mtls-authd how it is");
	else
		check_add(check, CHECK_ERROR, "authd", JOURNAL, "mtls-authd: %s",
			  daemon->diag.text);
}

void check_authd_answer(struct check *check, const struct ctl_daemon *daemon)
{
	size_t at = 0;

	if (daemon->state != CTL_DAEMON_ANSWERED) {
		say_no_answer(check, daemon);
		return;
	}
	const struct mtls_control_fields *f = ctl_daemon_item(daemon, "daemon", &at);
	if (!f) {
		check_add(check, CHECK_ERROR, "authd", JOURNAL,
			  "mtls-authd does not say how it is");
		return;
	}
	if (mtls_streq(ctl_field(f, "state"), "draining"))
		check_add(check, CHECK_WARNING, "authd", JOURNAL,
			  "mtls-authd is about to end: it takes no new connections");
	else
		judge_workers(check, daemon);
	judge_reload(check, daemon);
	judge_endings(check, daemon);
}
