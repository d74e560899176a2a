/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The CAs and revocation lists that authd.conf names, read from their files: what mtls-authd
 * decides with, and what mtlsctl explains with.
 */
#ifndef MTLS_TRUST_TRUST_H
#define MTLS_TRUST_TRUST_H

#include "lib/base/err.h"
#include "lib/settings/authd.h"
#include "lib/verify/verify.h"

/*
 * Reads every file of every `ca` section; each must be root's and writable by nobody else. 0 or an
 * error, @diag names the file. *@ret is the caller's (mtls_anchors_free), set on success only.
 */
int mtls_trust_load(const struct mtls_settings_authd *settings, struct mtls_anchors **ret,
		    struct mtls_diag *diag);

enum mtls_trust_file {
	MTLS_TRUST_CA,
	MTLS_TRUST_CRL,
};

/* Called behind each file, whose certificates or lists are the last ones of @anchors. */
typedef int mtls_trust_note(void *ctx, const struct mtls_anchors *anchors,
			    const struct mtls_settings_ca *ca, const char *path,
			    enum mtls_trust_file file);

/* Likewise, with @note_file for each file; its error ends the loading. */
int mtls_trust_load_noting(const struct mtls_settings_authd *settings, mtls_trust_note *note_file,
			   void *ctx, struct mtls_anchors **ret, struct mtls_diag *diag);

struct mtls_verify_bounds mtls_trust_bounds(const struct mtls_settings_authd *settings);

#endif
