/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Revocation lists. Read by our own DER reader: GnuTLS keeps a tree of every entry (88 MB for
 * 100,000) and walks it for each question. Constant after creation, but for one remembered fact,
 * that a certain key did sign the list; that is set once, atomically. Any thread.
 */
#include <config.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "lib/cert/cert_impl.h"
#include "lib/cert/der.h"
#include "lib/verify/crl.h"

#define TAG_UTC_TIME         0x17
#define TAG_GENERALIZED_TIME 0x18
#define SERIAL_OCTETS        20
#define OID_TEXT_MAX         64
#define NO_TIME              INT64_MAX

/* Fixed size, so that one comparison of bytes orders them. Longer serials cannot be ours. */
struct serial {
	uint8_t len;
	uint8_t octets[SERIAL_OCTETS];
};

enum { SIGNER_NONE, SIGNER_WRITING, SIGNER_KNOWN };

struct mtls_crl {
	uint8_t *der; /* owned; the slices below point into it */
	struct mtls_der tbs, issuer, signature;
	gnutls_sign_algorithm_t algorithm;
	int64_t this_update, next_update; /* seconds since 1970; next NO_TIME: absent */
	struct serial *serials;           /* owned; sorted */
	size_t count, room;
	const char *unusable; /* static text: why, or NULL */
	atomic_int signer_state;
	uint8_t signer[32]; /* SHA-256 of the public key that made the signature */
};

void mtls_crl_free(struct mtls_crl *crl)
{
	if (!crl)
		return;
	free(crl->der);
	free(crl->serials);
	free(crl);
}

void mtls_crl_times(const struct mtls_crl *crl, int64_t *ret_this, int64_t *ret_next)
{
	*ret_this = crl->this_update;
	*ret_next = crl->next_update == NO_TIME ? -1 : crl->next_update;
}

static int read_algorithm(struct mtls_crl *crl, const struct mtls_der_element *identifier)
{
	static const gnutls_sign_algorithm_t allowed[] = {
		GNUTLS_SIGN_RSA_SHA256,    GNUTLS_SIGN_RSA_SHA384,   GNUTLS_SIGN_RSA_SHA512,
		GNUTLS_SIGN_ECDSA_SHA256,  GNUTLS_SIGN_ECDSA_SHA384, GNUTLS_SIGN_ECDSA_SHA512,
		GNUTLS_SIGN_EDDSA_ED25519,
	};
	struct mtls_der body = identifier->body;
	struct mtls_der_element oid;
	char text[OID_TEXT_MAX];

	if (mtls_der_expect(&body, MTLS_DER_OID, &oid) < 0)
		return MTLS_E_SYNTAX;
	crl->unusable = "it is signed with an algorithm that is not accepted";
	if (mtls_der_oid_text(&oid.body, text, sizeof(text)) < 0)
		return 0;
	const gnutls_sign_algorithm_t algorithm = gnutls_oid_to_sign(text);
	for (size_t i = 0; i < MTLS_COUNT(allowed); i++) {
		if (allowed[i] != algorithm)
			continue;
		crl->algorithm = algorithm;
		crl->unusable = NULL;
	}
	return 0;
}

static int digits(const uint8_t *text, size_t len)
{
	int value = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t days_since_epoch(int year, int month, int day)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	const int64_t y = year - 1;
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return y * 365 + y / 4 - y / 100 + y / 400 - 719162 + before[month - 1] +
	       (leap && month > 2) + day - 1;
}

/* UTCTime YYMMDDHHMMSSZ (1950-2049) or GeneralizedTime YYYYMMDDHHMMSSZ. */
static int read_time(const struct mtls_der_element *element, int64_t *ret)
{
	const size_t year_len = element->tag == TAG_UTC_TIME ? 2 : 4;
	const uint8_t *text = element->body.data;

	if (element->tag != TAG_UTC_TIME && element->tag != TAG_GENERALIZED_TIME)
		return MTLS_E_SYNTAX;
	if (element->body.len != year_len + 11 || text[year_len + 10] != 'Z')
		return MTLS_E_SYNTAX;
	int year = digits(text, year_len);
	if (year >= 0 && year_len == 2)
		year += year < 50 ? 2000 : 1900;
	const int month = digits(text + year_len, 2), day = digits(text + year_len + 2, 2);
	const int hour = digits(text + year_len + 4, 2), minute = digits(text + year_len + 6, 2);
	const int second = digits(text + year_len + 8, 2);
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 ||
	    minute < 0 || minute > 59 || second < 0 || second > 59)
		return MTLS_E_SYNTAX;
	*ret = days_since_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return 0;
}

