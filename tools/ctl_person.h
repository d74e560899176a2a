/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What root does in a person's own folder, it does as the person: whatever that folder leads to,
 * the person could have done alone. A child becomes the person for good, does one thing, and
 * reports.
 */
#ifndef MTLS_TOOLS_CTL_PERSON_H
#define MTLS_TOOLS_CTL_PERSON_H

#include <limits.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define CTL_PERSON_OUT_MAX (256 * 1024) /* bytes that a child may hand back */

struct ctl_person {
	char *name, *home; /* owned */
	uid_t uid;
	gid_t gid;
};

/* Embed it zeroed. 0, MTLS_E_NOTFOUND (there is no such account here), -ENOMEM. */
int ctl_person_find(const char *name, struct ctl_person *ret, struct mtls_diag *diag);
void ctl_person_done(struct ctl_person *person);

/* The path of @name in ~/.config/mtls. 0, MTLS_E_SYNTAX (no absolute home), -ENAMETOOLONG. */
int ctl_person_path(const struct ctl_person *person, const char *name, char out[PATH_MAX],
		    struct mtls_diag *diag);

/* -EPERM with words unless we are root or the person. */
int ctl_person_check_rights(const struct ctl_person *person, struct mtls_diag *diag);

/* Runs in the child. What it appends to @out reaches the parent, whatever it returns. */
typedef int ctl_person_fn(void *ctx, struct mtls_buf *out, struct mtls_diag *diag);

/*
 * Runs @fn as the person and waits for its end; @out (NULL: nothing is wanted) gets what it handed
 * back. Returns what @fn returned, with its @diag, or why there was no child. No secret that is not
 * the person's may be in memory.
 */
int ctl_as_person(const struct ctl_person *person, ctl_person_fn *fn, void *ctx,
		  struct mtls_buf *out, struct mtls_diag *diag);

/* In the child: ~/.config and ~/.config/mtls are made where they are missing. */
int ctl_person_make_folder(const struct ctl_person *person, struct mtls_diag *diag);

/*
 * Runs this program anew as the person, without environment: @argv (NULL behind the last). @secret
 * can be read from descriptor CTL_PERSON_SECRET_FD; its standard output goes to @out. It has a
 * session of its own and no other descriptor, and is killed when it does not end. Returns its exit
 * code, or a negative error.
 */
#define CTL_PERSON_SECRET_FD 3
int ctl_person_exec(const struct ctl_person *person, char *const *argv,
		    const struct mtls_buf *secret, struct mtls_buf *out, struct mtls_diag *diag);

#endif
