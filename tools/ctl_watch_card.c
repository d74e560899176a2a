/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl watch-card: waits for the removal of the card that a person logged in with, for as long
 * as the session lives. This process loads no driver and waits for nothing but poll(2): the looking
 * is done by a process of its own, and so is what is to be done.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/settings/pam_mtls.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_term.h"
#include "tools/ctl_tokens.h"
#include "tools/ctl_watch.h"
#include "tools/ctl_watch_act.h"
#include "tools/ctl_watch_scan.h"

#define CMD           "watch-card"
#define DELAY_SECONDS 1
#define DELAY_MAX     60
#define AGAIN_MS      1000 /* until a process that ended is started again; doubled each time */
#define AGAIN_MAX_MS  30000
#define LOGIN_TOKEN   "PKCS11_LOGIN_TOKEN_NAME" /* set by GDM's login with a card */
#define READERS       "/run/pcscd/pcscd.comm"

struct watching {
	const char *action;
	bool once;

	struct ctl_watch watch;
	struct ctl_scan scan;
	struct ctl_scan_token card; /* the one that is watched */
	bool known;                 /* `card` is set */
	bool complained;            /* of a driver that fails from the start */
	bool named;                 /* every token that the filter takes is the card */
	mtls_deadline again;        /* when the process is started again */
	uint32_t again_ms;
	int signals; /* signalfd */
	int readers; /* the service of the readers: its end is seen here; -1 */
	int code;
	bool over;
};

/* A line for the journal, or for a terminal. */
__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	char text[MTLS_DIAG_MAX], clean[MTLS_DIAG_MAX + 4];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	(void)ctl_term_text(text, 0, clean, sizeof(clean));
	(void)printf("%s\n", clean);
	(void)fflush(stdout);
}

/* --- the process that looks --- */

static void start(struct watching *w)
{
	struct mtls_diag diag = { 0 };

	if (ctl_scan_start(&w->scan, &diag) < 0)
		say("%s", diag.text);
	w->again = mtls_deadline_in_ms(w->again_ms);
	w->again_ms = w->again_ms * 2 > AGAIN_MAX_MS ? AGAIN_MAX_MS : w->again_ms * 2;
}

/* @is_new: it was said that it is there. */
static void see(struct watching *w, enum ctl_watch_seen seen, bool is_new)
{
	const enum ctl_watch_state before = w->watch.state;

	ctl_watch_see(&w->watch, seen, mtls_now_ms());
	if (w->watch.state == before || is_new)
		return;
	if (w->watch.state == CTL_WATCH_MISSING)
		say("'%s' is not there", w->card.label);
	else if (w->watch.state == CTL_WATCH_THERE)
		say("'%s' is there", w->card.label);
	else if (w->watch.state == CTL_WATCH_BLIND)
		say("nobody can tell about '%s': its driver or its reader fails", w->card.label);
}

static void lose_scan(struct watching *w)
{
	if (!w->known && !w->complained && w->again_ms > AGAIN_MS * 2) {
		say("the card's driver fails; it is tried again and again");
		w->complained = true;
	}
	ctl_scan_stop(&w->scan);
	see(w, CTL_WATCH_UNKNOWN, false);
}

/* --- the service of the readers --- */

/*
 * pcscd says nothing on a connection that asks nothing; when it ends, the connection does, and the
 * readers that come back one after the other are not cards that were taken out.
 */
static void connect_readers(struct watching *w)
{
	static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = READERS };

	if (w->readers >= 0)
		return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		w->readers = fd;
	else
		(void)close(fd);
}

static void lose_readers(struct watching *w)
{
	char byte;
	ssize_t n = recv(w->readers, &byte, 1, 0);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	(void)close(w->readers);
	w->readers = -1;
	ctl_watch_trouble(&w->watch, mtls_now_ms());
	/* What the driver has of the old service is of no use to it. */
	lose_scan(w);
}

/* --- which card --- */

static bool is_card(const struct watching *w, const struct ctl_scan_token *token)
{
	return w->named || (mtls_streq(token->label, w->card.label) &&
			    mtls_streq(token->identity, w->card.identity));
}

/* The first card is the one that is watched, unless somebody has named another. */
static void find_card(struct watching *w, const struct ctl_scan_report *report)
{
	int index = w->named ? (report->count ? 0 : -1) : ctl_scan_choose(report);

	if (index == -2) {
		w->code = ctl_error(CMD, "several cards are there: name the one that you logged in "
					 "with by --token");
		w->over = true;
		return;
	}
	if (index < 0)
		return;
	w->card = report->tokens[index];
	w->known = true;
	say("watching '%s'", w->card.label);
}

static void take_report(struct watching *w)
{
	struct ctl_scan_report report;

	int r = ctl_scan_take(&w->scan, &report);
	if (r < 0)
		lose_scan(w);
	if (r <= 0)
		return;
	enum ctl_watch_seen seen = report.failed ? CTL_WATCH_UNKNOWN : CTL_WATCH_ABSENT;
	if (!report.failed)
		w->again_ms = AGAIN_MS;
	connect_readers(w);
	const bool is_new = !w->known;
	if (is_new)
		find_card(w, &report);
	for (uint32_t i = 0; w->known && i < report.count; i++)
		if (is_card(w, &report.tokens[i]))
			seen = CTL_WATCH_PRESENT;
	see(w, seen, is_new);
}

/* --- what is done --- */

