/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What accountd/source_files.h asks of the store. Runs in the loop, between changes of people. */
#include <config.h>

#include <errno.h>
#include <time.h>

#include "accountd/source_files.h"
#include "accountd/sources.h"
#include "lib/base/log.h"

#define RECHECK_MS 250
#define LOGGED_MAX 20 /* entries left out that the log names; `status` has more */

static int begin(void *ctx, struct mtls_diag *diag)
{
	struct keeper *k = ctx;
	int r = keeper_refresh_local(k, diag);

	return r < 0 ? r : store_begin(k->store, diag);
}

static int changed(void *ctx, const char *source, const struct mtls_roster *roster,
		   struct mtls_diag *diag)
{
	struct keeper *k = ctx;

	return store_set_source(k->store, source, roster, diag);
}

static int log_conflict(void *ctx, const char *source, unsigned int line, const char *sentence)
{
	struct keeper *k = ctx;

	if (k->conflicts++ < LOGGED_MAX)
		mtls_log(MTLS_LOG_WARNING, "source '%s', line %u is left out: %s", source, line,
			 sentence);
	return 0;
}

static void log_conflicts(struct keeper *k)
{
	struct mtls_diag diag = { 0 };

	k->conflicts = 0;
	int r = store_conflicts(k->store, log_conflict, k, &diag);
	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "what sources lost: %s", mtls_diag_text(&diag, r));
	else if (k->conflicts > LOGGED_MAX)
		mtls_log(MTLS_LOG_WARNING,
			 "%zu lines of sources are left out: see mtlsctl account status",
			 k->conflicts);
}

static int commit(void *ctx, struct mtls_diag *diag)
{
	struct keeper *k = ctx;
	uint64_t generation = 0;
	time_t now = time(NULL);

	int r = store_merge(k->store, now < 0 ? 0 : (uint64_t)now, diag);
	if (r >= 0)
		r = store_commit(k->store, &generation, diag);
	if (r < 0)
		return r;
	mtls_log(MTLS_LOG_NOTICE, "source files: generation %llu", (unsigned long long)generation);
	log_conflicts(k);
	if (k->feed)
		feed_publish(k->feed);
	return 0;
}

static void rollback(void *ctx)
{
	struct keeper *k = ctx;

	store_rollback(k->store);
}

static void report(void *ctx, bool error, const char *sentence)
{
	(void)ctx;
	mtls_log(error ? MTLS_LOG_ERROR : MTLS_LOG_NOTICE, "%s", sentence);
}

static const struct source_files_ops ops = {
	.begin = begin,
	.changed = changed,
	.commit = commit,
	.rollback = rollback,
	.report = report,
};

static void on_recheck(uv_timer_t *timer)
{
	struct keeper *k = timer->data;
	struct mtls_diag diag = { 0 };

	int r = begin(k, &diag);
	if (r >= 0) {
		r = commit(k, &diag);
		if (r < 0)
			rollback(k);
	}
	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "source files: %s; all stays as it was",
			 mtls_diag_text(&diag, r));
}

void sources_recheck(struct keeper *k)
{
	if (k->conflicts && !k->stopping && !uv_is_active((uv_handle_t *)&k->recheck))
		(void)uv_timer_start(&k->recheck, on_recheck, RECHECK_MS, 0);
}

static int count_conflict(void *ctx, const char *source, unsigned int line, const char *sentence)
{
	struct keeper *k = ctx;

	(void)source, (void)line, (void)sentence;
	k->conflicts++;
	return 0;
}

struct known {
	struct source_files *files;
	struct mtls_diag *diag;
};

static int tell_known(void *ctx, const char *name, uint64_t users, uint64_t groups)
{
	struct known *known = ctx;

	(void)users;
	(void)groups;
	return source_files_known(known->files, name, known->diag);
}

int sources_open(struct keeper *k, struct mtls_diag *diag)
{
	const struct source_files_options options = {
		.folder = k->settings->source_directory,
		.ops = &ops,
		.ctx = k,
		.settle_ms = SOURCE_FILES_SETTLE_MS,
		.poll_ms = SOURCE_FILES_POLL_MS,
	};

	return source_files_new(&k->loop, &options, &k->sources, diag);
}

int sources_start(struct keeper *k, struct mtls_diag *diag)
{
	struct known known = { k->sources, diag };

	int r = store_sources(k->store, tell_known, &known, diag);
	if (r >= 0)
		r = store_conflicts(k->store, count_conflict, k, diag);
	if (r < 0)
		return r;
	/* What is wrong with a file was reported, and its source keeps what it had. */
	(void)source_files_scan(k->sources);
	return 0;
}
