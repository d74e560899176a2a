/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One signer is several programs, each with the libraries that its sources need: a login pays for
 * what it loads.
 */
#ifndef MTLS_SIGNER_PROGRAM_H
#define MTLS_SIGNER_PROGRAM_H

#include "signer/source.h"

struct signer_program {
	const char *name;
	const char *usage; /* its options: "--source NAME ...\n" and a line for each */
	const struct source_ops *const *sources; /* NULL behind the last */
};

/* main() of a signer. Does not return but for a wrong command line, --help and --version. */
int signer_run(const struct signer_program *program, int argc, char **argv);

#endif
