/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What limits and penalties say to a request. At accept a program of root is known to be root's and
 * perhaps who runs it; the request says both for sure, and from which remote host somebody came.
 */
#include <config.h>

#include "authd/conn_impl.h"
#include "lib/base/clock.h"

/* The place that a connection was counted at was a guess: count it where it belongs. */
static enum limits_cause move_place(struct conn *conn, const struct origin *origin)
{
	struct limits *limits = conn->env->limits;
	const struct limits_place old = conn->place;
	const struct limits_place place = limits_place_of(&conn->peer, origin);

	if (place.class == old.class && place.key == old.key)
		return LIMITS_OK;
	limits_release(limits, &old);
	enum limits_cause cause = limits_admit(limits, &place);
	if (cause == LIMITS_OK) {
		conn->place = place;
		return LIMITS_OK;
	}
	/* It goes, but it must be counted until it has gone. */
	limits_count(limits, &old);
	return cause;
}

static enum mtls_reason judge(void *ctx, const struct mtls_auth_request *request,
			      struct mtls_diag *detail)
{
	struct conn *conn = ctx;

	conn->origin = origin_of_request(conn->env->secret, &conn->peer, request);
	enum limits_cause cause = move_place(conn, &conn->origin);
	if (cause != LIMITS_OK) {
		conn_count(conn, limits_counter(cause));
		(void)mtls_diag_set(detail, 0, "%s", limits_cause_text(cause));
		return MTLS_REASON_BUSY;
	}
	int64_t wait_ms = penalties_wait(conn->env->penalties, &conn->origin, mtls_now_ms());
	if (wait_ms == 0)
		return MTLS_REASON_ALLOWED;
	conn_count(conn, COUNTER_LIMITED_PENALTY);
	(void)mtls_diag_set(detail, 0, "for another %lld s", (long long)(wait_ms + 999) / 1000);
	return MTLS_REASON_PENALTY;
}

void conn_gate(struct conn *conn)
{
	conn->request->gate = (struct request_gate){ .judge = judge, .ctx = conn };
}

void conn_penalise(struct conn *conn, enum mtls_reason reason)
{
	static const enum counter counters[] = {
		[ORIGIN_UID] = COUNTER_PENALTY_UID,
		[ORIGIN_ADDRESS] = COUNTER_PENALTY_ADDRESS,
		[ORIGIN_REMOTE] = COUNTER_PENALTY_REMOTE,
	};

	if (conn->left || !penalties_counts(reason))
		return;
	if (penalties_add(conn->env->penalties, &conn->origin, mtls_now_ms()))
		conn_count(conn, counters[conn->origin.kind]);
}
