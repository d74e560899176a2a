/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a try ended: one table of tokens, words, PAM codes and priorities; it is also a test. */
#ifndef PAM_MTLS_RESCUE_RESULT_H
#define PAM_MTLS_RESCUE_RESULT_H

enum result {
	RESULT_FAULT, /* something that must not happen; what everything starts as */
	RESULT_ACCEPTED,
	RESULT_WRONG,       /* well-formed, and none of the set's */
	RESULT_USED_BEFORE, /* one of the set's, the second time */
	RESULT_NO_CODE,     /* not well-formed, as often as was asked */
	RESULT_SKIPPED,     /* an empty answer */
	RESULT_WAIT,        /* too many tries */
	RESULT_EXHAUSTED,   /* every code of the set is used */
	RESULT_NO_SET,
	RESULT_NOT_LOCAL,
	RESULT_NOT_SERVICE,
	RESULT_NOT_USER,
	RESULT_NOT_ROOT,   /* the host program is not root */
	RESULT_UNUSABLE,   /* the set cannot be read or believed, or the codes not be hashed */
	RESULT_UNWRITABLE, /* the use of a code cannot be written down */
	RESULT_UNCOUNTED,  /* tries cannot be counted */
	RESULT_BUSY,       /* somebody else holds the lock */
	RESULT_CONFIG,     /* arguments of the module */
	RESULT_CONVERSATION,
	RESULT_NO_MEMORY,
	RESULTS,
};

struct result_row {
	const char *token; /* for the log */
	int code;          /* of authenticate */
	int priority;      /* of syslog(3) */
	const char *text;  /* for the person; NULL: nothing is said */
};

/* Never NULL; RESULT_FAULT's for what is no result. */
const struct result_row *result_row(enum result result);

#endif
