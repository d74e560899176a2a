/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening audit records. The journal is read by journalctl, as a child with an empty environment:
 * libsystemd would bring its compressors and its file format into a tool that runs as root, for a
 * reader that systemd brings along anyway. Only what the user of mtls-authd wrote is asked for:
 * anybody may send the journal a field MTLS_AUDIT, but nobody else's uid. One thread.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/settings/authd.h"
#include "tools/ctl_audit.h"
#include "tools/ctl_common.h"
#include "tools/ctl_term.h"

#define JOURNALCTL     "/usr/bin/journalctl"
#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define ARGUMENTS_MAX  16
#define ARGUMENT_MAX   128
#define OVERLAP        2 /* seconds that two readers of the journal share */
#define NAMED_MAX      5 /* broken lines that are named one by one */

/* What is older in the file than --since by more than this ends the search: clocks are set. */
#define DISORDER_US (INT64_C(300) * 1000000)

bool ctl_audit_journal_here(void)
{
	return access(JOURNAL_SOCKET, F_OK) == 0;
}

void ctl_audit_done(struct ctl_audit *audit)
{
	mtls_audit_reader_free(audit->reader);
	if (audit->journal > 0) {
		(void)kill(audit->journal, SIGTERM);
		(void)waitpid(audit->journal, NULL, 0);
	}
	free(audit->path);
	*audit = (struct ctl_audit){ 0 };
}

/* -------------------------------------------------------------------------------- journal */

struct arguments {
	char text[ARGUMENTS_MAX][ARGUMENT_MAX];
	char *list[ARGUMENTS_MAX + 1];
	size_t count;
	bool full;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments, const char *fmt,
						      ...)
{
	va_list ap;

	if (arguments->count == ARGUMENTS_MAX) {
		arguments->full = true;
		return;
	}
	char *at = arguments->text[arguments->count];
	va_start(ap, fmt);
	int n = vsnprintf(at, ARGUMENT_MAX, fmt, ap);
	va_end(ap);
	arguments->full = arguments->full || n < 0 || n >= ARGUMENT_MAX;
	arguments->list[arguments->count++] = at;
}

/* Only exact fields: what a filter says beyond them is looked at when the records come. */
static void make_arguments(struct arguments *arguments, const struct ctl_audit *audit,
			   const struct ctl_audit_ask *ask)
{
	const struct mtls_audit_filter *filter = ask->filter;

	add(arguments, "journalctl");
	add(arguments, "--quiet");
	add(arguments, "--no-pager");
	add(arguments, "--all");
	add(arguments, "--output=cat");
	add(arguments, "--output-fields=MTLS_AUDIT");
	if (ask->following) {
		/* A little of what is there, too: it may come while journalctl starts. */
		add(arguments, "--follow");
		add(arguments, "--no-tail");
		add(arguments, "--since=@%" PRId64, (int64_t)time(NULL) - OVERLAP);
	} else if (ask->backwards) {
		add(arguments, "--reverse");
	}
	if (!ask->following && filter->since_us >= DISORDER_US)
		add(arguments, "--since=@%" PRId64, (filter->since_us - DISORDER_US) / 1000000);
	add(arguments, "_UID=%u", (unsigned int)audit->owner);
	if (filter->id)
		add(arguments, "MTLS_AUDIT_ID=%s", filter->id);
	if (filter->reason)
		add(arguments, "MTLS_REASON=%s", filter->reason);
	if (filter->denied)
		add(arguments, "MTLS_VERDICT=denied");
}

