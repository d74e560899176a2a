/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PEM: certificates and exactly one private key. The key's block is cut out and given to the one
 * GnuTLS function for its kind: the function that guesses would take a plain key where the label
 * promises an encrypted one, and a secret would seem to have proved something.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "signer/intake_parts.h"
#include "signer/pem.h"

static const char encrypted_header[] = "Proc-Type: 4,ENCRYPTED";

static bool contains(const uint8_t *data, size_t len, const char *text)
{
	return memmem(data, len, text, strlen(text)) != NULL;
}

/* The first private key; returns how many there are. */
static size_t find_key(const uint8_t *data, size_t len, struct pem_block *ret)
{
	struct pem_block block;
	size_t pos = 0, count = 0;

	while (pem_next(data, len, &pos, &block))
		if (pem_label_is_key(&block) && count++ == 0)
			*ret = block;
	return count;
}

/* How one kind of block is read. Codes as parts_encrypted_pkcs8(). */
struct key_input {
	gnutls_datum_t block;
	const char *secret;
	uint32_t iterations_max;
};
typedef int key_reader(const struct key_input *input, gnutls_x509_privkey_t *ret,
		       bool *ret_by_secret, struct mtls_diag *diag);

static void privkey_deinitp(gnutls_x509_privkey_t *key)
{
	if (*key)
		gnutls_x509_privkey_deinit(*key);
}

static int read_plain_pkcs8(const struct key_input *input, gnutls_x509_privkey_t *ret,
			    bool *ret_by_secret, struct mtls_diag *diag)
{
	_cleanup_(privkey_deinitp) gnutls_x509_privkey_t key = NULL;
	int r = gnutls_x509_privkey_init(&key);
	if (r >= 0)
		r = gnutls_x509_privkey_import_pkcs8(key, &input->block, GNUTLS_X509_FMT_PEM, NULL,
						     GNUTLS_PKCS_PLAIN);
	if (r < 0)
		return parts_error(r, diag, "the private key");
	*ret_by_secret = false;
	*ret = MTLS_TAKE(key);
	return 0;
}

static int read_encrypted_pkcs8(const struct key_input *input, gnutls_x509_privkey_t *ret,
				bool *ret_by_secret, struct mtls_diag *diag)
{
	int r = parts_encrypted_pkcs8(&input->block, GNUTLS_X509_FMT_PEM, input->secret,
				      input->iterations_max, ret, diag);
	*ret_by_secret = r >= 0;
	return r;
}

/* "RSA PRIVATE KEY" and the like: plain, or encrypted in OpenSSL's old manner. */
static int read_traditional(const struct key_input *input, gnutls_x509_privkey_t *ret,
			    bool *ret_by_secret, struct mtls_diag *diag)
{
	_cleanup_(privkey_deinitp) gnutls_x509_privkey_t key = NULL;
	bool encrypted = contains(input->block.data, input->block.size, encrypted_header);

	if (encrypted && !input->secret)
		return MTLS_E_NEEDSECRET;
	int r = gnutls_x509_privkey_init(&key);
	if (r < 0)
		return parts_error(r, diag, "the private key");
	if (encrypted)
		r = gnutls_x509_privkey_import_openssl(key, &input->block, input->secret);
	else
		r = gnutls_x509_privkey_import(key, &input->block, GNUTLS_X509_FMT_PEM);
	if (encrypted && r == GNUTLS_E_DECRYPTION_FAILED)
		return mtls_diag_set(diag, MTLS_E_SECRET, "wrong passphrase");
	if (r < 0)
		return parts_error(r, diag, "the private key");
	*ret_by_secret = encrypted;
	*ret = MTLS_TAKE(key);
	return 0;
}

static int read_openssh(const struct key_input *input, gnutls_x509_privkey_t *ret,
			bool *ret_by_secret, struct mtls_diag *diag)
{
	(void)input;
	(void)ret;
	(void)ret_by_secret;
	return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
			     "the private key is in OpenSSH's own form; convert a copy with "
			     "ssh-keygen -p -m PKCS8 -f COPY");
}

static const struct {
	const char *label;
	key_reader *read;
} readers[] = {
	{ "PRIVATE KEY", read_plain_pkcs8 },     { "ENCRYPTED PRIVATE KEY", read_encrypted_pkcs8 },
	{ "RSA PRIVATE KEY", read_traditional }, { "EC PRIVATE KEY", read_traditional },
	{ "OPENSSH PRIVATE KEY", read_openssh },
};

static key_reader *reader_for(const struct pem_block *found)
{
	for (size_t i = 0; i < MTLS_COUNT(readers); i++)
		if (pem_label_is(found, readers[i].label))
			return readers[i].read;
	return NULL;
}

static int read_key(const struct pem_block *found, const char *secret, uint32_t iterations_max,
		    struct parts *parts, struct mtls_diag *diag)
{
	const struct key_input input = {
		.block = { (unsigned char *)(uintptr_t)found->whole,
			   (unsigned int)found->whole_len },
		.secret = secret,
		.iterations_max = iterations_max,
	};
	key_reader *reader = reader_for(found);
	bool by_secret = false;

	if (!reader)
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED, "'%.*s' is not supported",
				     found->label_len > 60 ? 60 : (int)found->label_len,
				     found->label);
	int r = reader(&input, &parts->key, &by_secret, diag);
	if (r == MTLS_E_NEEDSECRET) {
		parts->locked = true;
		return 0;
	}
	if (r < 0)
		return r;
	parts->by_secret = by_secret;
	return 0;
}

static int certs_from_pem(const gnutls_datum_t *data, struct parts *parts, struct mtls_diag *diag)
{
	unsigned int count = PARTS_CERTS_MAX;
	static const char cert_mark[] = "-----BEGIN CERTIFICATE";
	static const char x509_mark[] = "-----BEGIN X509 CERTIFICATE";

	if (!contains(data->data, data->size, cert_mark) &&
	    !contains(data->data, data->size, x509_mark))
		return 0;
	int r = gnutls_x509_crt_list_import(parts->certs, &count, data, GNUTLS_X509_FMT_PEM,
					    GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
	if (r == GNUTLS_E_SHORT_MEMORY_BUFFER)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "it holds more than %d certificates",
				     PARTS_CERTS_MAX);
	if (r < 0)
		return parts_error(r, diag, "a certificate");
	parts->cert_count = count;
	return 0;
}

int parts_from_pem(const uint8_t *data, size_t len, const char *secret, uint32_t iterations_max,
		   struct parts *parts, struct mtls_diag *diag)
{
	struct pem_block found = { .label = NULL };
	const gnutls_datum_t datum = { (unsigned char *)(uintptr_t)data, (unsigned int)len };
	size_t count = find_key(data, len, &found);

	parts->key_count += count;
	int r = parts->cert_count ? 0 : certs_from_pem(&datum, parts, diag);
	if (r < 0 || !count)
		return r;
	if (count > 1)
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "it holds %zu private keys, expected one", count);
	return read_key(&found, secret, iterations_max, parts, diag);
}
