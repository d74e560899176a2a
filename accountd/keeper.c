/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Start, events that belong to no connection, end. One thread; a change is made between two rounds
 * of the loop, so there is one at a time.
 */
#include <config.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "accountd/configuration.h"
#include "accountd/conn.h"
#include "accountd/keeper.h"
#include "accountd/landlock.h"
#include "accountd/process.h"
#include "accountd/report.h"
#include "accountd/sandbox.h"
#include "accountd/source_files.h"
#include "accountd/sources.h"
#include "lib/acctdb/place.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define MINUTE_MS   60000
#define STOP_MS     15000 /* for the answers under way; the supervisor waits longer */
#define TICK_MS     50
#define WORK_MAX_MS (30 * 60 * 1000) /* a change of four million accounts on a slow machine */

/* ---------------------------------------------------------------------------- supervisor */

static void say(char kind, const char *text)
{
	struct word word = { .kind = kind };

	(void)mtls_strcopy(word.text, sizeof(word.text), text);
	/* A supervisor that does not read has gone or will look at the next one. */
	(void)send(ACCOUNTD_FD_SUPERVISOR, &word, sizeof(word), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_ping(uv_timer_t *timer)
{
	struct keeper *k = timer->data;

	k->turn_ms = k->pinged_ms = mtls_now_ms();
	say(WORD_ALIVE, "");
}

/* One change keeps the loop from turning; as long as the store gets on with it, that is life. */
static void on_working(void *ctx)
{
	struct keeper *k = ctx;
	int64_t now = mtls_now_ms();

	if (!k->setup->ping_ms || now - k->pinged_ms < k->setup->ping_ms ||
	    now - k->turn_ms > WORK_MAX_MS)
		return;
	k->pinged_ms = now;
	say(WORD_ALIVE, "");
}

/* ------------------------------------------------------------------------------- ending */

static void on_stop_tick(uv_timer_t *timer)
{
	struct keeper *k = timer->data;
	int64_t *left = &k->stop_left_ms;

	*left -= TICK_MS;
	if (server_idle(k->server) || *left <= 0)
		uv_stop(&k->loop);
}

/* Answers what is under way, then ends. */
static void stop(struct keeper *k, int exit_code)
{
	if (k->stopping)
		return;
	k->stopping = true;
	k->exit_code = exit_code;
	k->stop_left_ms = STOP_MS;
	server_stop(k->server);
	(void)uv_timer_start(&k->stop_timer, on_stop_tick, 0, TICK_MS);
}

static void on_term(uv_signal_t *handle, int number)
{
	(void)number;
	stop(handle->data, ACCOUNTD_EXIT_OK);
}

/* ----------------------------------------------------------------------------- publisher */

static void tell_state(struct keeper *k, int code, const char *text)
{
	uint64_t generation = feed_state(k->feed)->published;
	char state[MTLS_DIAG_MAX];

	if (code == 0)
		(void)snprintf(state, sizeof(state), "generation %llu is published",
			       (unsigned long long)generation);
	else
		(void)snprintf(state, sizeof(state), "not published: %s", text);
	if (mtls_streq(state, k->told))
		return;
	(void)mtls_strcopy(k->told, sizeof(k->told), state);
	say(WORD_STATE, state);
}

static void on_judged(void *ctx, uint64_t number, int code, const char *text)
{
	struct keeper *k = ctx;

	tell_state(k, code, text);
	server_judged(k->server, number, code, text);
}

static void on_feed_closed(void *ctx)
{
	struct keeper *k = ctx;
	static const char text[] = "the publisher has ended; it is started again";

	if (!feed_state(k->feed)->done_once)
		tell_state(k, MTLS_E_CLOSED, text);
	server_judged(k->server, UINT64_MAX, MTLS_E_CLOSED, text);
	stop(k, ACCOUNTD_EXIT_OK);
}

/* ------------------------------------------------------------------------------ local files */

int keeper_refresh_local(struct keeper *k, struct mtls_diag *diag)
{
	struct mtls_local *fresh = NULL;

	if (k->local && !mtls_local_changed(k->local))
		return 0;
	int r = mtls_local_load(ACCOUNTD_ETC, &fresh, diag);
	if (r < 0)
		return r;
	store_set_local(k->store, fresh);
	mtls_local_free(k->local);
	k->local = fresh;
	if (k->feed)
		feed_publish(k->feed);
	sources_recheck(k);
	return 0;
}

static void on_minute(uv_timer_t *timer)
{
	struct keeper *k = timer->data;
	struct mtls_diag diag = { 0 };

	int r = keeper_refresh_local(k, &diag);
	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "local accounts: %s; what was known stays",
			 mtls_diag_text(&diag, r));
}

/* ------------------------------------------------------------------------------- the store */

/* An exit code that tells an administrator's tools what kind of trouble it is. */
static int exit_for(int err)
{
	switch (err) {
	case MTLS_E_CORRUPT:
	case MTLS_E_VERSION:
	case MTLS_E_DENIED:
		return ACCOUNTD_EXIT_DATA;
	case MTLS_E_BUSY:
		return ACCOUNTD_EXIT_UNAVAILABLE;
	default:
		return ACCOUNTD_EXIT_OSERR;
	}
}

/*
 * A store that does not exist, without a snapshot, where snapshots have been: they are lost, and
 * with them which ids were given out.
 */
static int refuse_lost_ids(const struct keeper *k, struct mtls_diag *diag)
{
	char copy[PATH_MAX], gen[PATH_MAX + sizeof(MTLS_ACCTDB_GEN_NAME)];
	uint64_t counted = 0;
	struct stat st;

	if (stat(k->settings->store, &st) == 0 || errno != ENOENT ||
	    stat(k->settings->snapshot, &st) == 0 || errno != ENOENT)
		return 0;
	(void)mtls_strcopy(copy, sizeof(copy),
			   k->settings->snapshot); /* keeper_confine() did too */
	(void)snprintf(gen, sizeof(gen), "%s/%s", dirname(copy), MTLS_ACCTDB_GEN_NAME);
	int r = mtls_acctplace_counted(gen, 0, &counted, diag);
	if (r < 0 || counted == 0)
		return r;
	return mtls_diag_set(diag, MTLS_E_DENIED,
			     "there were accounts, but '%s' and '%s' are gone: ids would be given "
			     "out again; restore one of them from a backup, or, to begin anew, "
			     "remove " MTLS_ACCTDB_GEN_NAME " beside the latter",
			     k->settings->store, k->settings->snapshot);
}

static int catch_up(struct keeper *k, const struct mtls_acctdb *db, struct mtls_diag *diag)
{
	uint64_t barred = 0;
	time_t now = time(NULL);

	int r = store_catch_up(k->store, db, now < 0 ? 0 : (uint64_t)now, &barred, diag);
	if (r >= 0)
		mtls_log(MTLS_LOG_NOTICE,
			 "the store was older than the snapshot: %llu ids are barred for good",
			 (unsigned long long)barred);
	return r;
}

/* @db is the snapshot in place. */
static int reconcile_with(struct keeper *k, bool is_new, const struct mtls_acctdb *db,
			  struct mtls_diag *diag)
{
	if (!is_new) {
		int r = store_check_snapshot(k->store, db, diag);
		return r == MTLS_E_DENIED && k->setup->catch_up ? catch_up(k, db, diag) : r;
	}
	int r = store_import_snapshot(k->store, db, diag);
	if (r >= 0)
		mtls_log(MTLS_LOG_NOTICE, "the accounts of '%s' are taken over",
			 k->settings->snapshot);
	return r;
}

static int reconcile(struct keeper *k, bool is_new, struct mtls_diag *diag)
{
	struct mtls_acctdb db;
	int r = mtls_acctdb_open(&db, k->settings->snapshot, 0, diag);

	if (r == -ENOENT)
		return 0;
	if (r == MTLS_E_CORRUPT && !is_new) {
		mtls_log(MTLS_LOG_WARNING, "'%s' is damaged: it will be replaced",
			 k->settings->snapshot);
		return 0;
	}
	if (r < 0)
		return r;
	r = reconcile_with(k, is_new, &db, diag);
	mtls_acctdb_close(&db);
	return r;
}

/*
 * The file that this start made, when it got nothing from the snapshot: an empty store in the place
 * of a lost one would be taken for the store at the next start, and ids be given out again.
 */
static void remove_made(struct keeper *k)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char path[PATH_MAX];

	store_close(k->store);
	k->store = NULL;
	for (size_t i = 0; i < MTLS_COUNT(suffixes); i++) {
		int len = snprintf(path, sizeof(path), "%s%s", k->settings->store, suffixes[i]);
		if (len > 0 && (size_t)len < sizeof(path))
			(void)unlink(path);
	}
}

