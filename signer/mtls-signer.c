/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtls-signer: keys in files. With GnuTLS, which decrypts and decodes them. */
#include <config.h>

#include "signer/program.h"

int main(int argc, char **argv)
{
	static const struct source_ops *const sources[] = { &source_file_ops, NULL };
	static const struct signer_program program = {
		.name = "mtls-signer",
		.usage = "--source file (--dir DIR | --file PATH)... [OPTION]...\n"
			 "\n"
			 "  --dir DIR           all *.pem, *.p12, *.pfx, *.key, *.crt, *.cer in "
			 "this "
			 "folder\n"
			 "  --file PATH         this file\n",
		.sources = sources,
	};
	return signer_run(&program, argc, argv);
}