static int compare_serials(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct serial));
}

static bool make_serial(struct mtls_der octets, struct serial *ret)
{
	while (octets.len > 1 && octets.data[0] == 0) {
		octets.data++;
		octets.len--;
	}
	if (octets.len == 0 || octets.len > SERIAL_OCTETS)
		return false;
	*ret = (struct serial){ .len = (uint8_t)octets.len };
	memcpy(ret->octets, octets.data, octets.len);
	return true;
}

static int add_serial(struct mtls_crl *crl, struct mtls_der octets)
{
	struct serial serial;

	/* No certificate that the policy accepts has such a number: negative, or too long. */
	if ((octets.len && octets.data[0] & 0x80) || !make_serial(octets, &serial))
		return 0;
	if (crl->count == crl->room) {
		const size_t room = crl->room ? crl->room * 2 : 64;
		struct serial *grown = reallocarray(crl->serials, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		crl->serials = grown;
		crl->room = room;
	}
	crl->serials[crl->count++] = serial;
	return 0;
}

/* id-ce extensions of the list itself that we may read past. */
static bool list_extension_known(const struct mtls_der *oid)
{
	return mtls_der_equal(oid, "\x55\x1d\x23", 3) || /* authorityKeyIdentifier */
	       mtls_der_equal(oid, "\x55\x1d\x14", 3);   /* cRLNumber */
}

/* These change the meaning of the list, whether or not they are marked critical. */
static bool list_extension_fatal(const struct mtls_der *oid)
{
	return mtls_der_equal(oid, "\x55\x1d\x1b", 3) || /* deltaCRLIndicator */
	       mtls_der_equal(oid, "\x55\x1d\x1c", 3);   /* issuingDistributionPoint */
}

static bool entry_extension_known(const struct mtls_der *oid)
{
	(void)oid;
	return false; /* none may be critical but certificateIssuer, which we do not implement */
}

static bool entry_extension_fatal(const struct mtls_der *oid)
{
	return mtls_der_equal(oid, "\x55\x1d\x1d", 3); /* certificateIssuer */
}

static int read_extension(struct mtls_crl *crl, struct mtls_der body,
			  bool (*known)(const struct mtls_der *oid),
			  bool (*fatal)(const struct mtls_der *oid))
{
	struct mtls_der_element oid, element;
	bool critical = false;

	if (mtls_der_expect(&body, MTLS_DER_OID, &oid) < 0)
		return MTLS_E_SYNTAX;
	if (mtls_der_peek(&body) == MTLS_DER_BOOLEAN) {
		if (mtls_der_next(&body, &element) < 0 || element.body.len != 1)
			return MTLS_E_SYNTAX;
		critical = element.body.data[0] != 0;
	}
	if (mtls_der_expect(&body, MTLS_DER_OCTET_STRING, &element) < 0 || body.len)
		return MTLS_E_SYNTAX;
	if (fatal(&oid.body) || (critical && !known(&oid.body)))
		crl->unusable = "it has an extension that is not implemented";
	return 0;
}

static int read_extensions(struct mtls_crl *crl, struct mtls_der in,
			   bool (*known)(const struct mtls_der *oid),
			   bool (*fatal)(const struct mtls_der *oid))
{
	struct mtls_der_element list, extension;

	if (mtls_der_expect(&in, MTLS_DER_SEQUENCE, &list) < 0 || in.len)
		return MTLS_E_SYNTAX;
	while (list.body.len) {
		if (mtls_der_expect(&list.body, MTLS_DER_SEQUENCE, &extension) < 0 ||
		    read_extension(crl, extension.body, known, fatal) < 0)
			return MTLS_E_SYNTAX;
	}
	return 0;
}

static int read_entries(struct mtls_crl *crl, struct mtls_der in)
{
	struct mtls_der_element entry, serial, date;
	int64_t unused;

	while (in.len) {
		if (mtls_der_expect(&in, MTLS_DER_SEQUENCE, &entry) < 0 ||
		    mtls_der_expect(&entry.body, MTLS_DER_INTEGER, &serial) < 0 ||
		    mtls_der_next(&entry.body, &date) < 0 || read_time(&date, &unused) < 0)
			return MTLS_E_SYNTAX;
		if (entry.body.len && read_extensions(crl, entry.body, entry_extension_known,
						      entry_extension_fatal) < 0)
			return MTLS_E_SYNTAX;
		int err = add_serial(crl, serial.body);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Behind the times: the entries and the extensions, both optional. */
static int read_tail(struct mtls_crl *crl, struct mtls_der *tbs)
{
	struct mtls_der_element element;
	int err = 0;

	if (mtls_der_peek(tbs) == MTLS_DER_SEQUENCE) {
		err = mtls_der_next(tbs, &element);
		if (err == 0)
			err = read_entries(crl, element.body);
	}
	if (err == 0 && mtls_der_peek(tbs) == MTLS_DER_CONTEXT_CONSTRUCTED(0)) {
		err = mtls_der_next(tbs, &element);
		if (err == 0)
			err = read_extensions(crl, element.body, list_extension_known,
					      list_extension_fatal);
	}
	if (err == 0 && tbs->len)
		err = MTLS_E_SYNTAX;
	return err;
}

static int read_tbs(struct mtls_crl *crl, struct mtls_der tbs,
		    const struct mtls_der_element *outer_algorithm)
{
	struct mtls_der_element element, issuer, algorithm;

	if (mtls_der_peek(&tbs) == MTLS_DER_INTEGER && mtls_der_next(&tbs, &element) < 0)
		return MTLS_E_SYNTAX;
	if (mtls_der_expect(&tbs, MTLS_DER_SEQUENCE, &algorithm) < 0 ||
	    !mtls_der_equal(&algorithm.whole, outer_algorithm->whole.data,
			    outer_algorithm->whole.len) ||
	    read_algorithm(crl, &algorithm) < 0 ||
	    mtls_der_expect(&tbs, MTLS_DER_SEQUENCE, &issuer) < 0 ||
	    mtls_der_next(&tbs, &element) < 0 || read_time(&element, &crl->this_update) < 0)
		return MTLS_E_SYNTAX;
	crl->issuer = issuer.whole;
	crl->next_update = NO_TIME;
	const uint8_t tag = mtls_der_peek(&tbs);
	if (tag == TAG_UTC_TIME || tag == TAG_GENERALIZED_TIME) {
		if (mtls_der_next(&tbs, &element) < 0 || read_time(&element, &crl->next_update) < 0)
			return MTLS_E_SYNTAX;
	} else {
		crl->unusable = "it does not say when the next one is due";
	}
	return read_tail(crl, &tbs);
}

static int read_crl(struct mtls_crl *crl, size_t len)
{
	struct mtls_der in = { .data = crl->der, .len = len };
	struct mtls_der_element whole, tbs, algorithm, signature;

	if (mtls_der_expect(&in, MTLS_DER_SEQUENCE, &whole) < 0 || in.len ||
	    mtls_der_expect(&whole.body, MTLS_DER_SEQUENCE, &tbs) < 0 ||
	    mtls_der_expect(&whole.body, MTLS_DER_SEQUENCE, &algorithm) < 0 ||
	    mtls_der_expect(&whole.body, MTLS_DER_BIT_STRING, &signature) < 0 || whole.body.len ||
	    signature.body.len < 2 || signature.body.data[0] != 0)
		return MTLS_E_SYNTAX;
	crl->tbs = tbs.whole;
	crl->signature =
		(struct mtls_der){ .data = signature.body.data + 1, .len = signature.body.len - 1 };
	int err = read_tbs(crl, tbs.body, &algorithm);
	if (err == 0 && crl->count)
		qsort(crl->serials, crl->count, sizeof(crl->serials[0]), compare_serials);
	return err;
}

int mtls_crl_from_der(const uint8_t *der, size_t len, struct mtls_crl **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_crl_freep) struct mtls_crl *crl = NULL;

	if (len == 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "an empty CRL");
	if (len > MTLS_CRL_BYTES_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "a CRL of %zu bytes", len);
	crl = calloc(1, sizeof(*crl));
	if (!crl)
		return -ENOMEM;
	crl->der = malloc(len);
	if (!crl->der)
		return -ENOMEM;
	memcpy(crl->der, der, len);
	int err = read_crl(crl, len);
	if (err < 0)
		return mtls_diag_set(diag, err, "not the DER of a CRL");
	*ret = MTLS_TAKE(crl);
	return 0;
}

bool mtls_crl_names(const struct mtls_crl *crl, const struct mtls_cert *issuer)
{
	size_t len;
	const uint8_t *subject = mtls_cert_raw_subject(issuer, &len);
	return mtls_der_equal(&crl->issuer, subject, len);
}

static gnutls_datum_t datum(const struct mtls_der *der)
{
	union {
		const uint8_t *in;
		unsigned char *out;
	} data = { .in = der->data };
	return (gnutls_datum_t){ .data = data.out, .size = (unsigned int)der->len };
}

static bool verify_signature(const struct mtls_crl *crl, const struct mtls_cert *issuer)
{
	const gnutls_datum_t tbs = datum(&crl->tbs), signature = datum(&crl->signature);
	const gnutls_datum_t spki = datum(&issuer->spki);
	gnutls_pubkey_t key;

	if (gnutls_pubkey_init(&key) < 0)
		return false;
	const bool valid =
		gnutls_pubkey_import(key, &spki, GNUTLS_X509_FMT_DER) >= 0 &&
		gnutls_pubkey_verify_data2(key, crl->algorithm, 0, &tbs, &signature) >= 0;
	gnutls_pubkey_deinit(key);
	return valid;
}

/* A list of 100,000 entries takes 10 ms to hash: each key is asked once. */
bool mtls_crl_genuine(struct mtls_crl *crl, const struct mtls_cert *issuer)
{
	const uint8_t *key = mtls_cert_spki_sha256(issuer);
	int none = SIGNER_NONE;

	if (atomic_load_explicit(&crl->signer_state, memory_order_acquire) == SIGNER_KNOWN &&
	    memcmp(crl->signer, key, sizeof(crl->signer)) == 0)
		return true;
	if (!verify_signature(crl, issuer))
		return false;
	if (atomic_compare_exchange_strong(&crl->signer_state, &none, SIGNER_WRITING)) {
		memcpy(crl->signer, key, sizeof(crl->signer));
		atomic_store_explicit(&crl->signer_state, SIGNER_KNOWN, memory_order_release);
	}
	return true;
}

enum mtls_crl_state mtls_crl_judge(struct mtls_crl *crl, const struct mtls_cert *issuer,
				   int64_t now, const char **ret_why)
{
	const unsigned int flags = mtls_cert_flags(issuer);

	*ret_why = crl->unusable;
	if (crl->unusable)
		return MTLS_CRL_STATE_UNUSABLE;
	*ret_why = "its issuer's keyUsage lacks cRLSign";
	if ((flags & MTLS_CERT_HAS_KU) && !(flags & MTLS_CERT_KU_CRL_SIGN))
		return MTLS_CRL_STATE_UNUSABLE;
	*ret_why = "it is not valid yet";
	if (crl->this_update > now)
		return MTLS_CRL_STATE_UNUSABLE;
	*ret_why = "its signature is wrong";
	if (!mtls_crl_genuine(crl, issuer))
		return MTLS_CRL_STATE_UNUSABLE;
	*ret_why = "it has expired";
	if (crl->next_update < now)
		return MTLS_CRL_STATE_EXPIRED;
	*ret_why = "";
	return MTLS_CRL_STATE_CURRENT;
}

bool mtls_crl_lists(const struct mtls_crl *crl, const struct mtls_cert *cert)
{
	struct mtls_der octets;
	struct serial serial;

	octets.data = mtls_cert_serial(cert, &octets.len);
	if (!make_serial(octets, &serial) || crl->count == 0)
		return false;
	return bsearch(&serial, crl->serials, crl->count, sizeof(serial), compare_serials) != NULL;
}
