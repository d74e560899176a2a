/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PKCS#12: bags in safes, each plain or encrypted. Walked here and not by GnuTLS's one-call parser,
 * because it matters whether the *key* was encrypted: a file may have a passphrase on its integrity
 * check and the key in the clear beside it.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <gnutls/pkcs12.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "signer/intake_parts.h"

#define BAGS_MAX 32

struct walk {
	gnutls_pkcs12_t p12;
	const char *secret;
	uint32_t iterations_max;
	bool verified; /* the passphrase fits the integrity check: what fails later is damage */
	struct parts *parts;
};

static void p12_deinitp(gnutls_pkcs12_t *p12)
{
	if (*p12)
		gnutls_pkcs12_deinit(*p12);
}

static void bag_deinitp(gnutls_pkcs12_bag_t *bag)
{
	if (*bag)
		gnutls_pkcs12_bag_deinit(*bag);
}

static int check_iterations(unsigned int count, const struct walk *walk, struct mtls_diag *diag)
{
	if (count <= walk->iterations_max)
		return 0;
	return mtls_diag_set(diag, MTLS_E_LIMIT, "%u iterations of the key derivation, at most %u",
			     count, (unsigned int)walk->iterations_max);
}

/* 0, MTLS_E_SECRET, or damage. A file without an integrity check is decided by decryption. */
static int verify_mac(struct walk *walk, struct mtls_diag *diag)
{
	gnutls_mac_algorithm_t mac = GNUTLS_MAC_UNKNOWN;
	uint8_t salt[64];
	unsigned int salt_size = sizeof(salt), iterations = 0;
	char *oid = NULL; /* asked for because GnuTLS 3.7 leaks it otherwise */

	int r = gnutls_pkcs12_mac_info(walk->p12, &mac, salt, &salt_size, &iterations, &oid);
	gnutls_free(oid);
	if (r == GNUTLS_E_INVALID_REQUEST) /* there is none */
		return 0;
	if (r < 0)
		return parts_error(r, diag, "the integrity check");
	r = check_iterations(iterations, walk, diag);
	if (r < 0)
		return r;
	r = gnutls_pkcs12_verify_mac(walk->p12, walk->secret);
	if (r == GNUTLS_E_MAC_VERIFY_FAILED)
		return mtls_diag_set(diag, MTLS_E_SECRET, "wrong passphrase");
	if (r < 0)
		return parts_error(r, diag, "the integrity check");
	walk->verified = true;
	return 0;
}

static int decrypt_bag(const struct walk *walk, gnutls_pkcs12_bag_t bag, struct mtls_diag *diag)
{
	unsigned int schema = 0, cipher = 0, salt_size, iterations = 0;
	uint8_t salt[64];

	salt_size = sizeof(salt);
	int r = gnutls_pkcs12_bag_enc_info(bag, &schema, &cipher, salt, &salt_size, &iterations,
					   NULL);
	if (r < 0)
		return parts_error(r, diag, "an encrypted part");
	r = check_iterations(iterations, walk, diag);
	if (r < 0)
		return r;
	r = gnutls_pkcs12_bag_decrypt(bag, walk->secret);
	if (r < 0 && !walk->verified)
		return mtls_diag_set(diag, MTLS_E_SECRET, "wrong passphrase");
	return r < 0 ? parts_error(r, diag, "an encrypted part") : 0;
}

static int plain_key(const gnutls_datum_t *data, gnutls_x509_privkey_t *ret, struct mtls_diag *diag)
{
	gnutls_x509_privkey_t key = NULL;
	int r = gnutls_x509_privkey_init(&key);
	if (r < 0)
		return parts_error(r, diag, "the private key");
	r = gnutls_x509_privkey_import_pkcs8(key, data, GNUTLS_X509_FMT_DER, NULL,
					     GNUTLS_PKCS_PLAIN);
	if (r < 0) {
		gnutls_x509_privkey_deinit(key);
		return parts_error(r, diag, "the private key");
	}
	*ret = key;
	return 0;
}

static int take_key(const struct walk *walk, gnutls_pkcs12_bag_type_t type,
		    const gnutls_datum_t *data, bool from_encrypted, struct mtls_diag *diag)
{
	struct parts *parts = walk->parts;

	if (parts->key_count++ > 0)
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "it holds more than one private key");
	parts->by_secret = from_encrypted || type == GNUTLS_BAG_PKCS8_ENCRYPTED_KEY;
	if (type == GNUTLS_BAG_PKCS8_KEY)
		return plain_key(data, &parts->key, diag);
	int r = parts_encrypted_pkcs8(data, GNUTLS_X509_FMT_DER, walk->secret ? walk->secret : "",
				      walk->iterations_max, &parts->key, diag);
	if (r == MTLS_E_SECRET && walk->verified)
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "the private key does not open with the file's passphrase");
	return r;
}

