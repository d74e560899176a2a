/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two forms have in common: which certificate is the key's, the order of the chain, and
 * what a person is shown about it.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "signer/intake_parts.h"
#include "signer/pem.h"

#define TEXT_MAX 256 /* bytes of label and issuer on the wire */

void parts_done(struct parts *parts)
{
	for (size_t i = 0; i < parts->cert_count; i++)
		gnutls_x509_crt_deinit(parts->certs[i]);
	if (parts->key)
		gnutls_x509_privkey_deinit(parts->key);
	*parts = (struct parts){ .cert_count = 0 };
}

int parts_error(int code, struct mtls_diag *diag, const char *what)
{
	static const struct {
		int gnutls, ours;
	} rows[] = {
		{ GNUTLS_E_MEMORY_ERROR, -ENOMEM },
		{ GNUTLS_E_UNKNOWN_CIPHER_TYPE, MTLS_E_UNSUPPORTED },
		{ GNUTLS_E_UNKNOWN_HASH_ALGORITHM, MTLS_E_UNSUPPORTED },
		{ GNUTLS_E_UNKNOWN_PK_ALGORITHM, MTLS_E_UNSUPPORTED },
		{ GNUTLS_E_UNKNOWN_ALGORITHM, MTLS_E_UNSUPPORTED },
		{ GNUTLS_E_ECC_UNSUPPORTED_CURVE, MTLS_E_UNSUPPORTED },
		{ GNUTLS_E_UNIMPLEMENTED_FEATURE, MTLS_E_UNSUPPORTED },
	};
	int err = MTLS_E_SYNTAX;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].gnutls == code)
			err = rows[i].ours;
	return mtls_diag_set(diag, err, "%s cannot be read: %s", what, gnutls_strerror(code));
}

static int import_cert(const gnutls_datum_t *der, gnutls_x509_crt_t *ret, struct mtls_diag *diag)
{
	gnutls_x509_crt_t cert = NULL;
	int r = gnutls_x509_crt_init(&cert);
	if (r < 0)
		return parts_error(r, diag, "a certificate");
	r = gnutls_x509_crt_import(cert, der, GNUTLS_X509_FMT_DER);
	if (r < 0) {
		gnutls_x509_crt_deinit(cert);
		return parts_error(r, diag, "a certificate");
	}
	*ret = cert;
	return 0;
}

int parts_add_cert(struct parts *parts, const gnutls_datum_t *der, struct mtls_diag *diag)
{
	if (parts->cert_count >= PARTS_CERTS_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "it holds more than %d certificates",
				     PARTS_CERTS_MAX);
	int r = import_cert(der, &parts->certs[parts->cert_count], diag);
	if (r >= 0)
		parts->cert_count++;
	return r;
}

/* So that damage is told from a wrong passphrase before one is asked for. */
static int check_encryption(const gnutls_datum_t *data, gnutls_x509_crt_fmt_t format,
			    uint32_t iterations_max, struct mtls_diag *diag)
{
	unsigned int schema = 0, cipher = 0, iterations = 0;
	uint8_t salt[64];
	unsigned int salt_size = sizeof(salt);

	int r = gnutls_pkcs8_info(data, format, &schema, &cipher, salt, &salt_size, &iterations,
				  NULL);
	if (r < 0)
		return parts_error(r, diag, "the encrypted private key");
	if (iterations > iterations_max)
		return mtls_diag_set(diag, MTLS_E_LIMIT,
				     "%u iterations of the key derivation, at most %u", iterations,
				     (unsigned int)iterations_max);
	return 0;
}

int parts_encrypted_pkcs8(const gnutls_datum_t *data, gnutls_x509_crt_fmt_t format,
			  const char *secret, uint32_t iterations_max, gnutls_x509_privkey_t *ret,
			  struct mtls_diag *diag)
{
	int r = check_encryption(data, format, iterations_max, diag);
	if (r < 0)
		return r;
	if (!secret)
		return MTLS_E_NEEDSECRET;
	gnutls_x509_privkey_t key = NULL;
	r = gnutls_x509_privkey_init(&key);
	if (r < 0)
		return parts_error(r, diag, "the private key");
	r = gnutls_x509_privkey_import_pkcs8(key, data, format, secret, 0);
	if (r < 0) {
		/* The outer form was sound; a wrong key of the cipher shows in many ways. */
		gnutls_x509_privkey_deinit(key);
		return mtls_diag_set(diag, MTLS_E_SECRET, "wrong passphrase (%s)",
				     gnutls_strerror(r));
	}
	*ret = key;
	return 0;
}

