/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reload by replacement. First everything is read and checked; then workers start with it, beside
 * those that serve; only when all of them are ready do they accept, and the old ones accept no more
 * and end with their last connection. Whatever fails before that changes nothing.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "authd/supervisor_impl.h"
#include "lib/base/log.h"

uint64_t reload_ask(struct supervisor *s)
{
	return ++s->reload.asked;
}

/* ---------------------------------------------------------------------------------- end */

static int fill_end(struct mtls_control_end *end, enum mtls_control_code code, const char *text,
		    uint64_t generation)
{
	struct mtls_control_number number;

	end->code = code;
	return code == MTLS_CONTROL_OK ? mtls_control_add(&end->fields, "generation",
							  mtls_control_number(&number, generation))
				       : mtls_control_set_sentence(&end->text, text);
}

static void answer(struct supervisor *s, uint64_t ticket, enum mtls_control_code code,
		   const char *text)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = mtls_msg_new(MTLS_MSG_CONTROL_END);
	uint64_t generation = s->current ? s->current->config->generation : 0;

	s->reload.done = ticket;
	if (!end || fill_end(&end->u.control_end, code, text, generation) < 0)
		mtls_log(MTLS_LOG_ERROR, "reload: the answer was lost: out of memory");
	else
		mtls_control_server_answer(s->server, ticket, end);
}

static void failed(struct supervisor *s, enum mtls_control_code code, const char *why)
{
	struct reload *reload = &s->reload;

	(void)snprintf(reload->error, sizeof(reload->error), "%s", why);
	reload->fresh = NULL;
	if (!s->current) {
		mtls_log(MTLS_LOG_ERROR, "workers cannot run: %s; giving up", why);
		supervisor_stop(s, AUTHD_EXIT_SOFTWARE);
		return;
	}
	reload->at = time(NULL);
	mtls_log(MTLS_LOG_ERROR, "reload: %s; nothing is changed", why);
	manager_ready(s);
	answer(s, reload->loading, code, why);
}

static void succeeded(struct supervisor *s)
{
	struct reload *reload = &s->reload;

	reload->old = NULL;
	reload->error[0] = '\0';
	if (reload->loading) {
		reload->at = time(NULL);
		mtls_log(MTLS_LOG_NOTICE, "reload: generation %llu is in use",
			 (unsigned long long)s->current->config->generation);
	}
	manager_ready(s);
	answer(s, reload->loading, MTLS_CONTROL_OK, NULL);
}

/* -------------------------------------------------------------------------------- begin */

/* Root can read what the daemon cannot any more: the same command with --check would succeed. */
static int say_who_reads(int err, const char *user, struct mtls_diag *diag)
{
	const struct mtls_diag why = *diag;

	if (err != -EACCES)
		return err;
	return mtls_diag_set(diag, err, "%s: at a reload it is user '%s' who opens it",
			     mtls_diag_text(&why, err), user);
}

static int load(struct supervisor *s, struct configuration **ret_config,
		struct audit_sink **ret_audit, struct mtls_diag *diag)
{
	const struct configuration *now = s->current->config;
	_cleanup_(configuration_freep) struct configuration *config = NULL;

	int r = configuration_load(s->path, s->reload.last_number + 1, now, &config, diag);
	if (r >= 0)
		r = configuration_replaces(config, now, diag);
	if (r >= 0)
		r = supervisor_has_room(s, config->settings, diag);
	if (r >= 0)
		r = audit_sink_renew(config->settings->audit_file, s->current->audit,
				     now->settings->audit_file, ret_audit, diag);
	if (r < 0)
		return say_who_reads(r, now->settings->user, diag);
	if (diag->text[0])
		mtls_log(MTLS_LOG_WARNING, "%s", diag->text);
	*ret_config = MTLS_TAKE(config);
	return 0;
}

static void begin(struct supervisor *s)
{
	_cleanup_(configuration_freep) struct configuration *config = NULL;
	_cleanup_(audit_sink_freep) struct audit_sink *audit = NULL;
	struct reload *reload = &s->reload;
	struct mtls_diag diag = { 0 };

	reload->loading = reload->asked;
	manager_reloading();
	int r = load(s, &config, &audit, &diag);
	if (r < 0) {
		failed(s, MTLS_CONTROL_REFUSED, mtls_diag_text(&diag, r));
		return;
	}
	reload->last_number = config->generation;
	r = generation_start(s, config, audit, &reload->fresh);
	if (r < 0) {
		failed(s, r == MTLS_E_BUSY ? MTLS_CONTROL_BUSY : MTLS_CONTROL_FAILED,
		       r == MTLS_E_BUSY ? "workers of earlier reloads still drain: try again"
					: mtls_strerror(r));
		return;
	}
	config = NULL;
	audit = NULL;
}

/* Room for as many workers as there are now: more are judged when they are known. */
static bool room(const struct supervisor *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->row_count; i++)
		count += !s->row_used[i];
	return s->current && count >= s->current->worker_count;
}

static void enter(struct supervisor *s)
{
	struct reload *reload = &s->reload;
	struct configuration *config = reload->fresh->config;

	reload->old = s->current;
	generation_enter(s, reload->fresh);
	reload->fresh = NULL;
	mtls_log_set_level(config->settings->debug ? MTLS_LOG_DEBUG : MTLS_LOG_INFO);
	s->expiries_told = time(NULL);
	expiries_log(&config->expiries, (int64_t)s->expiries_told, true);
	if (!reload->old)
		succeeded(s); /* the first one */
}

void reload_step(struct supervisor *s)
{
	struct reload *reload = &s->reload;

	if (reload->fresh && reload->fresh->state == GENERATION_FAILED)
		failed(s, MTLS_CONTROL_FAILED, reload->fresh->error);
	else if (reload->fresh && generation_ready(reload->fresh))
		enter(s);
	/* An answer says that no connection begins any more with what was before. */
	if (reload->old && generation_closed(reload->old))
		succeeded(s);
	if (!reload->fresh && !reload->old && reload->asked != reload->done && room(s))
		begin(s);
}

void reload_stop(struct supervisor *s)
{
	if (s->reload.fresh)
		generation_fail(s->reload.fresh, "the daemon stops");
	s->reload.fresh = s->reload.old = NULL;
	answer(s, s->reload.asked, MTLS_CONTROL_BUSY, "the daemon stops");
}