static int take_snapshot(struct keeper *k, bool was_missing, bool is_new, struct mtls_diag *diag)
{
	int r = reconcile(k, is_new, diag);

	if (r >= 0 || !was_missing)
		return r;
	remove_made(k);
	const struct mtls_diag why = *diag;
	return mtls_diag_set(diag, r,
			     "%s; and there is no store that could replace the snapshot: restore "
			     "one of them from a backup",
			     mtls_diag_text(&why, r));
}

static int open_store(struct keeper *k, struct mtls_diag *diag)
{
	const struct store_options options = {
		.path = k->settings->store,
		.ids = k->settings->ids,
		.no_enumeration = !k->settings->enumerate,
		.working = on_working,
		.ctx = k,
	};
	struct stat st;
	bool is_new = false;
	bool was_missing = stat(k->settings->store, &st) != 0 && errno == ENOENT;

	int r = refuse_lost_ids(k, diag);
	if (r >= 0)
		r = store_open(&options, &k->store, &is_new, diag);
	if (r >= 0)
		r = take_snapshot(k, was_missing, is_new, diag);
	if (r >= 0)
		r = keeper_refresh_local(k, diag);
	return r < 0 ? r : sources_start(k, diag);
}

/* --------------------------------------------------------------------------------- begin */

int keeper_confine(const struct mtls_settings_accountd *settings, struct mtls_diag *diag)
{
	char store[PATH_MAX], snapshot[PATH_MAX], sources[PATH_MAX];

	if (mtls_strcopy(store, sizeof(store), settings->store) < 0 ||
	    mtls_strcopy(snapshot, sizeof(snapshot), settings->snapshot) < 0 ||
	    mtls_strcopy(sources, sizeof(sources), settings->source_directory) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "accountd.conf: path too long");
	const struct landlock_folder folders[] = {
		{ dirname(store), true },
		{ dirname(snapshot), false },
		{ settings->source_directory, false },
		/* That above too: the folder may be made, or another one, later. */
		{ dirname(sources), false },
		LANDLOCK_LOCAL_FILES,
	};
	int r = landlock_restrict(folders, MTLS_COUNT(folders));
	if (r >= 0)
		r = sandbox_store();
	return r < 0 ? mtls_diag_set(diag, r, "sandbox: %s", mtls_strerror(r)) : 0;
}

