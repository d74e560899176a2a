/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the publisher answers through the pair, and what the store process tells the supervisor. */
#ifndef ACCOUNTD_REPORT_H
#define ACCOUNTD_REPORT_H

#include <stdint.h>

#include "lib/base/err.h"

enum report_kind {
	REPORT_DROPPED = 1, /* text: a record that was left out, and why */
	REPORT_DONE,        /* the stream is judged: code 0 (published) or an error with text */
};

/* One answer, of this size, in this machine's byte order. */
struct report {
	uint32_t kind;
	int32_t code;
	uint64_t serial;  /* DONE with code 0: of the snapshot in place */
	uint32_t dropped; /* DONE: users and groups left out */
	uint32_t unused;
	char text[MTLS_DIAG_MAX]; /* ends in NUL */
};

enum word_kind {
	WORD_ALIVE = 'A',
	WORD_STATE = 'S', /* text: how it stands; the first one makes the daemon ready */
};

/* One message of the store process to the supervisor. */
struct word {
	char kind;
	char text[MTLS_DIAG_MAX]; /* ends in NUL */
};

#endif
