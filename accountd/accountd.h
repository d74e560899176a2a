/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the three processes of mtls-accountd share: exit codes, descriptors, rights. */
#ifndef ACCOUNTD_ACCOUNTD_H
#define ACCOUNTD_ACCOUNTD_H

/* Exit codes of mtls-accountd; those of mtls-authd, and sysexits(3). */
enum accountd_exit {
	ACCOUNTD_EXIT_OK = 0,
	ACCOUNTD_EXIT_USAGE = 64,
	ACCOUNTD_EXIT_DATA = 65,        /* the store or the snapshot cannot be gone on with */
	ACCOUNTD_EXIT_UNAVAILABLE = 69, /* a socket cannot be bound, the store is in use */
	ACCOUNTD_EXIT_SOFTWARE = 70,    /* a process cannot run at all */
	ACCOUNTD_EXIT_OSERR = 71,
	ACCOUNTD_EXIT_NOPERM = 77, /* not root */
	ACCOUNTD_EXIT_CONFIG = 78,
};

/* The descriptors of a child, besides the standard ones. */
enum accountd_fd {
	ACCOUNTD_FD_SETTINGS = 3, /* both: the text of accountd.conf */
	ACCOUNTD_FD_PAIR,         /* both: their common socket */
	ACCOUNTD_FD_SUPERVISOR,   /* store: where it says that it lives (accountd/supervisor.h) */
	ACCOUNTD_FD_CONTROL,      /* store: accountd-control.sock */
	ACCOUNTD_FD_AUTHD,        /* store: accountd-authd.sock */
	ACCOUNTD_FD_END,
};

#define ACCOUNTD_ETC "/etc" /* whose files hold the local accounts */

#endif
