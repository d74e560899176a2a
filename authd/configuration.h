/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything the daemon needs to know, loaded and checked at start while it is root: settings,
 * account to become, server key and certificate, anchors, CRLs. Constant afterwards.
 */
#ifndef AUTHD_CONFIGURATION_H
#define AUTHD_CONFIGURATION_H

#include <sys/types.h>

#include <gnutls/gnutls.h>

#include "authd/expiry.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/settings/authd.h"
#include "lib/verify/verify.h"

struct configuration {
	uint64_t generation; /* 1 for the first one that the daemon loads; what belongs to another
				is not valid for this one */
	struct mtls_settings_authd *settings;
	uid_t uid; /* what the daemon becomes */
	gid_t gid;
	struct mtls_anchors *anchors;
	struct mtls_verify_bounds bounds;
	gnutls_certificate_credentials_t credentials;
	struct expiries expiries;
};

/*
 * Loads @path and all files it names. 0, or an error: @diag names file and reason. What is odd but
 * not wrong is logged as a warning.
 */
int configuration_load(const char *path, struct configuration **ret, struct mtls_diag *diag);
void configuration_free(struct configuration *configuration);
MTLS_DEFINE_CLEANUP(struct configuration *, configuration_free)

#endif