static int act(struct watching *w)
{
	struct mtls_diag diag = { 0 };

	if (ctl_watch_act(w->action, w->card.label, &diag) < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, -EIO));
	return CTL_OK;
}

/* A command that does not end shall not keep the next removal from being seen. */
static void act_aside(struct watching *w)
{
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		_exit(act(w));
	if (pid < 0)
		(void)ctl_error(CMD, "fork: %s", strerrordesc_np(errno));
}

static void card_removed(struct watching *w)
{
	say("'%s' was removed: %s", w->card.label, w->action);
	if (!w->once) {
		act_aside(w);
		return;
	}
	w->code = act(w);
	w->over = true;
}

/* --- the loop --- */

static void take_signal(struct watching *w)
{
	struct signalfd_siginfo info;

	if (read(w->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo != SIGCHLD) {
		w->over = true;
		return;
	}
	for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
		if (pid == w->scan.pid) {
			w->scan.pid = 0;
			lose_scan(w);
		}
}

static int wait_ms(const struct watching *w)
{
	int64_t left = ctl_watch_left(&w->watch, mtls_now_ms());
	int again = w->scan.pid ? -1 : mtls_deadline_left_ms(w->again);

	if (left < 0)
		return again;
	return again >= 0 && again < left ? again : (int)left;
}

static void turn(struct watching *w)
{
	struct pollfd polls[] = {
		{ .fd = w->signals, .events = POLLIN },
		{ .fd = w->scan.fd, .events = POLLIN },
		{ .fd = w->readers, .events = POLLIN },
	};

	if (poll(polls, MTLS_COUNT(polls), wait_ms(w)) < 0 && errno != EINTR) {
		w->code = ctl_error(CMD, "poll: %s", strerrordesc_np(errno));
		w->over = true;
		return;
	}
	/* First: what is seen then counts only after the readers have settled. */
	if (polls[2].revents)
		lose_readers(w);
	if (polls[1].revents)
		take_report(w);
	if (polls[0].revents)
		take_signal(w);
	if (!w->over && !w->scan.pid && mtls_deadline_left_ms(w->again) == 0)
		start(w);
	if (!w->over && ctl_watch_removed(&w->watch, mtls_now_ms()))
		card_removed(w);
}

static int open_signals(void)
{
	static const int numbers[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < MTLS_COUNT(numbers); i++)
		(void)sigaddset(&set, numbers[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int watch(struct watching *w)
{
	w->signals = open_signals();
	if (w->signals < 0)
		return ctl_error(CMD, "signalfd: %s", strerrordesc_np(errno));
	connect_readers(w);
	while (!w->over)
		turn(w);
	ctl_scan_stop(&w->scan);
	if (w->readers >= 0)
		(void)close(w->readers);
	(void)close(w->signals);
	return w->code;
}

/* --- the command line --- */

struct options {
	const char *on_remove, *token, *module, *conf, *delay;
	bool once;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, on_remove, "on-remove", "lock|logout|COMMAND",
		   "what to do then: lock the session, end it, or run a command"),
	CTL_OPTION(struct options, token, "token", "LABEL",
		   "the card: its label or PKCS#11 URI (the one that is there)"),
	CTL_OPTION(struct options, delay, "delay", "SECONDS",
		   "how long it has to be away, 0-60 (1)"),
	CTL_OPTION(struct options, once, "once", NULL, "end after the first removal"),
	CTL_OPTION(struct options, module, "module", "FILE",
		   "the card's driver, instead of pkcs11_modules of pam_mtls.conf"),
	CTL_OPTION(struct options, conf, "conf", "FILE", "instead of " MTLS_PAM_CONF),
	{ 0 },
};

static int run(const struct options *o, uint32_t delay)
{
	_cleanup_(mtls_token_filter_freep) struct mtls_token_filter *filter = NULL;
	_cleanup_(mtls_strv_freep) char **modules = NULL;
	const char *token = o->token ? o->token : getenv(LOGIN_TOKEN);
	struct mtls_diag diag = { 0 };

	if (getuid() == 0 || geteuid() == 0)
		return ctl_error(CMD, "run it as the person whose session it is, not as root");
	if (ctl_tokens_wish(token, &filter, &diag) < 0)
		return ctl_fail(CTL_USAGE, "'%s': %s", token, diag.text);
	int r = ctl_tokens_modules(o->module, o->conf, &modules, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	struct watching w = {
		.action = o->on_remove,
		.once = o->once,
		.watch = { .delay_ms = delay * 1000 },
		.scan = { .modules = modules, .filter = filter, .fd = -1 },
		.named = filter != NULL,
		.again_ms = AGAIN_MS,
		.readers = -1,
	};
	return watch(&w);
}

static int run_watch_card(const struct ctl_action *action, int argc, char **argv)
{
	struct options o = { .conf = MTLS_PAM_CONF };
	uint32_t delay = DELAY_SECONDS;
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code && (!o.on_remove || !*o.on_remove))
		code = ctl_action_usage(action, "--on-remove is missing");
	if (!code)
		code = ctl_action_number(action, "delay", o.delay, 0, DELAY_MAX, &delay);
	return code ? code : run(&o, delay);
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "--on-remove lock|logout|COMMAND", "Waits, for as long as the session lives, for the card to be taken out. Run it as the person who\n"
	  "is logged in; mtls-watch-card.service of the person's systemd does",
	  0, 0, options, run_watch_card },
};
/* clang-format on */

const struct ctl_command ctl_watch_card = {
	.name = CMD,
	.help = "lock or end the session when its card is taken out",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
