/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads frames, builds, publishes, answers. A frame that is none ends the process. A stream that
 * cannot be published, for whatever reason, is read to its end and answered with the reason: so the
 * store can go on, and what was wrong with the disk may be right at the next one.
 */
#include <config.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "accountd/audit.h"
#include "accountd/configuration.h"
#include "accountd/landlock.h"
#include "accountd/process.h"
#include "accountd/publisher.h"
#include "accountd/report.h"
#include "accountd/sandbox.h"
#include "lib/acctdb/build.h"
#include "lib/acctdb/place.h"
#include "lib/acctdb/reader.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define READ_SIZE       (256 * 1024)
#define LOCK_TIMEOUT_MS 5000
#define TEXTS_MAX       256 /* dropped records told to the store for each stream */

struct publisher {
	struct mtls_settings_accountd *settings;
	struct mtls_acctplace *place; /* NULL: not open, tried again with each stream */
	struct mtls_buf in;
	size_t at; /* of the next frame in @in */
	uint32_t texts;
	struct audit audit;
	struct stat folder; /* of the snapshot when the sandbox closed; all 0: there was none */
	bool moved;         /* it is another one now, which the sandbox does not know */
};

/* The stream that is being read. */
struct stream {
	struct mtls_local *local;
	struct mtls_acctbuild *build;
	uint64_t serial;
	int err; /* the first failure; the rest is read and thrown away */
	struct mtls_diag diag;
};

/* ------------------------------------------------------------------------------ answers */

static int answer(const struct report *report)
{
	ssize_t n = send(ACCOUNTD_FD_PAIR, report, sizeof(*report), MSG_NOSIGNAL);

	return n == (ssize_t)sizeof(*report) ? 0 : MTLS_E_CLOSED;
}

/* The audit line of a record that this machine does not admit. */
static void dropped(void *ctx, const char *sentence)
{
	struct publisher *p = ctx;
	struct report report = { .kind = REPORT_DROPPED };

	audit_dropped(&p->audit, sentence);
	if (p->texts++ >= TEXTS_MAX)
		return;
	(void)mtls_strcopy(report.text, sizeof(report.text), sentence);
	/* A store that has gone is noticed at the next read. */
	(void)answer(&report);
}

/* ------------------------------------------------------------------------------- frames */

/* More bytes into p->in. 0, MTLS_E_CLOSED, -errno. */
static int fill(struct publisher *p)
{
	mtls_buf_consume(&p->in, p->at);
	p->at = 0;
	int r = mtls_buf_reserve(&p->in, READ_SIZE);
	if (r < 0)
		return r;
	ssize_t n = read(ACCOUNTD_FD_PAIR, p->in.data + p->in.len, READ_SIZE);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	p->in.len += (size_t)n;
	return n == 0 ? MTLS_E_CLOSED : 0;
}

/* The next item; it points into p->in until the next call. */
static int next_item(struct publisher *p, struct mtls_acct_item *ret)
{
	for (;;) {
		const uint8_t *data = p->in.data + p->at;
		size_t left = p->in.len - p->at, size = 0;
		int r = left ? mtls_acct_frame_size(data, left, &size) : 0;
		if (r < 0)
			return r;
		if (size && size <= left) {
			p->at += size;
			return mtls_acct_item_decode(data, size, ret);
		}
		r = fill(p);
		if (r < 0)
			return r;
	}
}

/* ------------------------------------------------------------------------------ streams */

/* An older store must not replace a newer snapshot: its ids would be given out twice. */
static int check_serial(struct publisher *p, uint64_t serial, struct mtls_diag *diag)
{
	struct mtls_acctdb db;
	const char *path = p->settings->snapshot;
	int r = mtls_acctdb_open(&db, path, 0, diag);

	if (r == -ENOENT || r == MTLS_E_CORRUPT) {
		(void)mtls_diag_set(diag, r, "'%s' is damaged: it is replaced", path);
		if (r == MTLS_E_CORRUPT)
			audit_line(&p->audit, MTLS_LOG_WARNING, diag->text);
		diag->text[0] = '\0';
		return 0;
	}
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': %s", path, mtls_strerror(r));
	uint64_t there = db.header.serial;
	mtls_acctdb_close(&db);
	if (there > serial)
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "the store is older (generation %llu) than the snapshot in "
				     "place (%llu): mtls-accountd --catch-up",
				     (unsigned long long)serial, (unsigned long long)there);
	return 0;
}

static int prepare(struct publisher *p, struct stream *stream)
{
	struct mtls_acctbuild_options options = {
		.ids = p->settings->ids,
		.created = (uint64_t)time(NULL),
		.dropped = dropped,
		.ctx = p,
	};
	int r = 0;

	if (!p->place)
		r = mtls_acctplace_open(p->settings->snapshot, 0, LOCK_TIMEOUT_MS, &p->place,
					&stream->diag);
	if (r >= 0)
		r = check_serial(p, stream->serial, &stream->diag);
	if (r >= 0)
		r = mtls_local_load(ACCOUNTD_ETC, &stream->local, &stream->diag);
	if (r >= 0)
		r = mtls_acctplace_begin(p->place, &options.fd, &stream->diag);
	options.local = stream->local;
	return r < 0 ? r : mtls_acctbuild_new(&options, &stream->build, &stream->diag);
}

