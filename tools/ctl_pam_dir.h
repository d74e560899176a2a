/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The service files of this machine: read, replaced, described. */
#ifndef MTLS_TOOLS_CTL_PAM_DIR_H
#define MTLS_TOOLS_CTL_PAM_DIR_H

#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/pamstack/pamstack.h"

#define CTL_PAM_DIR "/etc/pam.d"

struct ctl_pam_file {
	struct mtls_buf text;
	uid_t uid;
	gid_t gid;
	mode_t mode;
};
#define CTL_PAM_FILE                                                                               \
	{                                                                                          \
		.text = MTLS_BUF(MTLS_STACK_FILE_MAX)                                              \
	}
void ctl_pam_file_done(struct ctl_pam_file *file);
#define _cleanup_pam_file_ _cleanup_(ctl_pam_file_done)

/*
 * Reads the file of @service for a change: root's, nobody else's to write, no link, no second name.
 * 0, -errno (-ENOENT), MTLS_E_UNTRUSTED, MTLS_E_UNSUPPORTED; @diag has a sentence.
 */
int ctl_pam_read(const char *service, struct ctl_pam_file *ret, struct mtls_diag *diag);

/* Replaces it atomically by @text; owner and mode as @like says. */
int ctl_pam_write(const char *service, const struct mtls_buf *text, const struct ctl_pam_file *like,
		  struct mtls_diag *diag);

/*
 * The services that take lines from the file of @service, and change with it, sorted; the caller
 * frees the list. 0, -ENOMEM, or MTLS_E_UNSUPPORTED where one of them counts lines in front of it.
 */
int ctl_pam_includers(const char *service, char ***ret, struct mtls_diag *diag);

/* For mtls_stack_understand(): any file of the folder, or one with a path, however it is. */
int ctl_pam_load(void *ctx, const char *name, struct mtls_stack **ret, struct mtls_diag *diag);

#define CTL_PAM_HASH_MAX 65
/* SHA-256 in hexadecimal. 0 or MTLS_E_CRYPTO. */
int ctl_pam_hash(const struct mtls_buf *text, char out[CTL_PAM_HASH_MAX]);

/* Prints what changes as a unified diff: @one is @other without some lines, or the reverse. */
void ctl_pam_print_diff(const char *service, const struct mtls_stack *old,
			const struct mtls_stack *now);

#endif
