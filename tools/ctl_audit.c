/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl audit: who tried to enter, and what came of it. One thread. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

#include "lib/base/str.h"
#include "lib/base/when.h"
#include "lib/wire/reason.h"
#include "tools/ctl_action.h"
#include "tools/ctl_audit.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_term.h"

#define CMD           "audit"
#define LIMIT_DEFAULT 100
#define LIMIT_MAX     10000
#define TEXT_MAX      256

struct audit_options {
	const char *since, *until, *user, *service, *reason, *id, *limit, *file;
	bool denied, follow, json;
};

static const struct ctl_option audit_options[] = {
	CTL_OPTION(struct audit_options, since, "since", "WHEN",
		   "from then on: today, -2h, 30m ago, 2026-11-30 14:00"),
	CTL_OPTION(struct audit_options, until, "until", "WHEN", "up to then"),
	CTL_OPTION(struct audit_options, user, "user", "USER",
		   "about this account: found, or asked for"),
	CTL_OPTION(struct audit_options, service, "service", "SERVICE", "of this PAM service"),
	CTL_OPTION(struct audit_options, reason, "reason", "REASON",
		   "with this reason, as the person read it"),
	CTL_OPTION(struct audit_options, denied, "denied", NULL, "refusals only"),
	CTL_OPTION(struct audit_options, id, "id", "ID", "the one that has this id"),
	CTL_OPTION(struct audit_options, limit, "limit", "NUMBER",
		   "the newest so many (100); 0: all of them"),
	CTL_OPTION(struct audit_options, follow, "follow", NULL,
		   "wait for more, until interrupted"),
	CTL_OPTION(struct audit_options, file, "file", "FILE",
		   "read this file (-: standard input) instead of where authd.conf says"),
	CTL_OPTION(struct audit_options, json, "json", NULL, "print records as lines of JSON"),
	{ 0 },
};

struct show {
	struct mtls_audit_filter filter;
	uint32_t limit;
	bool json;
	size_t shown;
	bool headed;
	char **seen;   /* owned: ids that were shown, where they may come again */
	bool remember; /* fill it */
};

/* ------------------------------------------------------------------------------ one record */

static void print_cell(const char *text, size_t width, const char *before, const char *after)
{
	char clean[TEXT_MAX];
	const size_t used = ctl_term_text(text && *text ? text : "-", width, clean, sizeof(clean));

	(void)printf("%s%s%s%*s ", before, clean, after, used < width ? (int)(width - used) : 0,
		     "");
}

/* Where it came from: the remote host, else the address, else the terminal, else whose program. */
static void describe_origin(const struct mtls_audit_record *record, char out[TEXT_MAX])
{
	const struct mtls_audit_request *request = &record->request;
	const char *mark = record->asked && !request->reported ? "~" : "";

	if (record->peer.address)
		(void)snprintf(out, TEXT_MAX, "%s", record->peer.address);
	else if (request->remote_host && *request->remote_host)
		(void)snprintf(out, TEXT_MAX, "%s%s", mark, request->remote_host);
	else if (request->tty && *request->tty)
		(void)snprintf(out, TEXT_MAX, "%s%s", mark, request->tty);
	else if (record->peer.uid >= 0)
		(void)snprintf(out, TEXT_MAX, "uid %lld", (long long)record->peer.uid);
	else
		out[0] = '\0';
}

static void print_head(struct show *show)
{
	const char *title = ctl_style(stdout, CTL_STYLE_TITLE);
	const char *plain = ctl_style(stdout, CTL_STYLE_PLAIN);

	if (!show->headed)
		(void)printf("%s%-19s %-7s %-12s %-14s %-16s %-18s %s%s\n", title, "TIME",
			     "VERDICT", "ACCOUNT", "SERVICE", "FROM", "REASON", "ID", plain);
	show->headed = true;
}

static void print_row(const struct mtls_audit_record *record)
{
	const char *style = ctl_style(stdout, record->allowed ? CTL_STYLE_GOOD : CTL_STYLE_BAD);
	char when[MTLS_WHEN_TEXT_MAX], origin[TEXT_MAX];

	mtls_when_format(record->time_us / 1000000, when);
	describe_origin(record, origin);
	(void)printf("%s ", when);
	print_cell(record->allowed ? "allowed" : "denied", 7, style,
		   ctl_style(stdout, CTL_STYLE_PLAIN));
	print_cell(record->account ? record->account : record->request.account, 12, "", "");
	print_cell(record->request.service, 14, "", "");
	print_cell(origin, 16, "", "");
	print_cell(record->reason, 18, "", "");
	(void)printf("%s\n", record->id); /* its grammar was checked */
}

