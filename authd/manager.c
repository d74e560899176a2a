/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the service manager hears: sd_notify(3). */
#include <config.h>

#include <stdio.h>
#include <time.h>

#include "authd/supervisor_impl.h"
#include "lib/base/log.h"
#include "lib/service/notify.h"

#define STILL_ALIVE 2 /* ticks without a beat that a busy machine may cause */

void manager_tell(const char *state)
{
	int r = mtls_service_notify(state);

	if (r < 0)
		mtls_log(MTLS_LOG_WARNING, "service manager: %s", mtls_strerror(r));
}

void manager_ready(const struct supervisor *s)
{
	char state[2 * MTLS_DIAG_MAX];
	unsigned long long generation = s->current->config->generation;
	size_t workers = s->current->worker_count;

	if (s->reload.error[0])
		(void)snprintf(state, sizeof(state),
			       "READY=1\nSTATUS=the last reload changed nothing: %s",
			       s->reload.error);
	else
		(void)snprintf(state, sizeof(state),
			       "READY=1\nSTATUS=generation %llu, %zu worker%s", generation, workers,
			       workers == 1 ? "" : "s");
	manager_tell(state);
}

void manager_reloading(void)
{
	struct timespec now = { 0 };
	char state[128];

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
		       (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	manager_tell(state);
}

static bool lives(const struct generation *generation)
{
	for (size_t i = 0; i < generation->worker_count; i++) {
		const struct worker_slot *worker = &generation->workers[i];
		if (worker->state == WORKER_RUNNING && worker->pulse.still < STILL_ALIVE)
			return true;
	}
	return false;
}

void manager_watchdog(struct supervisor *s)
{
	uint32_t every_ms = mtls_service_watchdog_ms();

	if (!every_ms || mtls_deadline_left_ms(s->watchdog_at))
		return;
	/* While it stops there is a deadline of its own. */
	if (!s->stopping && (!s->current || !lives(s->current)))
		return;
	s->watchdog_at = mtls_deadline_in_ms(every_ms / 2);
	manager_tell("WATCHDOG=1");
}
