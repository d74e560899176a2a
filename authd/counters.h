/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happened and what is going on, counted in shared memory: one slot a worker, written by that
 * worker alone. The supervisor reads the slots as numbers and nothing else, adds a dead worker's
 * counters to the total (its gauges end with it) and clears the slot.
 *
 * The tables are what `status` of lib/control/authd.h sends and what OpenMetrics text is made of:
 * names as OpenMetrics has them, base units, at most one label.
 */
#ifndef AUTHD_COUNTERS_H
#define AUTHD_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/wire/reason.h"

/* clang-format off */
/* Families: id, type, name of the samples, label (NULL: none), help. */
#define COUNTER_FAMILIES(X) \
	X(CONNECTIONS, GAUGE,   "mtls_authd_connections", "state", \
	  "Connections that are open, by what they wait for.") \
	X(ACCEPTED,    COUNTER, "mtls_authd_connections_accepted_total", "transport", \
	  "Connections that were taken.") \
	X(LIMITED,     COUNTER, "mtls_authd_connections_limited_total", "cause", \
	  "Connections that were turned away, by the limit that they were over.") \
	X(BROKEN,      COUNTER, "mtls_authd_connections_broken_total", "cause", \
	  "Connections that ended without a verdict.") \
	X(HANDSHAKES,  COUNTER, "mtls_authd_handshakes_total", "result", \
	  "TLS handshakes that came to an end.") \
	X(LOOKUPS,     COUNTER, "mtls_authd_lookups_total", "kind", \
	  "Questions to lookup processes.") \
	X(WAITING,     GAUGE,   "mtls_authd_lookups_waiting", "kind", \
	  "Questions that wait for a lookup process.") \
	X(LATE,        COUNTER, "mtls_authd_lookup_deadlines_total", "kind", \
	  "Lookup processes that were replaced: past the deadline, or no sound answer.") \
	X(CROWDED,     COUNTER, "mtls_authd_lookups_refused_total", "kind", \
	  "Questions that were refused because too many waited.") \
	X(AUDIT_LOST,  COUNTER, "mtls_authd_audit_records_lost_total", NULL, \
	  "Audit records that could not be written.") \
	X(MEMO,        COUNTER, "mtls_authd_chain_memo_total", "result", \
	  "Certificate chains that were looked for in the memo of verified chains.") \
	X(PENALTIES,   COUNTER, "mtls_authd_penalties_total", "origin", \
	  "Failures that were held against the place where they came from.")

/* One cell each: id, family, value of the label. Those of a family stand together. */
#define COUNTERS(X) \
	X(STATE_SILENT,      CONNECTIONS, "silent")     /* nothing was heard yet */ \
	X(STATE_HANDSHAKE,   CONNECTIONS, "handshake") \
	X(STATE_SIGN,        CONNECTIONS, "sign")       /* our flight is out, theirs is awaited */ \
	X(STATE_REQUEST,     CONNECTIONS, "request") \
	X(STATE_LOOKUP,      CONNECTIONS, "lookup") \
	X(STATE_CHOICE,      CONNECTIONS, "choice") \
	X(STATE_REPLY,       CONNECTIONS, "reply") \
	X(STATE_LINGER,      CONNECTIONS, "linger")     /* everything is said */ \
	X(ACCEPTED_UNIX,     ACCEPTED,    "unix") \
	X(ACCEPTED_TCP,      ACCEPTED,    "tcp") \
	X(LIMITED_TOTAL,     LIMITED,     "total")      /* max_connections */ \
	X(LIMITED_RESERVED,  LIMITED,     "reserved")   /* the rest is kept for root */ \
	X(LIMITED_SHARE,     LIMITED,     "share")      /* of TCP, of unix sockets */ \
	X(LIMITED_UID,       LIMITED,     "uid") \
	X(LIMITED_ADDRESS,   LIMITED,     "address") \
	X(LIMITED_PENALTY,   LIMITED,     "penalty")    /* too many failures from there */ \
	X(SILENT,            BROKEN,      "silent")     /* closed by the peer, without a word */ \
	X(TIMEOUTS,          BROKEN,      "timeout") \
	X(BAD_BYTES,         BROKEN,      "malformed")  /* oversized, unexpected, malformed messages */ \
	X(ABANDONED,         BROKEN,      "abandoned")  /* the peer went away */ \
	X(HANDSHAKES,        HANDSHAKES,  "ok") \
	X(BAD_TLS,           HANDSHAKES,  "failed") \
	X(LOOKUPS_X509,      LOOKUPS,     "x509")       /* in the order of enum mtls_lookup_kind, */ \
	X(LOOKUPS_ACCOUNTS,  LOOKUPS,     "accounts")   /* as are the next three */ \
	X(WAITING_X509,      WAITING,     "x509") \
	X(WAITING_ACCOUNTS,  WAITING,     "accounts") \
	X(LATE_X509,         LATE,        "x509") \
	X(LATE_ACCOUNTS,     LATE,        "accounts") \
	X(CROWDED_X509,      CROWDED,     "x509") \
	X(CROWDED_ACCOUNTS,  CROWDED,     "accounts") \
	X(AUDIT_LOST,        AUDIT_LOST,  NULL) \
	X(MEMO_HIT,          MEMO,        "hit") \
	X(MEMO_MISS,         MEMO,        "miss") \
	X(PENALTY_UID,       PENALTIES,   "uid") \
	X(PENALTY_ADDRESS,   PENALTIES,   "address") \
	X(PENALTY_REMOTE,    PENALTIES,   "remote-host")

