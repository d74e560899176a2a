/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor: binds and loads as root, gives root up, starts workers and lookup processes, and
 * starts again what ends. It never reads the network.
 */
#ifndef AUTHD_SUPERVISOR_H
#define AUTHD_SUPERVISOR_H

#include "authd/configuration.h"

/* Exit codes of mtls-authd; sysexits(3) where one fits. */
enum authd_exit {
	AUTHD_EXIT_OK = 0,
	AUTHD_EXIT_USAGE = 64,
	AUTHD_EXIT_UNAVAILABLE = 69, /* an address cannot be bound */
	AUTHD_EXIT_SOFTWARE = 70,    /* workers cannot start */
	AUTHD_EXIT_OSERR = 71,
	AUTHD_EXIT_NOPERM = 77, /* not root */
	AUTHD_EXIT_CONFIG = 78,
};

/* Runs until SIGTERM or SIGINT; returns an exit code. @config, which was read from @path, is taken.
 */
int supervisor_run(struct configuration *config, const char *path);

#endif
