/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes keys and certificates with GnuTLS. Holds no state. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#include "tools/ctl_x509.h"

#define SERIAL_LEN 20
#define KEY_ID_MAX 64

static int failed(int rc, const char *step, struct mtls_diag *diag)
{
	return mtls_diag_set(diag, MTLS_E_CRYPTO, "cannot %s: %s", step, gnutls_strerror(rc));
}

void ctl_pair_done(struct ctl_pair *pair)
{
	if (pair->crt)
		gnutls_x509_crt_deinit(pair->crt);
	if (pair->key)
		gnutls_x509_privkey_deinit(pair->key);
	*pair = (struct ctl_pair){ 0 };
}

static int make_key(struct ctl_pair *pair)
{
	int rc = gnutls_x509_privkey_init(&pair->key);
	if (rc < 0)
		return rc;
	return gnutls_x509_privkey_generate(pair->key, GNUTLS_PK_ECDSA,
					    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
}

int ctl_crt_set_serial(gnutls_x509_crt_t crt)
{
	unsigned char serial[SERIAL_LEN];

	int rc = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	if (rc < 0)
		return rc;
	serial[0] = (unsigned char)((serial[0] & 0x3f) | 0x40);
	return gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
}

static int set_key_ids(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
	unsigned char id[KEY_ID_MAX];
	size_t len = sizeof(id);

	int rc = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &len);
	if (rc < 0)
		return rc;
	rc = gnutls_x509_crt_set_subject_key_id(crt, id, len);
	if (rc < 0)
		return rc;
	if (issuer) {
		len = sizeof(id);
		rc = gnutls_x509_crt_get_subject_key_id(issuer, id, &len, NULL);
		if (rc < 0)
			return rc;
	}
	return gnutls_x509_crt_set_authority_key_id(crt, id, len);
}

static int set_profile(gnutls_x509_crt_t crt, const struct ctl_certificate *what)
{
	if (what->profile == CTL_PROFILE_CA) {
		int rc = gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
		if (rc < 0)
			return rc;
		return gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN |
								  GNUTLS_KEY_CRL_SIGN);
	}
	bool server = what->profile == CTL_PROFILE_SERVER;
	int rc = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key_purpose_oid(
			crt, server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT, 0);
	if (rc >= 0 && server)
		rc = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, what->dns_name,
							  (unsigned int)strlen(what->dns_name),
							  GNUTLS_FSAN_SET);
	return rc;
}

static int set_times(gnutls_x509_crt_t crt, const struct ctl_certificate *what,
		     const struct ctl_pair *issuer)
{
	time_t end = what->not_after;

	if (issuer) {
		time_t last = gnutls_x509_crt_get_expiration_time(issuer->crt);
		if (last == (time_t)-1 || last <= what->not_before)
			return GNUTLS_E_EXPIRED;
		end = end < last ? end : last;
	}
	int rc = gnutls_x509_crt_set_activation_time(crt, what->not_before);
	return rc < 0 ? rc : gnutls_x509_crt_set_expiration_time(crt, end);
}

static int fill(struct ctl_pair *pair, const struct ctl_certificate *what,
		const struct ctl_pair *issuer, const char **ret_step)
{
	*ret_step = "make a key";
	int rc = what->key ? 0 : make_key(pair);
	if (rc < 0)
		return rc;
	*ret_step = "make a certificate";
	rc = gnutls_x509_crt_init(&pair->crt);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_version(pair->crt, 3);
	if (rc >= 0)
		rc = what->key ? gnutls_x509_crt_set_pubkey(pair->crt, what->key)
			       : gnutls_x509_crt_set_key(pair->crt, pair->key);
	if (rc >= 0)
		rc = ctl_crt_set_serial(pair->crt);
	if (rc < 0)
		return rc;
	*ret_step = "set the name in the certificate";
	rc = gnutls_x509_crt_set_dn_by_oid(pair->crt, GNUTLS_OID_X520_COMMON_NAME, 0,
					   what->common_name,
					   (unsigned int)strlen(what->common_name));
	if (rc < 0)
		return rc;
	*ret_step = "set the certificate's times";
	rc = set_times(pair->crt, what, issuer);
	if (rc < 0)
		return rc;
	*ret_step = "set the certificate's usage";
	rc = set_profile(pair->crt, what);
	if (rc >= 0)
		rc = set_key_ids(pair->crt, issuer ? issuer->crt : NULL);
	if (rc < 0)
		return rc;
	*ret_step = "sign the certificate";
	return gnutls_x509_crt_sign2(pair->crt, issuer ? issuer->crt : pair->crt,
				     issuer ? issuer->key : pair->key, GNUTLS_DIG_SHA256, 0);
}

int ctl_pair_make(const struct ctl_certificate *what, const struct ctl_pair *issuer,
		  struct ctl_pair *ret, struct mtls_diag *diag)
{
	_cleanup_(ctl_pair_done) struct ctl_pair pair = { 0 };
	const char *step = "";

	int rc = fill(&pair, what, issuer, &step);
	if (rc < 0)
		return failed(rc, step, diag);
	*ret = pair;
	pair = (struct ctl_pair){ 0 };
	return 0;
}

/* The key belongs to the certificate: both give one key identifier. */
static bool same_key(const struct ctl_pair *pair)
{
	unsigned char a[KEY_ID_MAX], b[KEY_ID_MAX];
	size_t a_len = sizeof(a), b_len = sizeof(b);

	return gnutls_x509_crt_get_key_id(pair->crt, GNUTLS_KEYID_USE_SHA256, a, &a_len) >= 0 &&
	       gnutls_x509_privkey_get_key_id(pair->key, GNUTLS_KEYID_USE_SHA256, b, &b_len) >= 0 &&
	       a_len == b_len && memcmp(a, b, a_len) == 0;
}

