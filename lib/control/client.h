/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client half of a control socket: one request, maybe items, then items and an end from the
 * daemon (PROTOCOL.md, "Control"). Blocking, with one deadline a message. One thread.
 */
#ifndef MTLS_CONTROL_CLIENT_H
#define MTLS_CONTROL_CLIENT_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/wire/msg.h"

struct mtls_control;

/*
 * Connects to the socket at @path and makes sure that its other end runs as root or @owner
 * (SO_PEERCRED). -ENOENT and -ECONNREFUSED: the daemon does not run, which @diag says.
 */
int mtls_control_connect(const char *path, uid_t owner, uint32_t timeout_ms,
			 struct mtls_control **ret, struct mtls_diag *diag);
void mtls_control_free(struct mtls_control *control);
MTLS_DEFINE_CLEANUP(struct mtls_control *, mtls_control_free)

/* Sends one ControlRequest, ControlItem or ControlEnd. */
int mtls_control_send(struct mtls_control *control, const struct mtls_msg *msg,
		      struct mtls_diag *diag);

/* The next ControlItem or ControlEnd; the caller frees it. */
int mtls_control_receive(struct mtls_control *control, struct mtls_msg **ret,
			 struct mtls_diag *diag);

#endif
