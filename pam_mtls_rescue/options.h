/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arguments of the module. There is no configuration file: one thing less that can be broken. */
#ifndef PAM_MTLS_RESCUE_OPTIONS_H
#define PAM_MTLS_RESCUE_OPTIONS_H

#include <stdbool.h>

#include "lib/base/err.h"

/* Owned lists. */
struct options {
	char **services; /* services=NAME,...: login */
	char **ttys;     /* ttys=PATTERN,...: tty1 to tty63, ttyS* */
	bool echo;       /* echo: show what is typed */
	bool debug;      /* debug: log too when nothing was asked */
};

/* 0, -ENOMEM, or MTLS_E_CONFIG: an argument that is not known, or empty. */
int options_parse(int argc, const char **argv, struct options *ret, struct mtls_diag *diag);
void options_done(struct options *options);

bool options_has_service(const struct options *options, const char *service);

#endif