static int take_bag(const struct walk *walk, gnutls_pkcs12_bag_t bag, struct mtls_diag *diag)
{
	bool encrypted = gnutls_pkcs12_bag_get_type(bag, 0) == GNUTLS_BAG_ENCRYPTED;
	int r = encrypted ? decrypt_bag(walk, bag, diag) : 0;
	int count = r < 0 ? 0 : gnutls_pkcs12_bag_get_count(bag);

	for (int i = 0; i < count && r >= 0; i++) {
		gnutls_datum_t data = { NULL, 0 };
		int type = gnutls_pkcs12_bag_get_type(bag, (unsigned int)i);
		if (type < 0 || gnutls_pkcs12_bag_get_data(bag, (unsigned int)i, &data) < 0)
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "a part cannot be read");
		if (type == GNUTLS_BAG_CERTIFICATE)
			r = parts_add_cert(walk->parts, &data, diag);
		else if (type == GNUTLS_BAG_PKCS8_KEY || type == GNUTLS_BAG_PKCS8_ENCRYPTED_KEY)
			r = take_key(walk, (gnutls_pkcs12_bag_type_t)type, &data, encrypted, diag);
	}
	return r;
}

static int walk_bags(struct walk *walk, struct mtls_diag *diag)
{
	for (int i = 0; i < BAGS_MAX; i++) {
		_cleanup_(bag_deinitp) gnutls_pkcs12_bag_t bag = NULL;
		int r = gnutls_pkcs12_bag_init(&bag);
		if (r >= 0)
			r = gnutls_pkcs12_get_bag(walk->p12, i, bag);
		if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return 0;
		if (r < 0)
			return parts_error(r, diag, "a part");
		r = take_bag(walk, bag, diag);
		if (r < 0)
			return r;
	}
	return mtls_diag_set(diag, MTLS_E_LIMIT, "it has more than %d parts", BAGS_MAX);
}

/* One passphrase, all or nothing. */
static int attempt(gnutls_pkcs12_t p12, const char *secret, uint32_t iterations_max,
		   struct parts *parts, struct mtls_diag *diag)
{
	struct walk walk = {
		.p12 = p12, .secret = secret, .iterations_max = iterations_max, .parts = parts
	};
	int r = verify_mac(&walk, diag);
	if (r >= 0)
		r = walk_bags(&walk, diag);
	if (r < 0)
		parts_done(parts);
	return r;
}

/* There are two spellings of "no passphrase" (RFC 7292 says neither). */
static int attempt_without(gnutls_pkcs12_t p12, uint32_t iterations_max, struct parts *parts,
			   struct mtls_diag *diag)
{
	int r = attempt(p12, "", iterations_max, parts, diag);
	if (r == MTLS_E_SECRET)
		r = attempt(p12, NULL, iterations_max, parts, diag);
	parts->by_secret = false;
	if (r != MTLS_E_SECRET)
		return r;
	parts->key_count = 1;
	parts->locked = true;
	parts->hidden = true;
	return 0;
}

int parts_from_pkcs12(const uint8_t *data, size_t len, const char *secret, uint32_t iterations_max,
		      struct parts *parts, struct mtls_diag *diag)
{
	_cleanup_(p12_deinitp) gnutls_pkcs12_t p12 = NULL;
	const gnutls_datum_t datum = { (unsigned char *)(uintptr_t)data, (unsigned int)len };
	int r = gnutls_pkcs12_init(&p12);
	if (r >= 0)
		r = gnutls_pkcs12_import(p12, &datum, GNUTLS_X509_FMT_DER, 0);
	if (r < 0)
		return parts_error(r, diag, "the PKCS#12 file");
	/* The forms of the passphrase that PKCS#12 uses are made from UTF-8. */
	if (secret && !mtls_utf8_valid((const uint8_t *)secret, strlen(secret)))
		return mtls_diag_set(diag, MTLS_E_SECRET, "the passphrase is not valid UTF-8");
	if (!secret)
		return attempt_without(p12, iterations_max, parts, diag);
	return attempt(p12, secret, iterations_max, parts, diag);
}
