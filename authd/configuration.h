/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything the daemon needs to know, loaded and checked before it is used: settings, account to
 * become, server key and certificate, anchors, CRLs. Constant afterwards; a reload makes another
 * one.
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
 * Loads @path and all files it names; it gets the number @generation. 0, or an error: @diag names
 * file and reason. What is odd but not wrong is logged as a warning. With @before, what the daemon
 * runs with, the user is taken from there: NSS is not asked, which might hang.
 */
int configuration_load(const char *path, uint64_t generation, const struct configuration *before,
		       struct configuration **ret, struct mtls_diag *diag);

/*
 * MTLS_E_CONFIG with @diag if @after differs from @before in what is bound or given up at the
 * start.
 */
int configuration_replaces(const struct configuration *after, const struct configuration *before,
			   struct mtls_diag *diag);
void configuration_free(struct configuration *configuration);
MTLS_DEFINE_CLEANUP(struct configuration *, configuration_free)

#endif
