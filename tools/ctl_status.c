/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl status: one screen about the two daemons, and what needs attention first, with what to
 * type. A daemon that is down is part of the answer. One thread.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/str.h"
#include "lib/control/accounts.h"
#include "lib/control/authd.h"
#include "tools/ctl_action.h"
#include "tools/ctl_check.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_status_services.h"
#include "tools/ctl_term.h"
#include "tools/ctl_text.h"

#define TEXT_MAX 1024 /* bytes of a line about a certificate or a finding */

#define CMD "status"

struct status {
	struct check check; /* what needs attention */
	struct ctl_daemon authd, accountd;
	json_t *services; /* owned */
};

static const enum ctl_style styles[CHECK_SEVERITIES] = {
	[CHECK_OK] = CTL_STYLE_GOOD,
	[CHECK_NOTE] = CTL_STYLE_PLAIN,
	[CHECK_WARNING] = CTL_STYLE_WARNING,
	[CHECK_ERROR] = CTL_STYLE_BAD,
};

static const char *style(enum ctl_style s)
{
	return ctl_style(stdout, s);
}

__attribute__((format(printf, 2, 3))) static void row(const char *label, const char *fmt, ...)
{
	va_list ap;

	(void)printf("  %-13s ", label);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
}

/* --- a daemon --- */

static void print_head(const struct ctl_daemon *daemon, const char *state)
{
	static const struct {
		const char *text;
		enum ctl_style style;
	} words[] = {
		[CTL_DAEMON_UNKNOWN] = { "could not be asked", CTL_STYLE_WARNING },
		[CTL_DAEMON_DOWN] = { "does not run", CTL_STYLE_BAD },
		[CTL_DAEMON_ANSWERED] = { NULL, CTL_STYLE_GOOD },
	};
	const char *text = words[daemon->state].text;

	(void)printf("%s%s%s: %s%s%s\n", style(CTL_STYLE_TITLE), daemon->name,
		     style(CTL_STYLE_PLAIN), style(words[daemon->state].style), text ? text : state,
		     style(CTL_STYLE_PLAIN));
	if (daemon->state == CTL_DAEMON_DOWN)
		row("start it", "%s", ctl_start_command(daemon->kind));
	else if (daemon->state == CTL_DAEMON_UNKNOWN)
		row("because", "%s%s", daemon->diag.text,
		    daemon->err == -EACCES ? "; only root may ask it: sudo mtlsctl status" : "");
}

/* --- mtls-authd --- */

static void print_daemon(const struct status *s, const struct mtls_control_fields *f)
{
	int64_t started = (int64_t)ctl_field_u64(f, "started");
	struct ctl_text since, span;

	row("since", "%s (%s), pid %s, version %s", ctl_text_moment(&since, started),
	    ctl_text_span(&span, s->check.now - started), ctl_field(f, "pid"),
	    ctl_field(f, "version"));
	row("configuration", "%s, generation %s", ctl_field(f, "config"),
	    ctl_field(f, "generation"));
}

static void print_reload(const struct ctl_daemon *authd)
{
	struct ctl_text when;
	size_t at = 0;
	const struct mtls_control_fields *f = ctl_daemon_item(authd, "reload", &at);

	if (!f)
		return;
	bool good = mtls_streq(ctl_field(f, "result"), "ok");
	row("last reload", "%s, %s%s%s%s%s",
	    ctl_text_moment(&when, (int64_t)ctl_field_u64(f, "time")),
	    style(good ? CTL_STYLE_GOOD : CTL_STYLE_BAD), good ? "good" : "failed",
	    style(CTL_STYLE_PLAIN), good ? "" : ": ", good ? "" : ctl_field(f, "error"));
}

static void print_workers(const struct ctl_daemon *authd)
{
	const struct mtls_control_fields *f;
	uint64_t count = 0, running = 0, draining = 0, connections = 0, restarts = 0;

	for (size_t at = 0; (f = ctl_daemon_item(authd, "worker", &at)); count++) {
		running += mtls_streq(ctl_field(f, "state"), "running");
		draining += mtls_streq(ctl_field(f, "state"), "draining");
		connections += ctl_field_u64(f, "connections");
		restarts += ctl_field_u64(f, "restarts");
	}
	char other[64] = "";
	if (draining)
		(void)snprintf(other, sizeof(other), ", %" PRIu64 " of before the reload",
			       draining);
	row("workers",
	    "%" PRIu64 " of %" PRIu64 " running%s, %" PRIu64 " connections, started again %" PRIu64
	    " times",
	    running, count - draining, other, connections, restarts);
}

static void print_listeners(const struct ctl_daemon *authd)
{
	const struct mtls_control_fields *f;
	const char *label = "listens at";

	for (size_t at = 0; (f = ctl_daemon_item(authd, "listener", &at)); label = "")
		row(label, "%s", ctl_field(f, "address"));
}

