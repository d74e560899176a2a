/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The eyes of `watch-card`: a process that says which tokens there are, whenever that changes. A
 * driver that hangs, crashes or chatters does so there.
 */
#ifndef MTLS_TOOLS_CTL_WATCH_SCAN_H
#define MTLS_TOOLS_CTL_WATCH_SCAN_H

#include <sys/types.h>

#include "lib/token/token.h"

#define CTL_SCAN_TOKENS_MAX 8
#define CTL_SCAN_TEXT_MAX   65

/* A report is one write into a pipe. */
struct ctl_scan_token {
	char label[CTL_SCAN_TEXT_MAX];
	char identity[2 * CTL_SCAN_TEXT_MAX]; /* maker, model, serial number */
	bool removable;
};

struct ctl_scan_report {
	bool failed; /* a driver cannot say: what is not in the list may be there */
	uint32_t count;
	struct ctl_scan_token tokens[CTL_SCAN_TOKENS_MAX];
};

struct ctl_scan {
	char *const *modules;                   /* borrowed */
	const struct mtls_token_filter *filter; /* borrowed; NULL: all tokens */
	pid_t pid;                              /* 0: it does not run */
	int fd;                                 /* its reports; -1 */
};

/* Starts the process. 0 or -errno. */
int ctl_scan_start(struct ctl_scan *scan, struct mtls_diag *diag);

/* Takes what has come. 1: a report; 0: none; negative: the process has ended, or must. */
int ctl_scan_take(struct ctl_scan *scan, struct ctl_scan_report *ret);

/* Ends the process, if it runs. */
void ctl_scan_stop(struct ctl_scan *scan);

/*
 * The card that is meant when nobody has named one: the only one that can be taken out. -1: there
 * is none; -2: there are several.
 */
int ctl_scan_choose(const struct ctl_scan_report *report);

#endif
