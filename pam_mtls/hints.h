/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the person's agent and forwarded token may listen: what the environment says. Untrusted: a
 * hint names a path for a signer that runs as the person and checks that the socket is the
 * person's; nothing is opened here but /proc/self/environ.
 */
#ifndef PAM_MTLS_HINTS_H
#define PAM_MTLS_HINTS_H

#include <stdbool.h>
#include <stddef.h>

#include <security/pam_modules.h>

#define HINT_MAX         128           /* bytes of an address, with its NUL */
#define HINT_PATH_MAX    107           /* bytes of a unix socket's path: unix(7) */
#define HINT_ENVIRON_MAX (1024 * 1024) /* bytes that are read of /proc/self/environ */

/* Strings; "": unknown. */
struct hints {
	char agent_socket[HINT_MAX]; /* SSH_AUTH_SOCK: an absolute path */
	char p11_address[HINT_MAX];  /* P11_KIT_SERVER_ADDRESS: "unix:path=" and an absolute path */
};

/*
 * Looks into PAM's environment, then the process's, then the one that it was started with: sudo
 * cleans its own, so that sudoers needs no env_keep. The first value that is fit to be used counts.
 */
void hints_find(pam_handle_t *pamh, struct hints *ret);

/* Pure. Whether a value is fit to be used: form and length, no control characters. */
bool hint_is_socket(const char *value);
bool hint_is_p11_address(const char *value);

/*
 * Pure. The value of @name in @block, strings that end in NUL one after the other (environ(7));
 * NULL if it is not there or is not ended. Borrowed from the block.
 */
const char *hint_in_block(const char *block, size_t len, const char *name);

#endif