/* "12 days left" in the colour that it deserves. */
static void print_end(const struct status *s, const char *label, const char *what, int64_t end,
		      int warn_days)
{
	int64_t left = end - s->check.now;
	enum ctl_style how = left <= 0                    ? CTL_STYLE_BAD
			     : left < warn_days * 86400LL ? CTL_STYLE_WARNING
							  : CTL_STYLE_GOOD;
	char clean[TEXT_MAX];
	struct ctl_text day, span;

	(void)ctl_term_text(what, 0, clean, sizeof(clean));
	row(label, "%s, %s%s%s (%s)", clean, style(how),
	    left <= 0 ? "over" : ctl_text_span(&span, left), style(CTL_STYLE_PLAIN),
	    ctl_text_day(&day, end));
}

static void print_endings(const struct status *s)
{
	const struct mtls_control_fields *f;
	char what[256];

	for (size_t at = 0; (f = ctl_daemon_item(&s->authd, "certificate", &at));)
		print_end(s, "certificate", ctl_field(f, "subject"),
			  (int64_t)ctl_field_u64(f, "not-after"), CHECK_WARN_DAYS);
	for (size_t at = 0; (f = ctl_daemon_item(&s->authd, "ca", &at));) {
		(void)snprintf(what, sizeof(what), "%s (%s): %s", ctl_field(f, "name"),
			       ctl_field(f, "role"), ctl_field(f, "subject"));
		print_end(s, "CA", what, (int64_t)ctl_field_u64(f, "not-after"), CHECK_WARN_DAYS);
	}
	for (size_t at = 0; (f = ctl_daemon_item(&s->authd, "crl", &at));) {
		(void)snprintf(what, sizeof(what), "%s: %s", ctl_field(f, "ca"),
			       ctl_field(f, "file"));
		if (mtls_control_get(f, "next-update"))
			print_end(s, "revocations", what, (int64_t)ctl_field_u64(f, "next-update"),
				  CHECK_WARN_DAYS_CRL);
		else
			row("revocations", "%s", what);
	}
}

static void print_authd(const struct status *s)
{
	size_t at = 0;
	const struct mtls_control_fields *f = ctl_daemon_item(&s->authd, "daemon", &at);

	print_head(&s->authd, f ? ctl_field(f, "state") : "does not say how it is");
	if (!f)
		return;
	print_daemon(s, f);
	print_reload(&s->authd);
	print_workers(&s->authd);
	print_listeners(&s->authd);
	print_endings(s);
}

/* --- mtls-accountd --- */

static void print_accountd(const struct status *s)
{
	size_t at = 0;
	const struct mtls_control_fields *f = ctl_daemon_item(&s->accountd, "status", &at);

	print_head(&s->accountd, f ? "running" : "does not say how it is");
	if (!f)
		return;
	row("accounts", "%s users, %s groups, %s bindings", ctl_field(f, "users"),
	    ctl_field(f, "groups"), ctl_field(f, "bindings"));
	row("generation", "%s, published %s", ctl_field(f, "generation"),
	    ctl_field(f, "published"));
	for (at = 0; (f = ctl_daemon_item(&s->accountd, "source", &at));)
		row("source", "%s: %s, %s users, %s groups", ctl_field(f, "name"),
		    ctl_field(f, "state"), ctl_field(f, "users"), ctl_field(f, "groups"));
	row("socket", "%s", s->accountd.socket);
}

/* --- what needs attention --- */

static int exit_code(const struct status *s)
{
	if (s->authd.state == CTL_DAEMON_DOWN || s->accountd.state == CTL_DAEMON_DOWN)
		return CTL_NO_DAEMON;
	if (s->authd.state != CTL_DAEMON_ANSWERED || s->accountd.state != CTL_DAEMON_ANSWERED)
		return CTL_FAILED;
	return s->check.counts[CHECK_ERROR] || s->check.counts[CHECK_WARNING] ? CTL_FAILED : CTL_OK;
}

/* --- PAM services --- */

static void print_services(const struct status *s)
{
	size_t i;
	json_t *row;

	(void)printf("\n%sPAM services%s\n", style(CTL_STYLE_TITLE), style(CTL_STYLE_PLAIN));
	if (!json_array_size(s->services))
		(void)printf("  none uses pam_mtls: mtlsctl enable SERVICE\n");
	json_array_foreach(s->services, i, row) status_service_print(row, s->check.now);
}

static void print_attention(const struct status *s)
{
	const struct check *check = &s->check;

	if (!check->counts[CHECK_ERROR] && !check->counts[CHECK_WARNING]) {
		if (exit_code(s) != CTL_OK)
			return;
		(void)printf("\n%sNothing needs attention.%s\n", style(CTL_STYLE_GOOD),
			     style(CTL_STYLE_PLAIN));
		return;
	}
	char clean[TEXT_MAX];

	(void)printf("\n%sNeeds attention%s\n", style(CTL_STYLE_TITLE), style(CTL_STYLE_PLAIN));
	for (int severity = CHECK_ERROR; severity >= CHECK_WARNING; severity--)
		for (size_t i = 0; i < check->count; i++) {
			const struct check_finding *f = &check->findings[i];
			if (f->severity != (enum check_severity)severity)
				continue;
			(void)ctl_term_text(f->text.text, 0, clean, sizeof(clean));
			(void)printf("  %s%s%s: %s\n", style(styles[severity]),
				     check_severity_name(f->severity), style(CTL_STYLE_PLAIN),
				     clean);
			if (f->advice)
				(void)printf("    -> %s\n", f->advice);
		}
}