static void run_journalctl(char **arguments, int out)
{
	char *environment[] = { NULL };

	(void)signal(SIGPIPE, SIG_DFL);
	if (dup2(out, STDOUT_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(126);
	(void)execve(JOURNALCTL, arguments, environment);
	_exit(127);
}

static int open_journal(struct ctl_audit *audit, const struct ctl_audit_ask *ask)
{
	struct arguments arguments = { .count = 0 };
	struct mtls_diag diag = { 0 };
	int pipes[2];

	make_arguments(&arguments, audit, ask);
	if (arguments.full)
		return ctl_error(audit->command, "the journal cannot be asked for that");
	if (access(JOURNALCTL, X_OK) < 0)
		return ctl_error(audit->command, "'%s' reads the journal, but: %s", JOURNALCTL,
				 mtls_strerror(-errno));
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return ctl_error(audit->command, "pipe: %s", mtls_strerror(-errno));
	audit->journal = fork();
	if (audit->journal == 0)
		run_journalctl(arguments.list, pipes[1]);
	(void)close(pipes[1]);
	int r = audit->journal < 0 ? -errno : 0;
	if (r >= 0)
		r = mtls_audit_reader_take(pipes[0], "the journal", false, &audit->reader, &diag);
	audit->newest_first = ask->backwards && !ask->following;
	if (r >= 0)
		return CTL_OK;
	(void)close(pipes[0]);
	return ctl_error(audit->command, "the journal: %s", mtls_diag_text(&diag, r));
}

/* journalctl has said why. */
static int journal_ended(struct ctl_audit *audit)
{
	int status = 0;
	const pid_t pid = audit->journal;

	audit->journal = 0;
	if (pid <= 0 || waitpid(pid, &status, 0) != pid || status == 0)
		return 0;
	(void)ctl_error(audit->command, "journalctl failed: the journal could not be read");
	return -EIO;
}

/* ---------------------------------------------------------------------------------- files */

static int open_named(struct ctl_audit *audit, const struct ctl_audit_ask *ask)
{
	struct mtls_diag diag = { 0 };
	bool input = mtls_streq(ask->file, "-");
	int fd = input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
		       : open(ask->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return ctl_error(audit->command, "'%s': %s", ask->file, mtls_strerror(-errno));
	/* A pipe has no end to begin at; then the newest come last, and all are read. */
	bool backwards = ask->backwards && lseek(fd, 0, SEEK_END) >= 0;
	if (!backwards)
		(void)lseek(fd, 0, SEEK_SET);
	int r = mtls_audit_reader_take(fd, input ? "standard input" : ask->file, backwards,
				       &audit->reader, &diag);
	audit->newest_first = backwards;
	if (r >= 0)
		return CTL_OK;
	(void)close(fd);
	return ctl_error(audit->command, "%s", mtls_diag_text(&diag, r));
}

static int open_file(struct ctl_audit *audit, const char *path, const struct ctl_audit_ask *ask)
{
	struct mtls_diag diag = { 0 };

	audit->newest_first = ask->backwards;
	audit->path = strdup(path);
	int r = audit->path ? mtls_audit_reader_open(path, audit->owner, ask->backwards,
						     &audit->reader, &diag)
			    : -ENOMEM;
	if (r == -EACCES)
		return ctl_error(audit->command, "%s: records are for root: try sudo",
				 mtls_diag_text(&diag, r));
	if (r == -ENOENT)
		return ctl_error(audit->command,
				 "%s: mtls-authd makes it when it starts; has it run with this "
				 "authd.conf?",
				 mtls_diag_text(&diag, r));
	return r < 0 ? ctl_error(audit->command, "%s", mtls_diag_text(&diag, r)) : CTL_OK;
}

int ctl_audit_open(struct ctl_audit *audit, const char *command, const struct ctl_audit_ask *ask)
{
	_cleanup_(mtls_settings_authd_freep) struct mtls_settings_authd *settings = NULL;
	struct mtls_diag diag = { 0 };

	audit->command = command;
	if (ask->file)
		return open_named(audit, ask);
	int r = mtls_settings_authd_load(MTLS_AUTHD_CONF, &settings, &diag);
	if (r < 0)
		return ctl_error(command, "%s: --file FILE reads records of elsewhere",
				 mtls_diag_text(&diag, r));
	const struct passwd *user = getpwnam(settings->user);
	audit->owner = user ? user->pw_uid : 0;
	if (settings->audit_file && !mtls_streq(settings->audit_file, "-"))
		return open_file(audit, settings->audit_file, ask);
	if (settings->audit_file)
		return ctl_error(command, "audit_file is '-': the records are in what mtls-authd "
					  "prints; put that into a file and name it with --file");
	if (!ctl_audit_journal_here())
		return ctl_error(command,
				 "this machine has no journal, so mtls-authd prints its "
				 "records: set audit_file in '%s', or name a file with "
				 "--file",
				 MTLS_AUTHD_CONF);
	if (!user)
		return ctl_error(command, "user '%s' does not exist: whose records are ours?",
				 settings->user);
	return open_journal(audit, ask);
}

/* -------------------------------------------------------------------------------- reading */

/* A remark, no failure: the other lines are read. */
__attribute__((format(printf, 2, 3))) static void remark(const struct ctl_audit *audit,
							 const char *fmt, ...)
{
	struct mtls_diag text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text.text, sizeof(text.text), fmt, ap);
	va_end(ap);
	(void)fflush(stdout);
	(void)fprintf(stderr, "mtlsctl %s: %s\n", audit->command, text.text);
}

static void say_line(struct ctl_audit *audit, const struct mtls_diag *diag, int err)
{
	char clean[MTLS_DIAG_MAX];

	if (audit->broken++ >= NAMED_MAX)
		return;
	(void)ctl_term_text(mtls_diag_text(diag, err), 0, clean, sizeof(clean));
	remark(audit, "no record: %s", clean);
}

void ctl_audit_say_broken(const struct ctl_audit *audit)
{
	if (audit->broken)
		remark(audit, "%zu line%s no record%s", audit->broken,
		       audit->broken == 1 ? " was" : "s were", audit->broken == 1 ? "" : "s");
}

int ctl_audit_next(struct ctl_audit *audit, const struct mtls_audit_filter *filter,
		   struct mtls_audit_record **ret)
{
	for (;;) {
		_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;
		struct mtls_diag diag = { 0 };
		int r = mtls_audit_reader_next(audit->reader, &record, &diag);
		if (r == 0)
			return journal_ended(audit);
		if (r == MTLS_E_SYNTAX || r == MTLS_E_LIMIT) {
			say_line(audit, &diag, r);
			continue;
		}
		if (r < 0) {
			(void)ctl_error(audit->command, "%s", mtls_diag_text(&diag, r));
			return r;
		}
		if (mtls_audit_matches(record, filter)) {
			*ret = MTLS_TAKE(record);
			return 1;
		}
		if (mtls_audit_reader_backwards(audit->reader) &&
		    filter->since_us >= INT64_MIN + DISORDER_US &&
		    record->time_us < filter->since_us - DISORDER_US)
			return 0;
	}
}

int ctl_audit_find(const char *command, const char *file, const char *id,
		   struct mtls_audit_record **ret)
{
	_cleanup_(ctl_audit_done) struct ctl_audit audit = { 0 };
	struct mtls_audit_filter filter = MTLS_AUDIT_FILTER_ANY;
	const struct ctl_audit_ask ask = { .file = file, .filter = &filter, .backwards = true };

	filter.id = id;
	int code = ctl_audit_open(&audit, command, &ask);
	if (code)
		return code;
	int r = ctl_audit_next(&audit, &filter, ret);
	if (r > 0)
		return CTL_OK;
	if (r < 0)
		return CTL_FAILED;
	ctl_audit_say_broken(&audit);
	(void)ctl_error(command, "no record has the id '%s'", id);
	if (audit.path && mtls_audit_reader_compressed(audit.path))
		(void)ctl_error(command,
				"compressed files are not read: zcat '%s'.2.gz | mtlsctl %s %s "
				"--file -",
				audit.path, command, id);
	return CTL_FAILED;
}
