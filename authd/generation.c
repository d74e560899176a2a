/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A configuration with its workers: it starts beside the one before it, takes its place, drains and
 * is freed. What a connection began with, it ends with.
 */
#include <config.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "authd/channel.h"
#include "authd/supervisor_impl.h"
#include "lib/base/log.h"

#define DRAIN_SPARE_MS 10000 /* above all the time that a connection may take */

/* CPUs that this process may use; a container may have fewer than the machine. */
static size_t count_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	int count = CPU_COUNT(&set);
	return count > 0 ? (size_t)count : 1;
}

size_t generation_workers(const struct mtls_settings_authd *settings)
{
	size_t cpus;

	if (settings->workers)
		return settings->workers < WORKERS_MAX ? settings->workers : WORKERS_MAX;
	cpus = count_cpus();
	return cpus < WORKERS_AUTO_MAX ? cpus : WORKERS_AUTO_MAX;
}

/* ------------------------------------------------------------------------------- begin */

static size_t free_rows(const struct supervisor *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->row_count; i++)
		count += !s->row_used[i];
	return count;
}

static size_t take_row(struct supervisor *s)
{
	size_t row = 0;

	while (s->row_used[row])
		row++;
	s->row_used[row] = true;
	return row;
}

static void init_worker(struct supervisor *s, struct worker_slot *worker)
{
	worker->channel_fd = -1;
	worker->row = take_row(s);
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			worker->lookups[kind][slot].fd = -1;
}

int generation_start(struct supervisor *s, struct configuration *config, struct audit_sink *audit,
		     struct generation **ret)
{
	size_t count = generation_workers(config->settings);

	if (free_rows(s) < count)
		return MTLS_E_BUSY;
	struct generation *generation = calloc(1, sizeof(*generation));
	struct worker_slot *workers = calloc(count, sizeof(*workers));
	if (!generation || !workers) {
		free(generation);
		free(workers);
		return -ENOMEM;
	}
	*generation = (struct generation){ .next = s->generations,
					   .state = GENERATION_STARTING,
					   .config = config,
					   .audit = audit,
					   .workers = workers,
					   .worker_count = count,
					   .drain_by = INT64_MAX };
	for (size_t i = 0; i < count; i++)
		init_worker(s, &workers[i]);
	s->generations = generation;
	crew_start_due(s, generation);
	*ret = generation;
	return 0;
}

void generation_fail(struct generation *generation, const char *why)
{
	if (generation->state != GENERATION_STARTING)
		return;
	generation->state = GENERATION_FAILED;
	(void)snprintf(generation->error, sizeof(generation->error), "%s", why);
	crew_kill(generation);
}

bool generation_ready(const struct generation *generation)
{
	for (size_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].state != WORKER_READY)
			return false;
	return true;
}

/* ------------------------------------------------------------------------------- change */

