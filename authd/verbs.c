/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs as a table. None has fields. */
#include <config.h>

#include <stdio.h>

#include "authd/status.h"
#include "authd/supervisor_impl.h"
#include "authd/verbs.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/control/authd.h"

static int run_status(struct supervisor *s, struct mtls_control_call *call,
		      struct mtls_control_end *end)
{
	struct mtls_control_number generation;
	int r = status_tell(s, call);

	return r < 0 ? r
		     : mtls_control_add(&end->fields, "generation",
					mtls_control_number(&generation, status_generation(s)));
}

static int run_reload(struct supervisor *s, struct mtls_control_call *call,
		      struct mtls_control_end *end)
{
	if (s->stopping) {
		end->code = MTLS_CONTROL_BUSY;
		return mtls_control_set_sentence(&end->text, "the daemon stops");
	}
	mtls_log(MTLS_LOG_NOTICE, "reload, asked for by process %ld",
		 (long)mtls_control_call_pid(call));
	mtls_control_call_wait(call, reload_ask(s));
	return 0;
}

static const struct verb {
	const char *name;
	int (*run)(struct supervisor *s, struct mtls_control_call *call,
		   struct mtls_control_end *end);
} verbs[] = {
	{ MTLS_AUTHD_VERB_STATUS, run_status },
	{ MTLS_AUTHD_VERB_RELOAD, run_reload },
};

static int refuse(struct mtls_control_end *end, const char *what, const char *name)
{
	char text[128];

	end->code = MTLS_CONTROL_USAGE;
	(void)snprintf(text, sizeof(text), "%s '%s' is not known here", what, name);
	return mtls_control_set_sentence(&end->text, text);
}

int verbs_run(void *ctx, struct mtls_control_call *call, const struct mtls_control_request *request,
	      struct mtls_control_end *end)
{
	for (size_t i = 0; i < MTLS_COUNT(verbs); i++) {
		if (!mtls_streq(verbs[i].name, request->verb))
			continue;
		return request->fields.count ? refuse(end, "field", request->fields.field[0].name)
					     : verbs[i].run(ctx, call, end);
	}
	return refuse(end, "verb", request->verb);
}
