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

static int tell_daemon(const struct supervisor *s, struct mtls_control_call *call)
{
	struct mtls_control_number n[3];
	const struct mtls_control_pair pairs[] = {
		{ "version", PACKAGE_VERSION },
		{ "pid", mtls_control_number(&n[0], (uint64_t)getpid()) },
		{ "started", moment(&n[1], s->started) },
		{ "generation", mtls_control_number(&n[2], 1) },
		{ "config", s->path },
		{ "state", s->stopping ? "draining" : "running" },
	};

	return mtls_control_call_tell(call, "daemon", pairs, MTLS_COUNT(pairs));
}

static int tell_worker(const struct supervisor *s, struct mtls_control_call *call, size_t slot)
{
	const struct worker_slot *worker = &s->workers[slot];
	const struct process_slot *process = &worker->process;
	struct mtls_control_number n[6];
	const struct mtls_control_pair pairs[] = {
		{ "slot", mtls_control_number(&n[0], slot) },
		{ "pid", mtls_control_number(&n[1], (uint64_t)process->pid) },
		{ "generation", mtls_control_number(&n[2], 1) },
		{ "state", process->pid ? "running" : "waiting" },
		{ "started", moment(&n[3], worker->started) },
		{ "restarts",
		  mtls_control_number(&n[4], process->generation ? process->generation - 1 : 0) },
		{ "connections",
		  mtls_control_number(&n[5], counter_connections(s->shared->counters, slot)) },
	};

	return mtls_control_call_tell(call, "worker", pairs, MTLS_COUNT(pairs));
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

static int tell_listeners(const struct supervisor *s, struct mtls_control_call *call)
{
	int r = 0;

	for (char **text = s->config->settings->listen; r >= 0 && *text; text++) {
		const struct mtls_control_pair pair = { "address", *text };
		r = mtls_control_call_tell(call, "listener", &pair, 1);
	}
	return r;
}

int status_tell(const struct supervisor *s, struct mtls_control_call *call)
{
	const struct expiries *expiries = &s->config->expiries;
	int r = tell_daemon(s, call);

	for (size_t i = 0; r >= 0 && i < s->worker_count; i++)
		r = tell_worker(s, call, i);
	if (r >= 0)
		r = tell_listeners(s, call);
	for (size_t i = 0; r >= 0 && i < expiries->count; i++)
		r = tell_expiry(call, &expiries->list[i]);
	return r < 0 ? r : counter_set_each(s->shared->counters, tell_counter, call);
}
