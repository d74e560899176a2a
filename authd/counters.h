/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened, counted in shared memory: one slot a worker, written by that worker alone, read by
 * the supervisor, which adds a dead worker's slot to the total and clears it.
 */
#ifndef AUTHD_COUNTERS_H
#define AUTHD_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off */
#define COUNTERS(X) \
	X(ACCEPTED,   "accepted")    /* connections taken */ \
	X(LIMITED,    "limited")     /* closed at once: over a limit */ \
	X(SILENT,     "silent")      /* closed by the peer before it sent anything */ \
	X(HANDSHAKES, "handshakes")  /* finished */ \
	X(BAD_TLS,    "bad-tls")     /* handshakes that failed */ \
	X(TIMEOUTS,   "timeouts")    /* closed at a deadline */ \
	X(BAD_BYTES,  "bad-bytes")   /* malformed, oversized, unexpected messages */ \
	X(ALLOWED,    "allowed") \
	X(DENIED,     "denied") \
	X(ABANDONED,  "abandoned")   /* the peer went away before its verdict */ \
	X(LOOKUPS,    "lookups") \
	X(LOOKUP_KILLED, "lookups-killed") \
	X(AUDIT_LOST, "audit-lost")
/* clang-format on */

enum counter {
#define COUNTER_ENUM(name, text) COUNTER_##name,
	COUNTERS(COUNTER_ENUM)
#undef COUNTER_ENUM
		COUNTER_COUNT,
};

struct counters {
	_Atomic uint64_t value[COUNTER_COUNT];
};

/* @slots slots of shared memory, zeroed, for the life of the process; NULL when there is none. */
struct counters *counters_map(size_t slots);

void counters_add(struct counters *slot, enum counter counter);

/* Adds @slot to @total and clears @slot. */
void counters_reap(struct counters *total, struct counters *slot);

/* Writes "accepted 3, limited 0, ..." of @total and the @count slots to the log. */
void counters_log(const struct counters *total, const struct counters *slots, size_t count);

#endif
