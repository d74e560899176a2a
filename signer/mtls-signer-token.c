/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtls-signer-token: keys on PKCS#11 tokens, here and forwarded. Loads modules, and no GnuTLS. */
#include <config.h>

#include "signer/program.h"

int main(int argc, char **argv)
{
	static const struct source_ops *const sources[] = { &source_pkcs11_ops, &source_p11kit_ops,
							    NULL };
	static const struct signer_program program = {
		.name = "mtls-signer-token",
		.usage = "--source pkcs11 --module PATH... [OPTION]...\n"
			 "       mtls-signer-token --source p11-kit --module PATH --address "
			 "unix:path=/PATH [OPTION]...\n"
			 "\n"
			 "  --module PATH       a PKCS#11 module, or p11-kit's client\n"
			 "  --uri URI           only these tokens and objects (RFC 7512); several "
			 "are "
			 "alternatives\n"
			 "  --address ADDRESS   the person's socket of a forwarded token\n"
			 "  --env NAME=VALUE    for modules\n"
			 "  --dir DIR           the person's certificates: *.pem, *.crt, *.cer\n"
			 "  --file PATH         a certificate\n",
		.sources = sources,
	};
	return signer_run(&program, argc, argv);
}
