/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the supervisor knows, as items. Holds no state. */
#include <config.h>

#include <unistd.h>

#include "authd/status.h"
#include "authd/supervisor_impl.h"

/* Times are written only where there is one. */
static const char *moment(struct mtls_control_number *out, int64_t seconds)
{
	return seconds < 0 ? NULL : mtls_control_number(out, (uint64_t)seconds);
}

/* Whose configuration counts; before the first one serves, that which starts. */
static const struct generation *in_use(const struct supervisor *s)
{
	return s->current ? s->current : s->reload.fresh;
}

uint64_t status_generation(const struct supervisor *s)
{
	return s->current ? s->current->config->generation : 0;
}

static int tell_daemon(const struct supervisor *s, struct mtls_control_call *call)
{
	const char *state = s->current ? "running" : "starting";
	struct mtls_control_number n[3];
	const struct mtls_control_pair pairs[] = {
		{ "version", PACKAGE_VERSION },
		{ "pid", mtls_control_number(&n[0], (uint64_t)getpid()) },
		{ "started", moment(&n[1], s->started) },
		{ "generation", mtls_control_number(&n[2], status_generation(s)) },
		{ "config", s->path },
		{ "state", s->stopping ? "draining" : state },
	};

	return mtls_control_call_tell(call, "daemon", pairs, MTLS_COUNT(pairs));
}

static int tell_reload(const struct supervisor *s, struct mtls_control_call *call)
{
	const struct reload *reload = &s->reload;
	struct mtls_control_number time;
	const struct mtls_control_pair pairs[] = {
		{ "time", moment(&time, reload->at) },
		{ "result", reload->error[0] ? "failed" : "ok" },
		{ "error", reload->error[0] ? reload->error : NULL },
	};

	return reload->at ? mtls_control_call_tell(call, "reload", pairs, MTLS_COUNT(pairs)) : 0;
}

static int tell_worker(const struct supervisor *s, struct mtls_control_call *call,
		       const struct generation *generation, const struct worker_slot *worker)
{
	static const char *const states[] = {
		[WORKER_WAITING] = "waiting",   [WORKER_STARTING] = "starting",
		[WORKER_READY] = "starting",    [WORKER_RUNNING] = "running",
		[WORKER_DRAINING] = "draining",
	};
	const struct process_slot *process = &worker->process;
	uint64_t connections = counter_connections(s->shared->counters, worker->row);
	uint32_t restarts = process->generation ? process->generation - 1 : 0;
	struct mtls_control_number n[6];
	const struct mtls_control_pair pairs[] = {
		{ "slot", mtls_control_number(&n[0], worker->row) },
		{ "pid", process->pid ? mtls_control_number(&n[1], (uint64_t)process->pid) : NULL },
		{ "generation", mtls_control_number(&n[2], generation->config->generation) },
		{ "state", states[worker->state] },
		{ "started", process->pid ? moment(&n[3], worker->started) : NULL },
		{ "restarts", mtls_control_number(&n[4], restarts) },
		{ "connections", mtls_control_number(&n[5], process->pid ? connections : 0) },
		{ "error", worker->error[0] ? worker->error : NULL },
	};

	return mtls_control_call_tell(call, "worker", pairs, MTLS_COUNT(pairs));
}

static int tell_workers(const struct supervisor *s, struct mtls_control_call *call)
{
	int r = 0;

	for (const struct generation *g = s->generations; g; g = g->next)
		for (size_t i = 0; r >= 0 && i < g->worker_count; i++)
			if (g->workers[i].state != WORKER_GONE)
				r = tell_worker(s, call, g, &g->workers[i]);
	return r;
}

static int tell_expiry(struct mtls_control_call *call, const struct expiry *expiry)
{
	static const struct {
		const char *kind, *end;
	} words[] = { [EXPIRY_CERTIFICATE] = { "certificate", "not-after" },
		      [EXPIRY_CA] = { "ca", "not-after" },
		      [EXPIRY_CRL] = { "crl", "next-update" } };
	bool list = expiry->kind == EXPIRY_CRL;
	const char *role = expiry->role == MTLS_ROLE_HOST ? "host" : "user";
	struct mtls_control_number end;
	const struct mtls_control_pair pairs[] = {
		{ list ? "ca" : "name", expiry->ca },
		{ "role", expiry->kind == EXPIRY_CA ? role : NULL },
		{ "file", expiry->file },
		{ "subject", expiry->subject },
		{ words[expiry->kind].end, moment(&end, expiry->ends) },
	};

	return mtls_control_call_tell(call, words[expiry->kind].kind, pairs, MTLS_COUNT(pairs));
}

static int tell_counter(void *ctx, const struct counter_sample *sample)
{
	struct mtls_control_call *call = ctx;
	const struct mtls_control_pair pairs[] = {
		{ "name", sample->name },   { "type", counter_type_name(sample->type) },
		{ "value", sample->value }, { "help", sample->help },
		{ "label", sample->label }, { "label-value", sample->label_value },
	};

	return mtls_control_call_tell(call, "counter", pairs, MTLS_COUNT(pairs));
}

static int tell_listeners(const struct generation *generation, struct mtls_control_call *call)
{
	int r = 0;

	for (char **text = generation->config->settings->listen; r >= 0 && *text; text++) {
		const struct mtls_control_pair pair = { "address", *text };
		r = mtls_control_call_tell(call, "listener", &pair, 1);
	}
	return r;
}

static int tell_expiries(const struct generation *generation, struct mtls_control_call *call)
{
	const struct expiries *expiries = &generation->config->expiries;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < expiries->count; i++)
		r = tell_expiry(call, &expiries->list[i]);
	return r;
}

int status_tell(const struct supervisor *s, struct mtls_control_call *call)
{
	const struct generation *generation = in_use(s);
	int r = tell_daemon(s, call);

	if (r >= 0)
		r = tell_reload(s, call);
	if (r >= 0)
		r = tell_workers(s, call);
	if (r >= 0 && generation)
		r = tell_listeners(generation, call);
	if (r >= 0 && generation)
		r = tell_expiries(generation, call);
	return r < 0 ? r : counter_set_each(s->shared->counters, tell_counter, call);
}
