/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtls-signer-agent: keys in an ssh-agent, here and forwarded. Small: every login loads it. */
#include <config.h>

#include "signer/program.h"

int main(int argc, char **argv)
{
	static const struct source_ops *const sources[] = { &source_agent_ops, NULL };
	static const struct signer_program program = {
		.name = "mtls-signer-agent",
		.usage = "--source agent --socket PATH [OPTION]...\n"
			 "\n"
			 "  --socket PATH       of the person's agent\n"
			 "  --dir DIR           the person's certificates: *.pem, *.crt, *.cer\n"
			 "  --file PATH         a certificate\n",
		.sources = sources,
	};
	return signer_run(&program, argc, argv);
}