/* CTL_OK or an exit code. */
static int print_record(struct show *show, const struct mtls_audit_record *record)
{
	show->shown++;
	ctl_result_printed();
	if (show->remember && mtls_strv_add(&show->seen, record->id) < 0)
		return ctl_error(CMD, "out of memory");
	if (!show->json) {
		print_head(show);
		print_row(record);
		return CTL_OK;
	}
	if (ctl_json_write(record->json, JSON_COMPACT, stdout) < 0)
		return ctl_error(CMD, "out of memory, or standard output is closed");
	(void)putchar('\n');
	return CTL_OK;
}

/* --------------------------------------------------------------------------------- the list */

/* The newest records, in a ring: whichever order they come in. */
struct newest {
	struct mtls_audit_record **records;
	size_t room, count, at; /* at: where the next one goes */
	bool more;              /* there were others */
};

static void newest_done(struct newest *newest)
{
	for (size_t i = 0; i < newest->room; i++)
		mtls_audit_record_free(newest->records[i]);
	free(newest->records);
}

static void newest_add(struct newest *newest, struct mtls_audit_record *record)
{
	newest->more = newest->more || newest->count == newest->room;
	mtls_audit_record_free(newest->records[newest->at]);
	newest->records[newest->at] = record;
	newest->at = (newest->at + 1) % newest->room;
	if (newest->count < newest->room)
		newest->count++;
}

/* A record that is kept needs no certificate unless it is printed as it is: a tenth of memory. */
static void slim(const struct show *show, struct mtls_audit_record *record)
{
	if (show->json)
		return;
	(void)json_object_del(record->json, "leaf");
	(void)json_object_del(record->json, "chain");
	record->leaf = NULL;
	record->chain = NULL;
}

static int collect(struct ctl_audit *audit, const struct show *show, struct newest *newest)
{
	for (;;) {
		struct mtls_audit_record *record = NULL;
		int r = ctl_audit_next(audit, &show->filter, &record);
		if (r <= 0)
			return r;
		if (audit->newest_first && newest->count == newest->room) {
			newest->more = true;
			mtls_audit_record_free(record);
			return 0;
		}
		slim(show, record);
		newest_add(newest, record);
	}
}

static int show_newest(struct ctl_audit *audit, struct show *show)
{
	_cleanup_(newest_done) struct newest newest = { .room = show->limit };
	int code = CTL_OK;

	newest.records = calloc(newest.room, sizeof(*newest.records));
	if (!newest.records) {
		newest.room = 0;
		return ctl_error(CMD, "out of memory");
	}
	if (collect(audit, show, &newest) < 0)
		return CTL_FAILED;
	for (size_t i = 0; i < newest.count && code == CTL_OK; i++) {
		const size_t back = audit->newest_first ? newest.count - 1 - i : i;
		const size_t start =
			audit->newest_first ? 0 : newest.at + newest.room - newest.count;
		code = print_record(show, newest.records[(start + back) % newest.room]);
	}
	if (newest.more)
		ctl_progress("Only the newest %u are shown; --limit 0 shows all.", show->limit);
	return code;
}

static bool was_seen(const struct show *show, const char *id)
{
	for (char **seen = show->seen; seen && *seen; seen++)
		if (mtls_streq(*seen, id))
			return true;
	return false;
}

/* Prints what comes, up to the end. */
static int show_all(struct ctl_audit *audit, struct show *show)
{
	for (;;) {
		_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;
		int r = ctl_audit_next(audit, &show->filter, &record);
		if (r <= 0)
			return r < 0 ? CTL_FAILED : CTL_OK;
		int code = was_seen(show, record->id) ? CTL_OK : print_record(show, record);
		if (code)
			return code;
	}
}

/* -------------------------------------------------------------------------------- following */

/* The file itself and its folder: what is written, and that it is another one now. */
static int watch_file(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const int len = slash > path ? (int)(slash - path) : 1;

	if (!slash || snprintf(folder, sizeof(folder), "%.*s", len, path) >= (int)sizeof(folder))
		return -EINVAL;
	_cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 ||
	    inotify_add_watch(fd, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0)
		return -errno;
	return MTLS_TAKE_FD(fd);
}