static int make_loop(struct keeper *k, struct mtls_diag *diag)
{
	int r = uv_loop_init(&k->loop);

	if (r >= 0)
		r = uv_signal_init(&k->loop, &k->term);
	if (r >= 0)
		r = uv_signal_start(&k->term, on_term, SIGTERM);
	if (r < 0)
		return mtls_diag_set(diag, r, "event loop: %s", mtls_strerror(r));
	uv_timer_t *const timers[] = { &k->ping, &k->minute, &k->recheck, &k->stop_timer };
	for (size_t i = 0; i < MTLS_COUNT(timers); i++) {
		(void)uv_timer_init(&k->loop, timers[i]);
		timers[i]->data = k;
	}
	k->term.data = k;
	return 0;
}

/* Rights first: everything that is read below is read without them. An exit code. */
static int prepare(struct keeper *k, struct mtls_diag *diag)
{
	const struct feed_events events = { on_judged, on_feed_closed, k };

	(void)umask(077);
	int r = process_begin(k->setup->supervisor, diag);
	if (r >= 0)
		r = process_give_up(k->setup->uid, k->setup->gid, diag);
	if (r >= 0)
		r = configuration_inherit(ACCOUNTD_FD_SETTINGS, &k->settings, diag);
	if (r >= 0)
		r = make_loop(k, diag);
	if (r >= 0)
		r = sources_open(k, diag);
	if (r >= 0)
		r = keeper_confine(k->settings, diag);
	if (r < 0)
		return ACCOUNTD_EXIT_SOFTWARE;
	r = open_store(k, diag);
	if (r < 0)
		return exit_for(r);
	r = feed_new(&k->loop, k->store, ACCOUNTD_FD_PAIR, &events, &k->feed);
	if (r >= 0)
		r = server_new(k, &k->server);
	if (r < 0) {
		(void)mtls_diag_set(diag, r, "event loop: %s", mtls_strerror(r));
		return ACCOUNTD_EXIT_OSERR;
	}
	return ACCOUNTD_EXIT_OK;
}

static void close_handle(uv_handle_t *handle, void *ctx)
{
	(void)ctx;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void keeper_done(struct keeper *k)
{
	source_files_free(k->sources);
	feed_free(k->feed);
	server_free(k->server);
	uv_walk(&k->loop, close_handle, NULL);
	(void)uv_run(&k->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&k->loop);
	store_close(k->store);
	mtls_local_free(k->local);
	mtls_settings_accountd_free(k->settings);
}

int keeper_run(const struct keeper_setup *setup)
{
	struct keeper k = { .setup = setup, .turn_ms = mtls_now_ms() };
	struct mtls_diag diag = { 0 };

	int code = prepare(&k, &diag);
	if (code != ACCOUNTD_EXIT_OK) {
		mtls_log(MTLS_LOG_ERROR, "%s", mtls_diag_text(&diag, MTLS_E_BUG));
		return code;
	}
	if (setup->ping_ms)
		(void)uv_timer_start(&k.ping, on_ping, 0, setup->ping_ms);
	(void)uv_timer_start(&k.minute, on_minute, MINUTE_MS, MINUTE_MS);
	feed_publish(k.feed); /* whatever was left half-done, and what became local meanwhile */
	(void)uv_run(&k.loop, UV_RUN_DEFAULT);
	keeper_done(&k);
	return k.exit_code;
}
