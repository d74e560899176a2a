/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store process: the only one that knows SQLite and the only one that people talk to. It runs
 * as a user of its own and can reach its folder, the source files and the two sockets.
 */
#ifndef ACCOUNTD_KEEPER_H
#define ACCOUNTD_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "accountd/feed.h"
#include "accountd/store.h"
#include "lib/settings/accountd.h"

struct keeper_setup {
	pid_t supervisor;
	uid_t uid;
	gid_t gid;
	uid_t authd_uid;
	uint32_t ping_ms; /* how often to say that it lives; 0: never */
	bool catch_up;
};

struct server;
struct source_files;

/* What the parts of the store process share. */
struct keeper {
	const struct keeper_setup *setup; /* borrowed */
	struct mtls_settings_accountd *settings;
	uv_loop_t loop;
	struct store *store;
	struct mtls_local *local;
	struct feed *feed;
	struct source_files *sources;
	size_t conflicts; /* lines of sources that lost at the last merge */
	struct server *server;
	uv_timer_t ping, minute, recheck, stop_timer;
	uv_signal_t term;
	int64_t turn_ms, pinged_ms; /* when the loop turned and when it was said that it lives */
	char told[MTLS_DIAG_MAX];   /* the last state that the supervisor heard */
	bool stopping;
	int64_t stop_left_ms;
	int exit_code;
};

/* Started by the supervisor only. Runs until SIGTERM or until the pair closes; an exit code. */
int keeper_run(const struct keeper_setup *setup);

/* What the store process can still do from here on; for good. After process_give_up(). */
int keeper_confine(const struct mtls_settings_accountd *settings, struct mtls_diag *diag);

/* Loads what this machine's files hold if they changed; then a publish is due. 0 or an error. */
int keeper_refresh_local(struct keeper *keeper, struct mtls_diag *diag);

#endif
