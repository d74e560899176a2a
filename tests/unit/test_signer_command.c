/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* signer/command: what each signer is told. */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "signer/command.h"
#include "signer/start.h"

#define TEXT(text) ((char *)(uintptr_t)(text))
#define USUAL      " --lifetime 600 --certs " MTLS_SIGNER_CERTS

static char *modules[] = { TEXT("/m/a.so"), TEXT("/m/b.so"), NULL };
static char *env[] = { TEXT("X=1"), NULL };
static char *uris[] = { TEXT("pkcs11:token=A"), NULL };
static char *files[] = { TEXT("/k/a"), TEXT("/k/b"), NULL };
static const struct mtls_settings_pam settings = { .pkcs11_modules = modules,
						   .pkcs11_environment = env,
						   .pkcs11_uri = uris };
static const struct mtls_settings_pam client = { .p11_kit_client = TEXT("/m/client.so") };

/* clang-format off */
static const struct {
	const char *name;
	struct signer_command command;
	const char *want;
} rows[] = {
	{ "a person's files", { .kind = MTLS_SOURCE_FILE, .settings = &settings, .home = "/home/a", .folder = true },
	  "mtls-signer --source file" USUAL " --dir /home/a/.config/mtls" },
	{ "the machine's files", { .kind = MTLS_SOURCE_FILE, .settings = &settings, .home = "/", .files = files },
	  "mtls-signer --source file" USUAL " --file /k/a --file /k/b" },
	{ "a card", { .kind = MTLS_SOURCE_PKCS11, .settings = &settings, .home = "/home/a", .folder = true },
	  "mtls-signer-token --source pkcs11" USUAL " --dir /home/a/.config/mtls --module /m/a.so --module /m/b.so"
	  " --env HOME=/home/a --env X=1 --uri pkcs11:token=A" },
	{ "a card of nobody's home", { .kind = MTLS_SOURCE_PKCS11, .settings = &settings },
	  "mtls-signer-token --source pkcs11" USUAL " --module /m/a.so --module /m/b.so --env X=1 --uri pkcs11:token=A" },
	{ "another URI", { .kind = MTLS_SOURCE_PKCS11, .settings = &settings, .uri = "pkcs11:object=B" },
	  "mtls-signer-token --source pkcs11" USUAL " --module /m/a.so --module /m/b.so --env X=1 --uri pkcs11:object=B" },
	{ "a forwarded card", { .kind = MTLS_SOURCE_P11_KIT, .settings = &client, .uid = 1001, .address = "unix:path=/s" },
	  "mtls-signer-token --source p11-kit" USUAL " --module /m/client.so --address unix:path=/s" },
	{ "a forwarded card, without a hint", { .kind = MTLS_SOURCE_P11_KIT, .settings = &settings, .uid = 1001 },
	  "mtls-signer-token --source p11-kit" USUAL " --module " MTLS_P11_KIT_CLIENT
	  " --address unix:path=/run/user/1001/p11-kit/pkcs11 --uri pkcs11:token=A" },
	{ "an agent", { .kind = MTLS_SOURCE_AGENT, .settings = &settings, .home = "/home/a", .folder = true, .address = "/tmp/s" },
	  "mtls-signer-agent --source agent" USUAL " --dir /home/a/.config/mtls --socket /tmp/s" },
	{ "no settings", { .kind = MTLS_SOURCE_PKCS11, .home = "/home/a" },
	  "mtls-signer-token --source pkcs11" USUAL " --env HOME=/home/a" },
	{ "an agent nowhere", { .kind = MTLS_SOURCE_AGENT, .settings = &settings }, NULL },
};
/* clang-format on */

static void command_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_strv_freep) char **argv = NULL;
		_cleanup_buf_ struct mtls_buf text = MTLS_BUF(4096);
		int r = signer_command_argv(&rows[i].command, &argv);
		if (!rows[i].want) {
			assert_int_equal(r, -EINVAL);
			assert_null(argv);
			continue;
		}
		assert_int_equal(r, 0);
		for (size_t k = 0; argv[k]; k++)
			(void)mtls_buf_printf(&text, "%s%s", k ? " " : "", argv[k]);
		if (strcmp(mtls_buf_cstr(&text), rows[i].want) != 0)
			fail_msg("%s:\n%s\nexpected\n%s", rows[i].name, mtls_buf_cstr(&text),
				 rows[i].want);
		/* The name that it is called by is the program's. */
		assert_string_equal(strrchr(signer_command_program(rows[i].command.kind), '/') + 1,
				    argv[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
