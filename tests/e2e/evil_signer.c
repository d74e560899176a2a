/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A signer that lies, for tests, in the place of mtls-signer. Its instructions are in
 * /run/mtls-test/evil-signer: a mode, the PEM file of the chain to show, the PEM file of the key to
 * sign with. The mode `honest` is the control: any passphrase unlocks the right key.
 *
 * It also plays cards, by further lines, each a word and a text:
 *
 *	secret pin|pin-pad        token, label, issuer TEXT      until SECONDS
 *	pin TEXT                  the right one; default: any
 *	tries N                   that are left before; a wrong PIN takes one
 *	absent REASON             what the list says while there is no card
 *	appears N                 the list that has the card, counted from 1; 0: none
 *	touch FIFO                signs when something was written to it
 *	more LABEL                one more certificate, as the one before
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
#define MORE_MAX     4

struct card {
	char secret[16], token[128], label[128], issuer[128], pin[64], touch[128], absent[32];
	char more[MORE_MAX][128];
	unsigned int more_count, appears, tries;
	int64_t until;
};

struct evil {
	char mode[32], chain_path[256], key_path[256];
	struct card card;
	unsigned int lists;
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

static void set_text(char *out, size_t size, const char *value)
{
	require(mtls_strcopy(out, size, value) == 0);
}

static void instruct(struct card *card, const char *word, const char *value)
{
	const struct {
		const char *word;
		char *out;
		size_t size;
	} texts[] = {
		{ "secret", card->secret, sizeof(card->secret) },
		{ "token", card->token, sizeof(card->token) },
		{ "label", card->label, sizeof(card->label) },
		{ "issuer", card->issuer, sizeof(card->issuer) },
		{ "pin", card->pin, sizeof(card->pin) },
		{ "touch", card->touch, sizeof(card->touch) },
		{ "absent", card->absent, sizeof(card->absent) },
	};
	for (size_t i = 0; i < MTLS_COUNT(texts); i++)
		if (mtls_streq(word, texts[i].word)) {
			set_text(texts[i].out, texts[i].size, value);
			return;
		}
	if (mtls_streq(word, "more")) {
		require(card->more_count < MORE_MAX);
		set_text(card->more[card->more_count++], sizeof(card->more[0]), value);
	} else if (mtls_streq(word, "until")) {
		card->until = strtoll(value, NULL, 10);
	} else if (mtls_streq(word, "tries")) {
		card->tries = (unsigned int)strtoul(value, NULL, 10);
	} else {
		require(mtls_streq(word, "appears"));
		card->appears = (unsigned int)strtoul(value, NULL, 10);
	}
}

static void read_card(FILE *file, struct card *card)
{
	char word[16], value[128];

	*card = (struct card){ .label = "evil",
			       .issuer = "evil",
			       .until = INT32_MAX,
			       .tries = MTLS_TRIES_UNKNOWN,
			       .appears = 1 };
	while (fscanf(file, "%15s %127[^\n]", word, value) == 2)
		instruct(card, word, value);
}

static void read_instructions(struct evil *evil)
{
	_cleanup_fclose_ FILE *file = fopen(INSTRUCTIONS, "re");
	require(file && fscanf(file, "%31s %255s %255s", evil->mode, evil->chain_path,
			       evil->key_path) == 3);
	read_card(file, &evil->card);
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

static void fill(const struct evil *evil, const char *label, struct mtls_signer_credential *c)
{
	const struct card *card = &evil->card;

	require(mtls_msg_set_text(&c->source, *card->secret ? "pkcs11" : "file") == 0 &&
		mtls_msg_set_text(&c->label, label) == 0 &&
		mtls_msg_set_text(&c->issuer, card->issuer) == 0 &&
		mtls_msg_set_text(&c->token, *card->token ? card->token : NULL) == 0);
	c->not_after = card->until;
	c->key_type = MTLS_KEY_TYPE_ECDSA_P256;
	c->needs_secret = !is(evil, "no-secret");
	c->tries_left = card->tries;
	if (*card->secret)
		c->secret_kind =
			mtls_streq(card->secret, "pin") ? MTLS_SECRET_PIN : MTLS_SECRET_PIN_PAD;
	for (unsigned int i = 0; i < evil->chain_count && i < MTLS_CHAIN_MAX; i++) {
		gnutls_datum_t der;
		require(gnutls_x509_crt_export2(evil->chain[i], GNUTLS_X509_FMT_DER, &der) >= 0);
		if (is(evil, "rubbish"))
			memset(der.data, 0xa5, der.size);
		require(mtls_msg_set_bytes(&c->chain[i], der.data, der.size) == 0);
		c->chain_count = i + 1;
	}
}

static void list(struct evil *evil)
{
	const struct card *card = &evil->card;
	struct mtls_msg end = { .type = MTLS_MSG_SIGNER_END };
	bool there = card->appears > 0 && ++evil->lists >= card->appears;

	for (unsigned int i = 0; there && i <= card->more_count; i++) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg =
			mtls_msg_new(MTLS_MSG_SIGNER_CREDENTIAL);
		require(msg != NULL);
		fill(evil, i == 0 ? card->label : card->more[i - 1], &msg->u.signer_credential);
		msg->u.signer_credential.id = i + 1;
		send_msg(msg);
	}
	if (!there && *card->absent)
		end.u.signer_end.reason = (enum mtls_reason)mtls_reason_from_token(card->absent);
	send_msg(&end);
}

static enum mtls_reason judge(struct card *card, const struct mtls_bytes *secret)
{
	bool pad = mtls_streq(card->secret, "pin-pad");
	if (!*card->pin ||
	    (secret->len == strlen(card->pin) && memcmp(secret->data, card->pin, secret->len) == 0))
		return MTLS_REASON_ALLOWED;
	/* What is typed on the keypad is not seen here: with a PIN to compare it is the wrong one.
	 */
	if (secret->len == 0 && !pad)
		return MTLS_REASON_SECRET_EMPTY;
	if (card->tries != MTLS_TRIES_UNKNOWN && card->tries > 0)
		card->tries--;
	return *card->secret ? MTLS_REASON_PIN_WRONG : MTLS_REASON_SECRET_WRONG;
}

static void unlock(struct evil *evil, const struct mtls_signer_unlock *request)
{
	struct mtls_msg msg = { .type = MTLS_MSG_SIGNER_UNLOCKED };
	struct mtls_signer_unlocked *u = &msg.u.signer_unlocked;
	bool pad = mtls_streq(evil->card.secret, "pin-pad");

	u->reason = judge(&evil->card, &request->secret);
	if (u->reason == MTLS_REASON_ALLOWED && !is(evil, "no-presence"))
		u->presence = pad ? MTLS_PRESENCE_PIN_PAD : MTLS_PRESENCE_SECRET;
	u->tries_left = evil->card.tries;
	send_msg(&msg);
}

/* Until somebody touches the key. */
static void wait_for_touch(const char *fifo)
{
	char byte;
	if (!*fifo)
		return;
	_cleanup_fclose_ FILE *file = fopen(fifo, "re");
	require(file && fread(&byte, 1, 1, file) == 1);
}

static void sign(const struct evil *evil, const struct mtls_signer_sign *request)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_SIGNER_SIGNATURE);
	const gnutls_datum_t content = { request->content.data,
					 (unsigned int)request->content.len };
	gnutls_datum_t signature;

	wait_for_touch(evil->card.touch);
	require(gnutls_privkey_sign_data2(evil->key, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, 0,
					  &content, &signature) >= 0 &&
		mtls_msg_set_bytes(&msg->u.signer_signature.signature, signature.data,
				   signature.size) == 0);
	send_msg(msg);
}

static void answer(struct evil *evil, const struct mtls_msg *request)
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
		unlock(evil, &request->u.signer_unlock);
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
