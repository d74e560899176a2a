/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings, once for all three processes. The supervisor reads the file and judges it; the
 * children get the very text that was found good, whatever has become of the file meanwhile.
 */
#ifndef ACCOUNTD_CONFIGURATION_H
#define ACCOUNTD_CONFIGURATION_H

#include <sys/types.h>

#include "lib/settings/accountd.h"

struct configuration {
	struct mtls_settings_accountd *settings; /* owned */
	int text_fd;                             /* owned; a sealed memory file */
	uid_t uid;                               /* of the store process */
	gid_t gid;
	uid_t authd_uid; /* who may ask at authd_socket besides root */
	gid_t authd_gid;
};

/* Reads @path and looks the users up. 0 or an error with @diag. */
int configuration_load(const char *path, struct configuration **ret, struct mtls_diag *diag);
void configuration_free(struct configuration *configuration);
MTLS_DEFINE_CLEANUP(struct configuration *, configuration_free)

/* In a child: the settings from the text at descriptor @fd. */
int configuration_inherit(int fd, struct mtls_settings_accountd **ret, struct mtls_diag *diag);

#endif
