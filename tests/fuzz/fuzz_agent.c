/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers of an agent, without the length in front: a list of keys, or a signature. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/agent/agent_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
	if (!condition)
		abort();
}

static void check_inside(const struct mtls_agent_keys *keys, size_t size, const uint8_t *data,
			 size_t len)
{
	check(data >= keys->answer && data + len <= keys->answer + size);
}

static void check_keys(const struct mtls_agent_keys *keys, size_t size)
{
	size_t count = keys->count;

	for (size_t i = 0; i < keys->count; i++) {
		const struct mtls_agent_key *key = &keys->key[i];
		uint8_t spki[MTLS_AGENT_SPKI_MAX];
		char comment[MTLS_AGENT_COMMENT_MAX + 1];
		check_inside(keys, size, key->blob, key->blob_len);
		check_inside(keys, size, key->point, key->point_len);
		check_inside(keys, size, key->comment, key->comment_len);
		check(mtls_agent_key_spki(key, spki) <= sizeof(spki));
		mtls_agent_key_comment(key, comment);
		check(strlen(comment) <= MTLS_AGENT_COMMENT_MAX);
	}
	for (size_t i = 0; i < MTLS_AGENT_OTHERS; i++)
		count += keys->other[i];
	check(count == (keys->total < MTLS_AGENT_KEYS_MAX ? keys->total : MTLS_AGENT_KEYS_MAX));
}

static void read_signature(enum mtls_key_type type, const uint8_t *data, size_t size)
{
	uint8_t out[MTLS_AGENT_SIGNATURE_MAX];
	struct mtls_diag diag = { 0 };
	size_t len = 0;

	int r = agent_read_signature(type, data, size, out, &len, &diag);
	check(r == 0 || diag.text[0]);
	if (r < 0)
		return;
	check(len > 0 && len <= sizeof(out));
	check(type == MTLS_KEY_TYPE_ED25519 ? len == 64 : out[0] == 0x30);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum mtls_key_type types[] = { MTLS_KEY_TYPE_ECDSA_P256,
						    MTLS_KEY_TYPE_ECDSA_P384,
						    MTLS_KEY_TYPE_ECDSA_P521, MTLS_KEY_TYPE_ED25519,
						    MTLS_KEY_TYPE_RSA };
	struct mtls_agent_keys keys = { .count = 0 };
	struct mtls_diag diag = { 0 };
	char words[MTLS_AGENT_WORDS_MAX];
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	int r = agent_read_keys(copy, size, &keys, &diag);
	check(r == 0 || r == -ENOMEM || diag.text[0]);
	if (r < 0)
		free(copy);
	else
		check_keys(&keys, size);
	mtls_agent_words(&keys, words);
	check(strlen(words) < sizeof(words));
	mtls_agent_keys_done(&keys);
	for (size_t i = 0; i < MTLS_COUNT(types); i++)
		read_signature(types[i], data, size);
	return 0;
}