/* Durations: id, name of the family, help. Buckets are those of COUNTER_BUCKETS. */
#define COUNTER_DURATIONS(X) \
	X(HANDSHAKE, "mtls_authd_handshake_duration_seconds", \
	  "Time from the connection to the end of its handshake, human time included.") \
	X(VERDICT,   "mtls_authd_verdict_duration_seconds", \
	  "Time from the end of the handshake to the verdict, a choice by a person included.")

/* Upper bounds of buckets: microseconds, and seconds as text. +Inf is added. */
#define COUNTER_BUCKETS(X) \
	X(1000, "0.001") X(2500, "0.0025") X(5000, "0.005") X(10000, "0.01") X(25000, "0.025") \
	X(50000, "0.05") X(100000, "0.1") X(250000, "0.25") X(1000000, "1.0") X(5000000, "5.0") \
	X(30000000, "30.0")
/* clang-format on */

enum counter {
#define COUNTER_ENUM(id, family, value) COUNTER_##id,
	COUNTERS(COUNTER_ENUM)
#undef COUNTER_ENUM
		COUNTER_COUNT,
};

enum counter_duration {
#define COUNTER_DURATION_ENUM(id, name, help) COUNTER_DURATION_##id,
	COUNTER_DURATIONS(COUNTER_DURATION_ENUM)
#undef COUNTER_DURATION_ENUM
		COUNTER_DURATION_COUNT,
};

enum counter_type {
	COUNTER_TYPE_COUNTER,
	COUNTER_TYPE_GAUGE,
	COUNTER_TYPE_HISTOGRAM, /* samples NAME_bucket with label le, NAME_sum, NAME_count */
};

/* One sample. All texts are constants but @value. */
struct counter_sample {
	const char *name;
	enum counter_type type;
	const char *help;
	const char *label;       /* NULL: none */
	const char *label_value; /* NULL if there is no label */
	char value[32];          /* decimal; _sum of durations is in seconds, with a fraction */
};

struct counters; /* one slot */
struct counter_set;

/* @slots slots in shared memory and a total that only the caller has. 0 or -errno. */
int counter_set_new(size_t slots, struct counter_set **ret);
void counter_set_free(struct counter_set *set);
MTLS_DEFINE_CLEANUP(struct counter_set *, counter_set_free)

struct counters *counter_set_slot(const struct counter_set *set, size_t slot);

/* For the worker of @slot: from now on it can write to no other. 0 or -errno. */
int counter_set_keep(const struct counter_set *set, size_t slot);

/* For the supervisor, when the worker of @slot has ended. */
void counter_set_reap(struct counter_set *set, size_t slot);

/*
 * Calls @each for every sample, those of a family in a row; sums over all slots and the total.
 * Stops at and returns the first negative code of @each, else 0.
 */
int counter_set_each(const struct counter_set *set,
		     int (*each)(void *ctx, const struct counter_sample *sample), void *ctx);

/* The gauge or counter of one slot, as it stands: for `worker` items of `status`. */
uint64_t counter_value(const struct counter_set *set, size_t slot, enum counter counter);

/* Connections that the worker of @slot holds. */
uint64_t counter_connections(const struct counter_set *set, size_t slot);

/* "counter", "gauge", "histogram". */
const char *counter_type_name(enum counter_type type);

/* What the worker calls; @slot is its own. */

void counters_add(struct counters *slot, enum counter counter);
void counters_subtract(struct counters *slot, enum counter gauge);

/* Counts a verdict. */
void counters_verdict(struct counters *slot, enum mtls_reason reason);

void counters_observe(struct counters *slot, enum counter_duration duration, int64_t us);

/* Writes what is not zero to the log: for SIGUSR1 and the end. */
void counter_set_log(const struct counter_set *set);

#endif