int ctl_pair_load(const struct mtls_buf *crt_pem, const struct mtls_buf *key_pem,
		  struct ctl_pair *ret, struct mtls_diag *diag)
{
	_cleanup_(ctl_pair_done) struct ctl_pair pair = { 0 };
	const gnutls_datum_t crt = { crt_pem->data, (unsigned int)crt_pem->len };
	const gnutls_datum_t key = { key_pem->data, (unsigned int)key_pem->len };

	if (gnutls_x509_crt_init(&pair.crt) < 0 || gnutls_x509_privkey_init(&pair.key) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int rc = gnutls_x509_crt_import(pair.crt, &crt, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the certificate cannot be read: %s",
				     gnutls_strerror(rc));
	rc = gnutls_x509_privkey_import2(pair.key, &key, GNUTLS_X509_FMT_PEM, NULL,
					 GNUTLS_PKCS_PLAIN);
	if (rc < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the private key cannot be read: %s",
				     gnutls_strerror(rc));
	if (!same_key(&pair))
		return mtls_diag_set(diag, MTLS_E_CRYPTO,
				     "the private key does not belong to the certificate");
	*ret = pair;
	pair = (struct ctl_pair){ 0 };
	return 0;
}

int ctl_take_datum(gnutls_datum_t *datum, struct mtls_buf *out, struct mtls_diag *diag)
{
	int r = mtls_buf_append(out, datum->data, datum->size);
	explicit_bzero(datum->data, datum->size);
	gnutls_free(datum->data);
	return r < 0 ? mtls_diag_set(diag, r, "%s", mtls_strerror(r)) : 0;
}

int ctl_pem_key(const struct ctl_pair *pair, const char *passphrase, struct mtls_buf *out,
		struct mtls_diag *diag)
{
	gnutls_datum_t pem = { 0 };
	unsigned int flags = passphrase ? GNUTLS_PKCS_PBES2_AES_256 : GNUTLS_PKCS_PLAIN;

	int rc = gnutls_x509_privkey_export2_pkcs8(pair->key, GNUTLS_X509_FMT_PEM, passphrase,
						   flags, &pem);
	return rc < 0 ? failed(rc, "write the private key", diag) : ctl_take_datum(&pem, out, diag);
}

int ctl_pem_crt(gnutls_x509_crt_t crt, struct mtls_buf *out, struct mtls_diag *diag)
{
	gnutls_datum_t pem = { 0 };

	int rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
	return rc < 0 ? failed(rc, "write the certificate", diag) : ctl_take_datum(&pem, out, diag);
}

static int fill_crl(gnutls_x509_crl_t crl, const struct ctl_pair *issuer, time_t now)
{
	static const unsigned char number[] = { 1 };
	unsigned char id[KEY_ID_MAX];
	size_t len = sizeof(id);
	time_t end = gnutls_x509_crt_get_expiration_time(issuer->crt);

	int rc = gnutls_x509_crl_set_version(crl, 2);
	if (rc >= 0)
		rc = gnutls_x509_crl_set_this_update(crl, now);
	if (rc >= 0)
		rc = gnutls_x509_crl_set_next_update(crl, end);
	if (rc >= 0)
		rc = gnutls_x509_crl_set_number(crl, number, sizeof(number));
	if (rc >= 0)
		rc = gnutls_x509_crt_get_subject_key_id(issuer->crt, id, &len, NULL);
	if (rc >= 0)
		rc = gnutls_x509_crl_set_authority_key_id(crl, id, len);
	if (rc >= 0)
		rc = gnutls_x509_crl_sign2(crl, issuer->crt, issuer->key, GNUTLS_DIG_SHA256, 0);
	return rc;
}

int ctl_pem_empty_crl(const struct ctl_pair *issuer, time_t now, struct mtls_buf *out,
		      struct mtls_diag *diag)
{
	gnutls_x509_crl_t crl;
	gnutls_datum_t pem = { 0 };

	int rc = gnutls_x509_crl_init(&crl);
	if (rc < 0)
		return failed(rc, "make a revocation list", diag);
	rc = fill_crl(crl, issuer, now);
	if (rc >= 0)
		rc = gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem);
	gnutls_x509_crl_deinit(crl);
	return rc < 0 ? failed(rc, "make a revocation list", diag)
		      : ctl_take_datum(&pem, out, diag);
}

bool ctl_crt_has_purpose(gnutls_x509_crt_t crt, const char *oid)
{
	for (unsigned int i = 0;; i++) {
		char found[128];
		size_t len = sizeof(found);
		int rc = gnutls_x509_crt_get_key_purpose_oid(crt, i, found, &len, NULL);
		if (rc < 0)
			return false;
		if (strcmp(found, oid) == 0)
			return true;
	}
}

bool ctl_crt_has_name(gnutls_x509_crt_t crt, const char *name)
{
	for (unsigned int i = 0;; i++) {
		char found[256];
		size_t len = sizeof(found);
		int rc = gnutls_x509_crt_get_subject_alt_name(crt, i, found, &len, NULL);
		if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return false;
		if (rc == GNUTLS_SAN_DNSNAME && len == strlen(name) &&
		    strncasecmp(found, name, len) == 0)
			return true;
	}
}