/* Longer than any connection may take: what is left then hangs. */
static uint32_t drain_ms(const struct mtls_settings_authd *settings)
{
	uint32_t sign = settings->sign_timeout_ms > settings->tcp_sign_timeout_ms
				? settings->sign_timeout_ms
				: settings->tcp_sign_timeout_ms;
	uint64_t sum = (uint64_t)settings->handshake_timeout_ms + sign +
		       UINT64_C(3) * settings->request_timeout_ms + settings->choice_timeout_ms +
		       UINT64_C(3) * settings->lookup_timeout_ms + DRAIN_SPARE_MS;

	return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static void drain(struct supervisor *s, struct generation *generation)
{
	generation->state = GENERATION_DRAINING;
	generation->drain_by = mtls_deadline_in_ms(drain_ms(generation->config->settings));
	for (size_t i = 0; i < generation->worker_count; i++) {
		struct worker_slot *worker = &generation->workers[i];
		if (worker->state == WORKER_WAITING) {
			worker->state = WORKER_GONE; /* it would have had a successor */
			worker->closed = true;
			s->row_used[worker->row] = false;
		} else if (worker->state != WORKER_GONE) {
			worker->state = WORKER_DRAINING;
		}
	}
	crew_tell(generation, CHANNEL_DRAIN);
}

void generation_enter(struct supervisor *s, struct generation *generation)
{
	struct generation *before = s->current;

	generation->state = GENERATION_CURRENT;
	s->current = generation;
	for (size_t i = 0; i < generation->worker_count; i++)
		crew_accept(&generation->workers[i]);
	/* Between the two nobody accepts, or both do: the kernel keeps connections until then. */
	if (before)
		drain(s, before);
}

bool generation_closed(const struct generation *generation)
{
	for (size_t i = 0; i < generation->worker_count; i++)
		if (!generation->workers[i].closed)
			return false;
	return true;
}

/* ---------------------------------------------------------------------------------- time */

/* A lookup process that does not come to say that it is there. */
static void end_slow_lookups(struct worker_slot *worker, uint32_t start_ms)
{
	int64_t now = mtls_now_ms();

	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++) {
			const struct lookup_slot *lookup = &worker->lookups[kind][slot];
			if (lookup->fd >= 0 &&
			    now - lookup->process.pause.started_ms > (int64_t)start_ms)
				(void)kill(lookup->process.pid, SIGKILL);
		}
}

static void worker_tick(struct supervisor *s, struct generation *generation,
			struct worker_slot *worker)
{
	if (!worker->process.pid)
		return;
	end_slow_lookups(worker, WORKER_START_MS);
	if (worker->state == WORKER_STARTING) {
		if (mtls_deadline_left_ms(worker->start_by))
			return;
		mtls_log(MTLS_LOG_ERROR, "worker %ld does not get ready and is killed",
			 (long)worker->process.pid);
		generation_fail(generation, "a worker or its lookup processes do not get ready");
		crew_kill_worker(worker);
		return;
	}
	pulse_look(&s->shared->pulses, worker->row, &worker->pulse);
	if (worker->pulse.still < s->ticks_hung || worker->hung)
		return;
	mtls_log(MTLS_LOG_ERROR, "worker %ld hangs: it is killed and replaced",
		 (long)worker->process.pid);
	worker->hung = true;
	crew_kill_worker(worker);
}

void generation_tick(struct supervisor *s, struct generation *generation)
{
	for (size_t i = 0; i < generation->worker_count; i++)
		worker_tick(s, generation, &generation->workers[i]);
	if (generation->state != GENERATION_DRAINING || mtls_deadline_left_ms(generation->drain_by))
		return;
	mtls_log(MTLS_LOG_ERROR, "workers of generation %llu do not end and are killed",
		 (unsigned long long)generation->config->generation);
	crew_kill(generation);
}

/* ----------------------------------------------------------------------------------- end */

static bool any_left(const struct generation *generation)
{
	for (size_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].process.pid)
			return true;
	return false;
}

bool generations_any_left(const struct supervisor *s)
{
	for (const struct generation *g = s->generations; g; g = g->next)
		if (any_left(g))
			return true;
	return false;
}

static void generation_free(struct supervisor *s, struct generation *generation)
{
	for (size_t i = 0; i < generation->worker_count; i++)
		if (generation->workers[i].state != WORKER_GONE)
			s->row_used[generation->workers[i].row] = false;
	audit_sink_free(generation->audit);
	configuration_free(generation->config);
	free(generation->workers);
	free(generation);
}

void generations_sweep(struct supervisor *s)
{
	for (struct generation **at = &s->generations; *at;) {
		struct generation *generation = *at;
		bool needed = generation == s->current || generation == s->reload.fresh ||
			      generation == s->reload.old;
		if (needed || any_left(generation)) {
			at = &generation->next;
			continue;
		}
		*at = generation->next;
		generation_free(s, generation);
	}
}