static int wait_event(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char events[4096];

	if (poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
		return -errno;
	while (read(fd, events, sizeof(events)) > 0)
		;
	return 0;
}

static int follow_file(struct ctl_audit *audit, struct show *show)
{
	struct mtls_diag diag = { 0 };
	_cleanup_close_ int watch = watch_file(audit->path);
	int r = watch < 0 ? watch : mtls_audit_reader_turn(audit->reader);

	while (r >= 0) {
		int code = show_all(audit, show);
		if (code)
			return code;
		r = mtls_audit_reader_follow(audit->reader, audit->path, audit->owner, &diag);
		if (r > 0)
			continue;
		if (fflush(stdout) != 0)
			return CTL_FAILED;
		if (r == 0)
			r = wait_event(watch);
	}
	return ctl_error(CMD, "'%s': %s", audit->path, mtls_diag_text(&diag, r));
}

/* Two readers of the journal overlap: what the first one showed is not shown again. */
static int follow_journal(struct ctl_audit *follower, struct show *show)
{
	show->remember = false;
	if (setvbuf(stdout, NULL, _IOLBF, 0) != 0 || fflush(stdout) != 0)
		return CTL_FAILED;
	return show_all(follower, show);
}

/* --------------------------------------------------------------------------------- command */

static int take_moment(const struct ctl_action *action, const char *option, const char *text,
		       int64_t *ret_us)
{
	struct mtls_diag diag = { 0 };
	int64_t seconds;

	if (!text)
		return CTL_OK;
	if (mtls_when_parse(text, time(NULL), &seconds, &diag) < 0)
		return ctl_action_usage(action, "--%s: %s", option, diag.text);
	*ret_us = seconds * 1000000;
	return CTL_OK;
}

static int take_filter(const struct ctl_action *action, const struct audit_options *o,
		       struct show *show)
{
	struct mtls_audit_filter filter = MTLS_AUDIT_FILTER_ANY;

	int code = take_moment(action, "since", o->since, &filter.since_us);
	if (!code)
		code = take_moment(action, "until", o->until, &filter.until_us);
	if (!code)
		code = ctl_action_number(action, "limit", o->limit, 0, LIMIT_MAX, &show->limit);
	if (code)
		return code;
	if (o->until)
		filter.until_us += 999999; /* the whole second */
	if (filter.since_us > filter.until_us)
		return ctl_action_usage(action, "--since is behind --until");
	if (o->reason && mtls_reason_from_token(o->reason) < 0)
		return ctl_action_usage(
			action, "--reason: '%s' is no reason; PROTOCOL.md lists them", o->reason);
	if (o->id && !mtls_audit_id_valid(o->id))
		return ctl_action_usage(action, "--id: '%s' is no audit id", o->id);
	if (o->follow && (o->until || o->id))
		return ctl_action_usage(action, "--follow waits for what is not there yet: without "
						"--until and --id");
	if (o->follow && o->file)
		return ctl_action_usage(action, "--follow goes with what authd.conf says, not with "
						"--file");
	filter.user = o->user;
	filter.service = o->service;
	filter.reason = o->reason;
	filter.id = o->id;
	filter.denied = o->denied;
	show->filter = filter;
	return CTL_OK;
}

static void say_compressed(const struct ctl_audit *audit, const struct show *show)
{
	if (audit->path && show->shown < show->limit && mtls_audit_reader_compressed(audit->path))
		ctl_progress("Compressed files beside '%s' are not read: zcat FILE | mtlsctl audit "
			     "--file -",
			     audit->path);
}

static int show_records(const struct audit_options *o, struct show *show)
{
	_cleanup_(ctl_audit_done) struct ctl_audit audit = { 0 }, follower = { 0 };
	struct ctl_audit_ask ask = { .file = o->file,
				     .filter = &show->filter,
				     .backwards = show->limit > 0 };
	int code = ctl_audit_open(&audit, CMD, &ask);
	show->remember = o->follow && audit.journal > 0;
	ask.following = true;
	if (!code && show->remember)
		code = ctl_audit_open(&follower, CMD, &ask); /* first: nothing falls between */
	if (code)
		return code;
	if (o->follow && !show->limit)
		(void)mtls_audit_reader_turn(audit.reader);
	code = show->limit ? show_newest(&audit, show) : show_all(&audit, show);
	ctl_audit_say_broken(&audit);
	say_compressed(&audit, show);
	if (code || !o->follow)
		return code;
	audit.broken = 0;
	return audit.path ? follow_file(&audit, show) : follow_journal(&follower, show);
}

static int run_audit(const struct ctl_action *action, int argc, char **argv)
{
	struct show show = { .limit = LIMIT_DEFAULT };
	struct audit_options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = take_filter(action, &o, &show);
	if (code)
		return code;
	show.json = o.json;
	code = show_records(&o, &show);
	mtls_strv_free(show.seen);
	/* As a search does: the answer "none" is not the answer "here". */
	return code == CTL_OK && show.shown == 0 ? CTL_DENIED : code;
}

static const struct ctl_action actions[] = {
	{ CMD, "", "", "Lists audit records of mtls-authd, the newest last", 0, 0, audit_options,
	  run_audit },
};

const struct ctl_command ctl_audit = {
	.name = CMD,
	.help = "who tried to enter, and what came of it",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
