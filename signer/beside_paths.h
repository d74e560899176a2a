/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The person's own certificates, for keys that are not in files. */
#ifndef MTLS_SIGNER_BESIDE_PATHS_H
#define MTLS_SIGNER_BESIDE_PATHS_H

#include "signer/beside.h"
#include "signer/source.h"

#define BESIDE_FILES_MAX 64 /* of the person's; more are not read */

/*
 * Adds the certificates of args->paths: files, and *.pem, *.crt, *.cer of folders. Only files of
 * args->owner or root's that nobody else may write; what holds a private key is passed over. A
 * missing folder is an empty one. 0 or -ENOMEM.
 */
int beside_add_paths(struct beside *beside, const struct source_args *args, beside_say *say,
		     void *say_ctx);

#endif
