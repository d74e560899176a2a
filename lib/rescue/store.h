/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a set lives: FOLDER/codes, root's alone. Below the configuration, because it must be there
 * whenever the machine can be logged in to at all; /var may be another file system.
 *
 * Who changes it, and who counts tries, holds the lock of the folder itself. It is closed to
 * others (0700), so that nobody else can hold it, and works where nothing can be written.
 */
#ifndef MTLS_RESCUE_STORE_H
#define MTLS_RESCUE_STORE_H

#include "lib/rescue/set.h"

#define MTLS_RESCUE_FOLDER MTLS_SYSCONFDIR "/rescue"
#define MTLS_RESCUE_FILE   "codes"

/* Makes the folder if it is not there. 0 or -errno, MTLS_E_UNTRUSTED. */
int mtls_rescue_folder_make(const char *folder, struct mtls_diag *diag);

/*
 * Locks @folder, which root has to own alone; waits at most @patience_ms. @ret_fd: the lock ends
 * with it. 0, -errno (-ENOENT: no folder), MTLS_E_UNTRUSTED, MTLS_E_BUSY.
 */
int mtls_rescue_lock(const char *folder, unsigned int patience_ms, int *ret_fd,
		     struct mtls_diag *diag);

/*
 * Reads the set. 0, -errno (-ENOENT: there is none), MTLS_E_UNTRUSTED for a file that anybody else
 * may read or that is a link, MTLS_E_CORRUPT, MTLS_E_VERSION, MTLS_E_LIMIT.
 */
int mtls_rescue_load(const char *folder, struct mtls_rescue_set **ret, struct mtls_diag *diag);

/*
 * Replaces the set as a whole, or not at all; on the disk when it returns. With the lock. Leftovers
 * of a writer that was killed are removed. 0 or -errno.
 */
int mtls_rescue_save(const char *folder, const struct mtls_rescue_set *set, struct mtls_diag *diag);

/* Removes the file. With the lock. 0 or -errno. */
int mtls_rescue_remove(const char *folder, struct mtls_diag *diag);

#endif
