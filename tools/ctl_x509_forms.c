/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Other forms of keys and certificates: PKCS#12 files, certificate requests. Holds no state. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <gnutls/pkcs12.h>

#include "tools/ctl_x509.h"

#define KEY_ID_MAX 64

static int failed(int rc, const char *step, struct mtls_diag *diag)
{
	return mtls_diag_set(diag, MTLS_E_CRYPTO, "cannot %s: %s", step, gnutls_strerror(rc));
}

/* --- PKCS#12 --- */

static void bag_deinitp(gnutls_pkcs12_bag_t *bag)
{
	if (*bag)
		gnutls_pkcs12_bag_deinit(*bag);
}

static void p12_deinitp(gnutls_pkcs12_t *p12)
{
	if (*p12)
		gnutls_pkcs12_deinit(*p12);
}

/* What ties key and certificate together in the eyes of other programs. */
static int mark(gnutls_pkcs12_bag_t bag, int index, gnutls_x509_crt_t crt, const char *name)
{
	unsigned char id[KEY_ID_MAX];
	size_t len = sizeof(id);

	int rc = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &len);
	if (rc >= 0) {
		const gnutls_datum_t key_id = { id, (unsigned int)len };
		rc = gnutls_pkcs12_bag_set_key_id(bag, (unsigned int)index, &key_id);
	}
	return rc < 0 ? rc : gnutls_pkcs12_bag_set_friendly_name(bag, (unsigned int)index, name);
}

static int add_key(gnutls_pkcs12_t p12, const struct ctl_pair *pair, const char *name,
		   const char *passphrase)
{
	_cleanup_(bag_deinitp) gnutls_pkcs12_bag_t bag = NULL;
	gnutls_datum_t pkcs8 = { NULL, 0 };

	int rc = gnutls_pkcs12_bag_init(&bag);
	if (rc >= 0)
		rc = gnutls_x509_privkey_export2_pkcs8(pair->key, GNUTLS_X509_FMT_DER, passphrase,
						       GNUTLS_PKCS_PBES2_AES_256, &pkcs8);
	if (rc >= 0)
		rc = gnutls_pkcs12_bag_set_data(bag, GNUTLS_BAG_PKCS8_ENCRYPTED_KEY, &pkcs8);
	gnutls_free(pkcs8.data);
	if (rc >= 0)
		rc = mark(bag, rc, pair->crt, name);
	return rc < 0 ? rc : gnutls_pkcs12_set_bag(p12, bag);
}

static int add_certs(gnutls_pkcs12_t p12, const struct ctl_pair *pair, gnutls_x509_crt_t issuer,
		     const char *name, const char *passphrase)
{
	_cleanup_(bag_deinitp) gnutls_pkcs12_bag_t bag = NULL;

	int rc = gnutls_pkcs12_bag_init(&bag);
	if (rc >= 0)
		rc = gnutls_pkcs12_bag_set_crt(bag, pair->crt);
	if (rc >= 0)
		rc = mark(bag, rc, pair->crt, name);
	if (rc >= 0 && issuer)
		rc = gnutls_pkcs12_bag_set_crt(bag, issuer);
	if (rc >= 0)
		rc = gnutls_pkcs12_bag_encrypt(bag, passphrase, GNUTLS_PKCS_PBES2_AES_256);
	return rc < 0 ? rc : gnutls_pkcs12_set_bag(p12, bag);
}

int ctl_pkcs12(const struct ctl_pair *pair, gnutls_x509_crt_t issuer, const char *name,
	       const char *passphrase, struct mtls_buf *out, struct mtls_diag *diag)
{
	_cleanup_(p12_deinitp) gnutls_pkcs12_t p12 = NULL;
	gnutls_datum_t der = { NULL, 0 };

	int rc = gnutls_pkcs12_init(&p12);
	if (rc >= 0)
		rc = add_certs(p12, pair, issuer, name, passphrase);
	if (rc >= 0)
		rc = add_key(p12, pair, name, passphrase);
	if (rc >= 0)
		rc = gnutls_pkcs12_generate_mac2(p12, GNUTLS_MAC_SHA256, passphrase);
	if (rc >= 0)
		rc = gnutls_pkcs12_export2(p12, GNUTLS_X509_FMT_DER, &der);
	return rc < 0 ? failed(rc, "write the PKCS#12 file", diag)
		      : ctl_take_datum(&der, out, diag);
}