static json_t *json_of_daemon(const struct ctl_daemon *daemon)
{
	static const char *const states[] = {
		[CTL_DAEMON_UNKNOWN] = "unknown",
		[CTL_DAEMON_DOWN] = "down",
		[CTL_DAEMON_ANSWERED] = "running",
	};
	const char *why = daemon->err ? daemon->diag.text : NULL;

	return json_pack("{s:s, s:s, s:s*}", "state", states[daemon->state], "socket",
			 daemon->socket, "error", why);
}

/* Items of which there is one at most stand for themselves, the others in arrays. */
static int add_items(json_t *object, const struct ctl_daemon *daemon, const char *kind,
		     const char *list)
{
	const struct mtls_control_fields *f;
	size_t at = 0;

	if (daemon->state != CTL_DAEMON_ANSWERED)
		return 0;
	if (list)
		return json_object_set_new(object, list, ctl_json_items(daemon, kind));
	f = ctl_daemon_item(daemon, kind, &at);
	return f ? json_object_set_new(object, kind, ctl_json_fields(f)) : 0;
}

static json_t *json_of_status(const struct status *s)
{
	static const struct {
		size_t daemon; /* 0 authd, 1 accountd */
		const char *kind, *list;
	} rows[] = {
		{ 0, "daemon", NULL },
		{ 0, "reload", NULL },
		{ 0, "worker", "workers" },
		{ 0, "listener", "listeners" },
		{ 0, "certificate", "certificates" },
		{ 0, "ca", "cas" },
		{ 0, "crl", "crls" },
		{ 0, "counter", "counters" },
		{ 1, "status", NULL },
		{ 1, "source", "sources" },
		{ 1, "conflict", "conflicts" },
		{ 1, "dropped", "dropped" },
	};
	const struct ctl_daemon *daemons[] = { &s->authd, &s->accountd };
	json_t *objects[] = { json_of_daemon(&s->authd), json_of_daemon(&s->accountd) };
	int r = objects[0] && objects[1] ? 0 : -1;

	for (size_t i = 0; r == 0 && i < MTLS_COUNT(rows); i++)
		r = add_items(objects[rows[i].daemon], daemons[rows[i].daemon], rows[i].kind,
			      rows[i].list);
	/* Takes the objects, also when it fails. */
	json_t *all = json_pack("{s:o, s:o, s:O, s:o}", "authd", objects[0], "accountd", objects[1],
				"services", s->services, "attention",
				check_findings_json(&s->check, CHECK_WARNING));
	if (r < 0) {
		json_decref(all);
		return NULL;
	}
	return all;
}

/* --- the command --- */

static void ask(struct status *s)
{
	uint64_t published;

	ctl_daemon_ask(&s->authd, CTL_AUTHD, MTLS_AUTHD_VERB_STATUS, CTL_DAEMON_PATIENCE_MS);
	ctl_daemon_ask(&s->accountd, CTL_ACCOUNTD, MTLS_ACCT_VERB_STATUS, CTL_DAEMON_PATIENCE_MS);
	check_authd_answer(&s->check, &s->authd);
	(void)check_accountd_answer(&s->check, &s->accountd, &published);
	s->services = status_services(&s->check);
}

struct options {
	bool json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int print(const struct status *s, bool json)
{
	if (s->check.err || !s->services)
		return ctl_error(CMD, "out of memory");
	if (json)
		return ctl_json_print(json_of_status(s));
	print_authd(s);
	(void)putchar('\n');
	print_accountd(s);
	print_services(s);
	print_attention(s);
	return CTL_OK;
}

static int run_status(const struct ctl_action *action, int argc, char **argv)
{
	struct status s = { .check = { .dir = MTLS_SYSCONFDIR, .now = time(NULL) } };
	struct options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	(void)mtls_settings_accountd_load(MTLS_ACCOUNTD_CONF, &s.check.accountd, NULL);
	ask(&s);
	code = print(&s, o.json);
	if (code == CTL_OK)
		code = exit_code(&s);
	ctl_daemon_done(&s.authd);
	ctl_daemon_done(&s.accountd);
	json_decref(s.services);
	check_done(&s.check);
	return code;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "", "Shows the daemons, what they hold and serve, and what needs attention first with what to do\n"
	  "about it. Exit code 1: something needs attention; 4: a daemon does not run",
	  0, 0, options, run_status },
};
/* clang-format on */

const struct ctl_command ctl_status = {
	.name = CMD,
	.help = "show the daemons, and what needs attention",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