/* @len bytes from a certificate as text for a prompt: valid UTF-8, no controls, bounded. */
static char *display_text(const char *text, size_t len)
{
	size_t n = len < TEXT_MAX ? len : TEXT_MAX;

	while (n > 0 && n < len && ((uint8_t)text[n] & 0xc0) == 0x80)
		n--;
	char *out = malloc(n + 1);
	if (!out)
		return NULL;
	memcpy(out, text, n);
	out[n] = '\0';
	bool plain = !mtls_utf8_valid((uint8_t *)out, n);
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)out[i] < 0x20 || out[i] == 0x7f)
			out[i] = '?';
	plain = plain || mtls_has_control((uint8_t *)out, n);
	for (size_t i = 0; i < n && plain; i++)
		if ((uint8_t)out[i] >= 0x80)
			out[i] = '?';
	return out;
}

/* The CN, else the whole DN; of subject or issuer. NULL when memory is short. */
typedef int cn_reader(gnutls_x509_crt_t cert, const char *oid, unsigned int index, unsigned int raw,
		      void *buf, size_t *size);
typedef int dn_reader(gnutls_x509_crt_t cert, gnutls_datum_t *dn, unsigned int flags);

static char *name_of(gnutls_x509_crt_t cert, cn_reader *read_cn, dn_reader *read_dn)
{
	char cn[1024];
	size_t size = sizeof(cn);
	if (read_cn(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, cn, &size) >= 0 && size > 0)
		return display_text(cn, size);
	gnutls_datum_t dn = { NULL, 0 };
	if (read_dn(cert, &dn, 0) < 0)
		return display_text("", 0);
	char *text = display_text((const char *)dn.data, dn.size);
	gnutls_free(dn.data);
	return text;
}

/* 0 if it is none of ours. */
static enum mtls_key_type type_of(gnutls_x509_crt_t cert)
{
	static const struct {
		gnutls_ecc_curve_t curve;
		enum mtls_key_type type;
	} curves[] = {
		{ GNUTLS_ECC_CURVE_SECP256R1, MTLS_KEY_TYPE_ECDSA_P256 },
		{ GNUTLS_ECC_CURVE_SECP384R1, MTLS_KEY_TYPE_ECDSA_P384 },
		{ GNUTLS_ECC_CURVE_SECP521R1, MTLS_KEY_TYPE_ECDSA_P521 },
	};
	unsigned int bits = 0;
	int algorithm = gnutls_x509_crt_get_pk_algorithm(cert, &bits);
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;

	if (algorithm == GNUTLS_PK_RSA)
		return MTLS_KEY_TYPE_RSA;
	if (algorithm == GNUTLS_PK_EDDSA_ED25519)
		return MTLS_KEY_TYPE_ED25519;
	if (algorithm != GNUTLS_PK_ECDSA ||
	    gnutls_x509_crt_get_pk_ecc_raw(cert, &curve, NULL, NULL) < 0)
		return 0;
	for (size_t i = 0; i < MTLS_COUNT(curves); i++)
		if (curves[i].curve == curve)
			return curves[i].type;
	return 0;
}

static bool cert_key_id(gnutls_x509_crt_t cert, uint8_t *out)
{
	size_t size = INTAKE_KEY_ID_LEN;

	return gnutls_x509_crt_get_key_id(cert, GNUTLS_KEYID_USE_SHA256, out, &size) >= 0 &&
	       size == INTAKE_KEY_ID_LEN;
}

static bool valid_at(gnutls_x509_crt_t cert, int64_t now)
{
	return gnutls_x509_crt_get_activation_time(cert) <= now &&
	       gnutls_x509_crt_get_expiration_time(cert) >= now;
}

static bool cert_better(gnutls_x509_crt_t a, gnutls_x509_crt_t b, int64_t now)
{
	bool a_valid = valid_at(a, now), b_valid = valid_at(b, now);

	if (a_valid != b_valid)
		return a_valid;
	if (a_valid)
		return gnutls_x509_crt_get_activation_time(a) >
		       gnutls_x509_crt_get_activation_time(b);
	return gnutls_x509_crt_get_expiration_time(a) > gnutls_x509_crt_get_expiration_time(b);
}