/* --- requests --- */

static void crq_deinitp(gnutls_x509_crq_t *crq)
{
	if (*crq)
		gnutls_x509_crq_deinit(*crq);
}

int ctl_request_make(gnutls_x509_privkey_t key, const char *common_name,
		     const char *const *dns_names, struct mtls_buf *out, struct mtls_diag *diag)
{
	_cleanup_(crq_deinitp) gnutls_x509_crq_t crq = NULL;
	gnutls_datum_t der = { NULL, 0 };

	int rc = gnutls_x509_crq_init(&crq);
	if (rc >= 0)
		rc = gnutls_x509_crq_set_version(crq, 1);
	if (rc >= 0)
		rc = gnutls_x509_crq_set_dn_by_oid(crq, GNUTLS_OID_X520_COMMON_NAME, 0, common_name,
						   (unsigned int)strlen(common_name));
	for (; rc >= 0 && dns_names && *dns_names; dns_names++)
		rc = gnutls_x509_crq_set_subject_alt_name(crq, GNUTLS_SAN_DNSNAME, *dns_names,
							  (unsigned int)strlen(*dns_names),
							  GNUTLS_FSAN_APPEND);
	if (rc >= 0)
		rc = gnutls_x509_crq_set_key(crq, key);
	if (rc >= 0)
		rc = gnutls_x509_crq_sign2(crq, key, GNUTLS_DIG_SHA256, 0);
	if (rc >= 0)
		rc = gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_DER, &der);
	return rc < 0 ? failed(rc, "make a request with the key", diag)
		      : ctl_take_datum(&der, out, diag);
}

int ctl_request_read(const uint8_t *data, size_t len, gnutls_x509_crq_t *ret,
		     struct mtls_diag *diag)
{
	_cleanup_(crq_deinitp) gnutls_x509_crq_t crq = NULL;
	const gnutls_datum_t text = { (unsigned char *)(uintptr_t)data, (unsigned int)len };

	if (gnutls_x509_crq_init(&crq) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int rc = gnutls_x509_crq_import(crq, &text, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		rc = gnutls_x509_crq_import(crq, &text, GNUTLS_X509_FMT_DER);
	if (rc < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "it is no certificate request: %s",
				     gnutls_strerror(rc));
	rc = gnutls_x509_crq_verify(crq, 0);
	if (rc < 0)
		return mtls_diag_set(diag, MTLS_E_CRYPTO,
				     "the request is not signed by the key that it is for: %s",
				     gnutls_strerror(rc));
	*ret = MTLS_TAKE(crq);
	return 0;
}

/* Nothing else of a request is taken over. */
int ctl_public_key_of(gnutls_x509_crq_t request, gnutls_pubkey_t *ret, struct mtls_diag *diag)
{
	gnutls_pubkey_t key = NULL;

	int rc = gnutls_pubkey_init(&key);
	if (rc >= 0)
		rc = gnutls_pubkey_import_x509_crq(key, request, 0);
	if (rc >= 0) {
		*ret = key;
		return 0;
	}
	if (key)
		gnutls_pubkey_deinit(key);
	return mtls_diag_set(diag, MTLS_E_CRYPTO, "the key of the request: %s",
			     gnutls_strerror(rc));
}

int ctl_public_key_read(const uint8_t *spki, size_t len, gnutls_pubkey_t *ret,
			struct mtls_diag *diag)
{
	const gnutls_datum_t der = { (unsigned char *)(uintptr_t)spki, (unsigned int)len };
	gnutls_pubkey_t key = NULL;

	int rc = gnutls_pubkey_init(&key);
	if (rc >= 0)
		rc = gnutls_pubkey_import(key, &der, GNUTLS_X509_FMT_DER);
	if (rc >= 0) {
		*ret = key;
		return 0;
	}
	if (key)
		gnutls_pubkey_deinit(key);
	return mtls_diag_set(diag, MTLS_E_CRYPTO, "the public key cannot be read: %s",
			     gnutls_strerror(rc));
}
