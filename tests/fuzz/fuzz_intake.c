/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A person's key file: the input is the file, or, around a line "====", a certificate's file and
 * the key's file beside it; behind a line "++++" a file of certificates of the administrator's.
 * Read without a passphrase and with the right one.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "signer/beside.h"
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

/* The part of *@data before @marker, which it keeps; returns what is behind, NULL without one. */
static const uint8_t *split(const uint8_t *data, size_t *len, const char *marker, size_t *rest_len)
{
	size_t marker_len = strlen(marker);
	const uint8_t *found = memmem(data, *len, marker, marker_len);

	if (!found)
		return NULL;
	*rest_len = *len - (size_t)(found - data) - marker_len;
	*len = (size_t)(found - data);
	return found + marker_len;
}

static void say(void *ctx, const char *path, const char *text)
{
	(void)ctx;
	check(path && *text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(beside_freep) struct beside *beside = NULL;
	struct intake_input input = { .data = data, .len = size, .iterations_max = ITERATIONS_MAX };
	struct mtls_diag diag = { 0 };
	size_t certs_len = 0;
	const uint8_t *certs = split(data, &input.len, "\n++++\n", &certs_len);

	input.key_data = split(data, &input.len, "\n====\n", &input.key_len);
	check(beside_new(NULL, 0, say, NULL, &beside) == 0);
	if (certs) {
		int r = beside_add(beside, "certs", certs, certs_len, &diag);
		check((r == 0) == beside_any(beside));
		check(r == 0 || r == -ENOMEM || diag.text[0]);
		input.beside = beside_find;
		input.beside_ctx = beside;
		input.beside_any = beside_any(beside);
	}
	check(intake_lacks_key(input.data, input.len) != intake_is_secret(input.data, input.len));
	read_with(&input, NULL);
	read_with(&input, "secret");
	return 0;
}
