/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking a daemon of this machine: one request without fields, and all that it says. */
#ifndef MTLS_TOOLS_CTL_DAEMON_H
#define MTLS_TOOLS_CTL_DAEMON_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/control/client.h"

#define CTL_ITEMS_MAX          16384 /* items of one answer */
#define CTL_DAEMON_PATIENCE_MS 10000 /* for each of them */

enum ctl_daemon_kind { CTL_AUTHD, CTL_ACCOUNTD, CTL_DAEMONS };

enum ctl_daemon_state {
	CTL_DAEMON_UNKNOWN, /* it could not be asked: no rights, no sense in what it said */
	CTL_DAEMON_DOWN,    /* nobody listens */
	CTL_DAEMON_ANSWERED,
};

/* Embed it zeroed. */
struct ctl_daemon {
	enum ctl_daemon_kind kind;
	const char *name; /* "mtls-authd"; constant */
	enum ctl_daemon_state state;
	int err;               /* why there is no answer: -EACCES, ... */
	struct mtls_diag diag; /* likewise, in words */
	char *socket;          /* owned */
	struct mtls_msg **items;
	size_t count;
	struct mtls_msg *end; /* of an answer; its code may be a refusal */
};

/*
 * Sends @verb to the daemon's control socket, where its settings say that it is (the usual place if
 * they cannot be read), and takes the answer, each message of which may take @patience_ms.
 */
void ctl_daemon_ask(struct ctl_daemon *daemon, enum ctl_daemon_kind kind, const char *verb,
		    uint32_t patience_ms);
void ctl_daemon_done(struct ctl_daemon *daemon);

/* The fields of the next item of @kind from *@cursor on, which starts at 0; NULL behind the last.
 */
const struct mtls_control_fields *ctl_daemon_item(const struct ctl_daemon *daemon, const char *kind,
						  size_t *cursor);

/* The value of a field, "" if it is left out; as a number, 0 if it is none. */
const char *ctl_field(const struct mtls_control_fields *fields, const char *name);
uint32_t ctl_field_u32(const struct mtls_control_fields *fields, const char *name);
uint64_t ctl_field_u64(const struct mtls_control_fields *fields, const char *name);

/* The command that starts it here. Constant. */
const char *ctl_start_command(enum ctl_daemon_kind kind);

#endif