/* Of the key; of the first certificate while the key is locked. False: of neither. */
static bool find_key_id(const struct parts *parts, uint8_t *out)
{
	size_t size = INTAKE_KEY_ID_LEN;

	if (parts->key)
		return gnutls_x509_privkey_get_key_id(parts->key, GNUTLS_KEYID_USE_SHA256, out,
						      &size) >= 0 &&
		       size == INTAKE_KEY_ID_LEN;
	return parts->cert_count && cert_key_id(parts->certs[0], out);
}

/* The key's certificate, the best of several. NULL: none is the key's. */
static gnutls_x509_crt_t find_leaf(const struct parts *parts, int64_t now)
{
	uint8_t wanted[INTAKE_KEY_ID_LEN], id[INTAKE_KEY_ID_LEN];
	gnutls_x509_crt_t best = NULL;

	if (!find_key_id(parts, wanted))
		return NULL;
	for (size_t i = 0; i < parts->cert_count; i++)
		if (cert_key_id(parts->certs[i], id) && memcmp(id, wanted, sizeof(id)) == 0 &&
		    (!best || cert_better(parts->certs[i], best, now)))
			best = parts->certs[i];
	return best;
}

/* Who issued @cert; NULL if it is not there or is @cert itself: a root need not be sent. */
static gnutls_x509_crt_t find_issuer(const struct parts *parts, gnutls_x509_crt_t cert)
{
	for (size_t i = 0; i < parts->cert_count; i++)
		if (parts->certs[i] != cert &&
		    gnutls_x509_crt_check_issuer(cert, parts->certs[i]) &&
		    !gnutls_x509_crt_check_issuer(parts->certs[i], parts->certs[i]))
			return parts->certs[i];
	return NULL;
}

static int add_to_chain(struct intake *intake, gnutls_x509_crt_t cert, size_t *total,
			struct mtls_diag *diag)
{
	gnutls_datum_t der = { NULL, 0 };
	int r = gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_DER, &der);
	if (r < 0)
		return parts_error(r, diag, "a certificate");
	*total += der.size;
	if (intake->chain_count >= MTLS_CHAIN_MAX || der.size > MTLS_CERT_MAX ||
	    *total > MTLS_CHAIN_BYTES_MAX)
		r = mtls_diag_set(diag, MTLS_E_LIMIT,
				  "the chain is over the limits: %d certificates, %d bytes each, "
				  "%d in all",
				  MTLS_CHAIN_MAX, MTLS_CERT_MAX, MTLS_CHAIN_BYTES_MAX);
	else
		r = mtls_msg_set_bytes(&intake->chain[intake->chain_count], der.data, der.size);
	if (r >= 0)
		intake->chain_count++;
	gnutls_free(der.data);
	return r;
}

static int take_chain(struct intake *intake, const struct parts *parts, int64_t now,
		      struct mtls_diag *diag)
{
	gnutls_x509_crt_t leaf = find_leaf(parts, now);
	size_t total = 0;

	if (!leaf)
		return mtls_diag_set(diag, MTLS_E_CERT,
				     "none of its certificates belongs to the private key");
	intake->key_type = type_of(leaf);
	if (!intake->key_type)
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "the key's type is not supported: use P-256, P-384, P-521, "
				     "Ed25519 or RSA");
	intake->subject = name_of(leaf, gnutls_x509_crt_get_dn_by_oid, gnutls_x509_crt_get_dn3);
	intake->issuer =
		name_of(leaf, gnutls_x509_crt_get_issuer_dn_by_oid, gnutls_x509_crt_get_issuer_dn3);
	if (!intake->subject || !intake->issuer)
		return -ENOMEM;
	intake->not_after = gnutls_x509_crt_get_expiration_time(leaf);
	/* Each certificate has one place in the chain, so a loop of issuers ends too. */
	int r = 0;
	for (size_t i = 0; leaf && i < parts->cert_count && r >= 0; i++) {
		r = add_to_chain(intake, leaf, &total, diag);
		leaf = find_issuer(parts, leaf);
	}
	return r;
}

static int take_key(struct intake *intake, struct parts *parts, struct mtls_diag *diag)
{
	int r = gnutls_privkey_init(&intake->key);
	if (r >= 0)
		r = gnutls_privkey_import_x509(intake->key, parts->key,
					       GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE);
	if (r < 0)
		return parts_error(r, diag, "the private key");
	parts->key = NULL;
	return 0;
}

