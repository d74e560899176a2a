/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A signer that lies, for tests, in the place of mtls-signer. Its instructions are the lines of
 * /run/mtls-test/evil-signer: a mode, the PEM file of the chain to show, the PEM file of the key to
 * sign with. The mode `honest` is the control: any passphrase unlocks the right key.
 */
#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/wire/frame.h"
#include "lib/wire/msg.h"

#define INSTRUCTIONS "/run/mtls-test/evil-signer"
#define SOCKET_FD    0

struct evil {
	char mode[32], chain_path[256], key_path[256];
	gnutls_x509_crt_t *chain;
	unsigned int chain_count;
	gnutls_privkey_t key;
};

static void require(bool good)
{
	if (!good)
		_exit(3);
}

static gnutls_datum_t load(const char *path)
{
	gnutls_datum_t data;
	require(gnutls_load_file(path, &data) >= 0);
	return data;
}

static void read_instructions(struct evil *evil)
{
	_cleanup_fclose_ FILE *file = fopen(INSTRUCTIONS, "re");
	require(file && fscanf(file, "%31s %255s %255s", evil->mode, evil->chain_path,
			       evil->key_path) == 3);
	gnutls_datum_t chain = load(evil->chain_path), key = load(evil->key_path);
	require(gnutls_x509_crt_list_import2(&evil->chain, &evil->chain_count, &chain,
					     GNUTLS_X509_FMT_PEM, 0) >= 0);
	require(gnutls_privkey_init(&evil->key) >= 0 &&
		gnutls_privkey_import_x509_raw(evil->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0) >= 0);
}

static bool is(const struct evil *evil, const char *mode)
{
	return mtls_streq(evil->mode, mode);
}

static void send_msg(const struct mtls_msg *msg)
{
	_cleanup_free_ uint8_t *der = NULL;
	size_t len;
	require(mtls_msg_encode(msg, &der, &len, NULL) == 0 &&
		mtls_fd_write_all(SOCKET_FD, der, len) == 0);
}

static void list(const struct evil *evil)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_SIGNER_CREDENTIAL);
	struct mtls_msg end = { .type = MTLS_MSG_SIGNER_END };
	struct mtls_signer_credential *c = &msg->u.signer_credential;

	require(mtls_msg_set_text(&c->source, "file") == 0 &&
		mtls_msg_set_text(&c->label, "evil") == 0 &&
		mtls_msg_set_text(&c->issuer, "evil") == 0);
	c->id = 1;
	c->not_after = INT32_MAX;
	c->key_type = MTLS_KEY_TYPE_ECDSA_P256;
	c->needs_secret = !is(evil, "no-secret");
	c->tries_left = MTLS_TRIES_UNKNOWN;
	for (unsigned int i = 0; i < evil->chain_count && i < MTLS_CHAIN_MAX; i++) {
		gnutls_datum_t der;
		require(gnutls_x509_crt_export2(evil->chain[i], GNUTLS_X509_FMT_DER, &der) >= 0 &&
			mtls_msg_set_bytes(&c->chain[i], der.data, der.size) == 0);
		c->chain_count = i + 1;
	}
	send_msg(msg);
	send_msg(&end);
}

static void unlock(const struct evil *evil)
{
	struct mtls_msg msg = { .type = MTLS_MSG_SIGNER_UNLOCKED };
	msg.u.signer_unlocked.presence =
		is(evil, "no-presence") ? MTLS_PRESENCE_NONE : MTLS_PRESENCE_SECRET;
	msg.u.signer_unlocked.tries_left = MTLS_TRIES_UNKNOWN;
	send_msg(&msg);
}

static void sign(const struct evil *evil, const struct mtls_signer_sign *request)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_SIGNER_SIGNATURE);
	const gnutls_datum_t content = { request->content.data,
					 (unsigned int)request->content.len };
	gnutls_datum_t signature;

	require(gnutls_privkey_sign_data2(evil->key, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, 0,
					  &content, &signature) >= 0 &&
		mtls_msg_set_bytes(&msg->u.signer_signature.signature, signature.data,
				   signature.size) == 0);
	send_msg(msg);
}

static void answer(const struct evil *evil, const struct mtls_msg *request)
{
	static const char garbage[] = "this is no message at all";

	if (is(evil, "garbage")) {
		require(mtls_fd_write_all(SOCKET_FD, garbage, sizeof(garbage)) == 0);
		return;
	}
	switch ((int)request->type) {
	case MTLS_MSG_SIGNER_LIST:
		list(evil);
		return;
	case MTLS_MSG_SIGNER_UNLOCK:
		unlock(evil);
		return;
	case MTLS_MSG_SIGNER_SIGN:
		sign(evil, &request->u.signer_sign);
		return;
	default:
		_exit(0);
	}
}

int main(void)
{
	struct evil evil = { .mode = "" };
	struct mtls_frame frame;
	char data[4096];

	read_instructions(&evil);
	mtls_frame_init(&frame, false);
	mtls_frame_expect(&frame, MTLS_EXPECT(SIGNER_LIST) | MTLS_EXPECT(SIGNER_UNLOCK) |
					  MTLS_EXPECT(SIGNER_SIGN) | MTLS_EXPECT(SIGNER_QUIT));
	for (;;) {
		struct mtls_msg *request = NULL;
		ssize_t n = read(SOCKET_FD, data, sizeof(data));
		if (n <= 0)
			return 0;
		require(mtls_frame_push(&frame, data, (size_t)n) == 0);
		while (mtls_frame_next(&frame, &request, NULL) == 1) {
			answer(&evil, request);
			mtls_msg_free(request);
		}
	}
}
