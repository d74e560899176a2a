/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A person's key file: the input is the file, or, around a line "====", a certificate's file and
 * the key's file beside it. Read without a passphrase and with the right one.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "signer/intake.h"

#define ITERATIONS_MAX 64 /* speed; the corpus has files with so few */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
	if (!condition)
		abort();
}

static void check_text(const char *text)
{
	size_t len = strlen(text);
	check(len <= 256);
	check(mtls_utf8_valid((const uint8_t *)text, len));
	check(!mtls_has_control((const uint8_t *)text, len));
}

/* What holds for every intake, whatever the file was. */
static void check_intake(const struct intake *intake, const char *secret)
{
	check(intake->chain_count <= MTLS_CHAIN_MAX);
	check((intake->key == NULL) == intake->locked);
	check(!intake->locked || !secret);
	check(!intake->by_secret || secret);
	check(intake->chain_count > 0 || intake->locked);
	check((intake->key_type == 0) == (intake->chain_count == 0));
	for (size_t i = 0; i < intake->chain_count; i++)
		check(intake->chain[i].len > 0 && intake->chain[i].len <= MTLS_CERT_MAX);
	if (!intake->chain_count)
		return;
	check_text(intake->subject);
	check_text(intake->issuer);
}

static void read_with(const struct intake_input *input, const char *secret)
{
	_cleanup_(intake_freep) struct intake *intake = NULL;
	struct mtls_diag diag = { 0 };
	int r = intake_read(input, secret, &intake, &diag);

	check((r == 0) == (intake != NULL));
	check(r == 0 || r == -ENOMEM || diag.text[0]);
	if (intake)
		check_intake(intake, secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char marker[] = "\n====\n";
	const size_t marker_len = sizeof(marker) - 1;
	struct intake_input input = { .data = data, .len = size, .iterations_max = ITERATIONS_MAX };
	const uint8_t *found = memmem(data, size, marker, marker_len);

	if (found) {
		input.len = (size_t)(found - data);
		input.key_data = found + marker_len;
		input.key_len = size - input.len - marker_len;
	}
	check(intake_lacks_key(input.data, input.len) != intake_is_secret(input.data, input.len));
	read_with(&input, NULL);
	read_with(&input, "secret");
	return 0;
}