/*
 * What lies beside the key, as soon as it is known which key it is. It is somebody else's file: one
 * that GnuTLS does not take is as if it were not there.
 */
static int add_beside(const struct intake_input *input, struct parts *parts)
{
	const struct leaf *certs[PARTS_BESIDE_MAX];
	uint8_t key_id[INTAKE_KEY_ID_LEN];

	if (!input->beside || !find_key_id(parts, key_id))
		return 0;
	size_t count =
		input->beside(input->beside_ctx, key_id, input->now, certs, MTLS_COUNT(certs));
	for (size_t i = 0; i < count; i++) {
		const gnutls_datum_t der = { certs[i]->der, (unsigned int)certs[i]->der_len };
		int r = import_cert(&der, &parts->certs[parts->cert_count], NULL);
		if (r == -ENOMEM)
			return r;
		if (r >= 0)
			parts->cert_count++;
	}
	return 0;
}

static int assemble(const struct intake_input *input, struct parts *parts, struct intake **ret,
		    struct mtls_diag *diag)
{
	if (!parts->key && !parts->locked)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "no private key in it");
	if (!parts->cert_count && parts->locked && input->beside_any)
		parts->hidden = true;
	int r = add_beside(input, parts);
	if (r < 0)
		return r;
	if (!parts->cert_count && !parts->hidden)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "no certificate in it%s",
				     input->beside ? ", and none for its key beside it" : "");
	_cleanup_(intake_freep) struct intake *intake = calloc(1, sizeof(*intake));
	if (!intake)
		return -ENOMEM;
	intake->locked = parts->locked;
	intake->by_secret = parts->by_secret;
	r = parts->hidden ? 0 : take_chain(intake, parts, input->now, diag);
	if (r >= 0 && parts->key)
		r = take_key(intake, parts, diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(intake);
	return 0;
}

static bool is_der_cert(const uint8_t *data, size_t len)
{
	const gnutls_datum_t datum = { (unsigned char *)(uintptr_t)data, (unsigned int)len };
	gnutls_x509_crt_t cert = NULL;

	if (gnutls_x509_crt_init(&cert) < 0)
		return false;
	bool is = gnutls_x509_crt_import(cert, &datum, GNUTLS_X509_FMT_DER) >= 0;
	gnutls_x509_crt_deinit(cert);
	return is;
}

bool intake_lacks_key(const uint8_t *data, size_t len)
{
	return pem_is(data, len) ? leaf_is_public(data, len) : is_der_cert(data, len);
}

bool intake_is_secret(const uint8_t *data, size_t len)
{
	return !intake_lacks_key(data, len);
}

static int read_parts(const struct intake_input *input, const char *secret, struct parts *parts,
		      struct mtls_diag *diag)
{
	const gnutls_datum_t datum = { (unsigned char *)(uintptr_t)input->data,
				       (unsigned int)input->len };
	int r;

	if (pem_is(input->data, input->len))
		r = parts_from_pem(input->data, input->len, secret, input->iterations_max, parts,
				   diag);
	else if (is_der_cert(input->data, input->len))
		r = parts_add_cert(parts, &datum, diag);
	else
		return parts_from_pkcs12(input->data, input->len, secret, input->iterations_max,
					 parts, diag);
	if (r >= 0 && input->key_data && !parts->key_count)
		r = parts_from_pem(input->key_data, input->key_len, secret, input->iterations_max,
				   parts, diag);
	return r;
}

int intake_read(const struct intake_input *input, const char *secret, struct intake **ret,
		struct mtls_diag *diag)
{
	_cleanup_(parts_done) struct parts parts = { .cert_count = 0 };

	if (input->len > INTAKE_FILE_MAX || input->key_len > INTAKE_FILE_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "it is longer than %d bytes",
				     INTAKE_FILE_MAX);
	/* For GnuTLS an empty secret is a passphrase of its own. */
	if (secret && !*secret)
		return mtls_diag_set(diag, MTLS_E_SECRET, "an empty passphrase");
	int r = read_parts(input, secret, &parts, diag);
	return r < 0 ? r : assemble(input, &parts, ret, diag);
}

void intake_free(struct intake *intake)
{
	if (!intake)
		return;
	if (intake->key)
		gnutls_privkey_deinit(intake->key);
	for (size_t i = 0; i < intake->chain_count; i++)
		free(intake->chain[i].data);
	free(intake->subject);
	free(intake->issuer);
	free(intake);
}