static int begin(struct publisher *p, struct stream *stream, const struct mtls_acct_item *item)
{
	if (item->kind != MTLS_ACCT_ITEM_BEGIN)
		return MTLS_E_PROTOCOL;
	*stream = (struct stream){ .serial = item->u.begin.generation };
	p->texts = 0;
	audit_begin(&p->audit);
	stream->err = prepare(p, stream);
	return 0;
}

static void take(struct stream *stream, const struct mtls_acct_item *item)
{
	if (stream->err >= 0)
		stream->err = mtls_acctbuild_add(stream->build, item, &stream->diag);
}

static struct stat folder_now(const struct publisher *p)
{
	char copy[PATH_MAX];
	struct stat st;

	if (mtls_strcopy(copy, sizeof(copy), p->settings->snapshot) < 0 ||
	    stat(dirname(copy), &st) < 0)
		return (struct stat){ 0 };
	return st;
}

/* The sandbox stands for the folder that there was, not for its name: only a new process helps. */
static bool has_moved(const struct publisher *p)
{
	const struct stat now = folder_now(p);

	return now.st_dev != p->folder.st_dev || now.st_ino != p->folder.st_ino;
}

static void log_failure(struct publisher *p, const char *why)
{
	char line[MTLS_DIAG_MAX + 32];

	(void)snprintf(line, sizeof(line), "not published: %s", why);
	audit_line(&p->audit, MTLS_LOG_ERROR, line);
}

/* Publishes if all went well, and says how it went. */
static int finish(struct publisher *p, struct stream *stream)
{
	struct report report = { .kind = REPORT_DONE, .serial = stream->serial };
	struct mtls_acct_header header;

	if (stream->err >= 0)
		stream->err = mtls_acctbuild_finish(stream->build, &header, &stream->diag);
	if (stream->err >= 0)
		stream->err = mtls_acctplace_publish(p->place, &stream->diag);
	if (stream->build)
		report.dropped = mtls_acctbuild_dropped(stream->build);
	if (stream->err < 0) {
		report.code = stream->err;
		(void)mtls_strcopy(report.text, sizeof(report.text),
				   mtls_diag_text(&stream->diag, stream->err));
		log_failure(p, report.text);
		/* The folder may be another one by then. */
		if (p->place)
			mtls_acctplace_discard(p->place);
		mtls_acctplace_close(MTLS_TAKE(p->place));
		p->moved = has_moved(p);
	}
	audit_end(&p->audit, stream->err >= 0);
	return answer(&report);
}

static void stream_done(struct stream *stream)
{
	mtls_acctbuild_free(MTLS_TAKE(stream->build));
	mtls_local_free(MTLS_TAKE(stream->local));
}

/* One stream. MTLS_E_CLOSED when the store closes; or what made it no stream. */
static int serve(struct publisher *p)
{
	_cleanup_(stream_done) struct stream stream = { 0 };
	struct mtls_acct_item item;

	int r = next_item(p, &item);
	if (r >= 0)
		r = begin(p, &stream, &item);
	while (r >= 0 && item.kind != MTLS_ACCT_ITEM_END) {
		take(&stream, &item);
		r = next_item(p, &item);
	}
	if (r < 0)
		return r;
	take(&stream, &item);
	return finish(p, &stream);
}

int publisher_confine(const char *snapshot, struct mtls_diag *diag)
{
	char copy[PATH_MAX];

	if (mtls_strcopy(copy, sizeof(copy), snapshot) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", snapshot);
	const struct landlock_folder folders[] = {
		{ dirname(copy), true },
		LANDLOCK_LOCAL_FILES,
	};
	const struct rlimit data = { accountd_publisher_data_max, accountd_publisher_data_max };
	int r = setrlimit(RLIMIT_DATA, &data) < 0 ? -errno : 0;
	if (r >= 0)
		r = landlock_restrict(folders, MTLS_COUNT(folders));
	if (r >= 0)
		r = sandbox_publisher();
	return r < 0 ? mtls_diag_set(diag, r, "sandbox: %s", mtls_strerror(r)) : 0;
}

int publisher_run(pid_t supervisor)
{
	struct publisher p = { .in = MTLS_BUF(MTLS_ACCT_FRAME_MAX + READ_SIZE) };
	struct mtls_diag diag = { 0 };

	(void)umask(022);
	int r = process_begin(supervisor, &diag);
	if (r >= 0)
		r = process_give_up(0, 0, &diag);
	if (r >= 0)
		r = configuration_inherit(ACCOUNTD_FD_SETTINGS, &p.settings, &diag);
	if (r >= 0) {
		p.folder = folder_now(&p);
		r = publisher_confine(p.settings->snapshot, &diag);
	}
	if (r < 0) {
		mtls_log(MTLS_LOG_ERROR, "publisher: %s", mtls_diag_text(&diag, r));
		return ACCOUNTD_EXIT_SOFTWARE;
	}
	while (r >= 0 && !p.moved)
		r = serve(&p);
	if (p.moved)
		mtls_log(MTLS_LOG_NOTICE, "the folder of '%s' is another one: starting again",
			 p.settings->snapshot);
	else if (r != MTLS_E_CLOSED)
		mtls_log(MTLS_LOG_ERROR, "publisher: the stream is no stream: %s",
			 mtls_strerror(r));
	mtls_buf_done(&p.in);
	audit_done(&p.audit);
	mtls_settings_accountd_free(p.settings);
	mtls_acctplace_close(p.place);
	return p.moved || r == MTLS_E_CLOSED ? ACCOUNTD_EXIT_OK : ACCOUNTD_EXIT_SOFTWARE;
}
