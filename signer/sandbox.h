/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a signer gives up before it reads the first byte of a person's file. */
#ifndef MTLS_SIGNER_SANDBOX_H
#define MTLS_SIGNER_SANDBOX_H

#include "lib/base/err.h"

/* What a source needs beyond the reading of files. */
enum sandbox_profile {
	SANDBOX_FILES, /* nothing */
	/*
	 * Connecting to one socket, which is done at once. No filter yet: the source enters
	 * SANDBOX_FILES before it reads from there or looks at a file.
	 */
	SANDBOX_AGENT,
	/*
	 * A PKCS#11 module is others' code, which is loaded then: unix sockets, threads, files of
	 * its own. Still no program, no process, no look at or signal to another process, no
	 * network.
	 */
	SANDBOX_TOKENS,
};

/*
 * Not dumpable, memory out of swap where the limits allow it, and but for SANDBOX_AGENT a Landlock
 * domain that ends at this process, and a system call filter: with SANDBOX_FILES no exec, no new
 * process, no socket, no look at or signal to another process, no change of any file, no further
 * code. 0 or -errno with @diag; then no key may be read. May be called again, for a narrower
 * profile.
 */
int sandbox_enter(enum sandbox_profile profile, struct mtls_diag *diag);

#endif
