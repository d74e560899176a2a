/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where audit records go: a file or standard output (JSON lines), the journal (native protocol), or
 * standard error. Everything is opened at start, so that a sandboxed worker can write.
 */
#ifndef AUTHD_AUDIT_SINK_H
#define AUTHD_AUDIT_SINK_H

#include "authd/audit.h"
#include "lib/base/err.h"

struct audit_sink;

/*
 * @file: audit_file of authd.conf, "-" or NULL. A file is created 0600 and opened for appending, as
 * the process is at this moment (root). 0 or an error with @diag.
 */
int audit_sink_open(const char *file, struct audit_sink **ret, struct mtls_diag *diag);

/*
 * Likewise at a reload, when the process is not root any more. If the file is still the one that
 * @before (of @before_file) has open, or cannot be opened now, that is gone on with, and @diag says
 * so if it is another one by now: records are never lost.
 */
int audit_sink_renew(const char *file, const struct audit_sink *before, const char *before_file,
		     struct audit_sink **ret, struct mtls_diag *diag);

/* The descriptor, or -1. */
int audit_sink_fd(const struct audit_sink *sink);
void audit_sink_free(struct audit_sink *sink);
MTLS_DEFINE_CLEANUP(struct audit_sink *, audit_sink_free)

/*
 * Writes one record. Never waits: what a full pipe does not take is lost. 0, or an error: then the
 * caller counts it.
 */
int audit_sink_write(struct audit_sink *sink, const struct audit_record *record);

#endif
