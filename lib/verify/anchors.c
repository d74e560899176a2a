/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The trusted CAs, by name and role. Built at start from files that somebody else has read, then
 * constant. Each anchor has a trust list of its own: with two anchors of one name in one list
 * GnuTLS tries only one of them.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/cert/cert_impl.h"
#include "lib/verify/verify_impl.h"

int mtls_anchors_new(struct mtls_anchors **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void free_ca(struct mtls_verify_ca *ca)
{
	for (size_t i = 0; i < ca->crl_count; i++)
		mtls_crl_free(ca->crls[i]);
	free(ca->name);
	free(ca);
}

void mtls_anchors_free(struct mtls_anchors *anchors)
{
	if (!anchors)
		return;
	for (size_t i = 0; i < anchors->anchor_count; i++) {
		/* 0: the certificate is not the list's. */
		gnutls_x509_trust_list_deinit(anchors->anchors[i].list, 0);
		mtls_cert_free(anchors->anchors[i].cert);
	}
	for (size_t i = 0; i < anchors->ca_count; i++)
		free_ca(anchors->cas[i]);
	free(anchors);
}

static struct mtls_verify_ca *find_ca(const struct mtls_anchors *anchors, const char *name)
{
	for (size_t i = 0; i < anchors->ca_count; i++)
		if (mtls_streq(anchors->cas[i]->name, name))
			return anchors->cas[i];
	return NULL;
}

const struct mtls_verify_ca *mtls_anchors_find_ca(const struct mtls_anchors *anchors,
						  const char *name)
{
	return find_ca(anchors, name);
}

/* The CA of that name and role, made if there is none. */
static int get_ca(struct mtls_anchors *anchors, enum mtls_role role, const char *name,
		  struct mtls_verify_ca **ret, struct mtls_diag *diag)
{
	struct mtls_verify_ca *ca = find_ca(anchors, name);

	if (ca && ca->role != role)
		return mtls_diag_set(diag, MTLS_E_EXISTS, "CA '%s' has the other role", name);
	if (!ca) {
		if (anchors->ca_count == MTLS_CAS_MAX)
			return mtls_diag_set(diag, MTLS_E_LIMIT, "more than %d CAs", MTLS_CAS_MAX);
		ca = calloc(1, sizeof(*ca));
		if (!ca)
			return -ENOMEM;
		ca->role = role;
		ca->name = strdup(name);
		if (!ca->name) {
			free(ca);
			return -ENOMEM;
		}
		anchors->cas[anchors->ca_count++] = ca;
	}
	*ret = ca;
	return 0;
}

/* An anchor that could never end a path, or would weaken all of them, is a mistake to be told. */
static const char *anchor_fault(const struct mtls_cert *cert)
{
	const unsigned int flags = mtls_cert_flags(cert);

	if (flags & MTLS_CERT_NOT_V3 || !(flags & MTLS_CERT_IS_CA))
		return "it is not a CA (basicConstraints)";
	if (flags & MTLS_CERT_HAS_KU && !(flags & MTLS_CERT_KU_CERT_SIGN))
		return "its keyUsage lacks keyCertSign";
	if (mtls_cert_algorithm(cert) == MTLS_CERT_ALG_OTHER)
		return "its key is of a type that is not accepted";
	if (mtls_cert_algorithm(cert) == MTLS_CERT_ALG_RSA &&
	    mtls_cert_key_bits(cert) < MTLS_RSA_BITS_FLOOR)
		return "its key is too short";
	if (flags & MTLS_CERT_BAD_IDENTITY || !*mtls_cert_subject(cert))
		return "its name is malformed or empty";
	if (flags & (MTLS_CERT_UNKNOWN_CRITICAL | MTLS_CERT_HAS_NAME_CONSTRAINTS))
		return "it has a critical extension that is not implemented, or name constraints";
	return NULL;
}

/* The same CA: the same key under the same name, even if the certificate was made anew. */
static bool same_authority(const struct mtls_cert *a, const struct mtls_cert *b)
{
	size_t a_len, b_len;
	const uint8_t *a_name = mtls_cert_raw_subject(a, &a_len);
	const uint8_t *b_name = mtls_cert_raw_subject(b, &b_len);

	return a_len == b_len && memcmp(a_name, b_name, a_len) == 0 &&
	       memcmp(mtls_cert_spki_sha256(a), mtls_cert_spki_sha256(b), 32) == 0;
}

static int append_anchor(struct mtls_anchors *anchors, const struct mtls_verify_ca *ca,
			 struct mtls_cert *cert)
{
	gnutls_x509_trust_list_t list;
	gnutls_x509_crt_t crt = mtls_cert_crt(cert);

	if (anchors->anchor_count == MTLS_ANCHORS_MAX)
		return MTLS_E_LIMIT;
	if (gnutls_x509_trust_list_init(&list, 1) < 0)
		return -ENOMEM;
	if (gnutls_x509_trust_list_add_cas(list, &crt, 1, 0) != 1) {
		gnutls_x509_trust_list_deinit(list, 0);
		return MTLS_E_CERT;
	}
	anchors->anchors[anchors->anchor_count++] =
		(struct mtls_verify_anchor){ .cert = cert, .list = list, .ca = ca };
	return 0;
}

static int add_anchor(struct mtls_anchors *anchors, const struct mtls_verify_ca *ca,
		      const gnutls_datum_t *der, struct mtls_diag *diag)
{
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;

	int err = mtls_cert_from_der(der->data, der->size, &cert, diag);
	if (err < 0)
		return err;
	const char *fault = anchor_fault(cert);
	if (fault)
		return mtls_diag_set(diag, MTLS_E_CERT, "'%s' cannot be an anchor: %s",
				     mtls_cert_subject(cert), fault);
	for (size_t i = 0; i < anchors->anchor_count; i++) {
		const struct mtls_verify_anchor *other = &anchors->anchors[i];
		if (!same_authority(other->cert, cert))
			continue;
		if (other->ca != ca)
			return mtls_diag_set(diag, MTLS_E_EXISTS, "'%s' is in CA '%s' already",
					     mtls_cert_subject(cert), other->ca->name);
		if (mtls_verify_same(other->cert, cert))
			return 0; /* listed twice */
	}
	err = append_anchor(anchors, ca, cert);
	if (err < 0)
		return mtls_diag_set(diag, err, "'%s' cannot be added", mtls_cert_subject(cert));
	(void)MTLS_TAKE(cert);
	return 0;
}

static int add_list(struct mtls_anchors *anchors, const struct mtls_verify_ca *ca,
		    const gnutls_x509_crt_t *crts, unsigned int count, struct mtls_diag *diag)
{
	for (unsigned int i = 0; i < count; i++) {
		gnutls_datum_t der = { 0 };
		if (gnutls_x509_crt_export2(crts[i], GNUTLS_X509_FMT_DER, &der) < 0)
			return -ENOMEM;
		int err = add_anchor(anchors, ca, &der, diag);
		gnutls_free(der.data);
		if (err < 0)
			return err;
	}
	return (int)count;
}

static gnutls_datum_t datum(const uint8_t *data, size_t len)
{
	union {
		const uint8_t *in;
		unsigned char *out;
	} bytes = { .in = data };
	return (gnutls_datum_t){ .data = bytes.out, .size = (unsigned int)len };
}

int mtls_anchors_add_pem(struct mtls_anchors *anchors, enum mtls_role role, const char *ca_name,
			 const uint8_t *pem, size_t len, struct mtls_diag *diag)
{
	const gnutls_datum_t source = datum(pem, len);
	gnutls_x509_crt_t *crts = NULL;
	struct mtls_verify_ca *ca;
	unsigned int count = 0;

	if (len == 0 || len > INT_MAX)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no certificate in it");
	int rc = gnutls_x509_crt_list_import2(&crts, &count, &source, GNUTLS_X509_FMT_PEM, 0);
	if (rc < 0 || count == 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "not PEM certificates: %s",
				     gnutls_strerror(rc));
	int err = get_ca(anchors, role, ca_name, &ca, diag);
	if (err == 0)
		err = add_list(anchors, ca, crts, count, diag);
	for (unsigned int i = 0; i < count; i++)
		gnutls_x509_crt_deinit(crts[i]);
	gnutls_free(crts);
	return err;
}

static int add_crl(struct mtls_verify_ca *ca, const uint8_t *der, size_t len,
		   struct mtls_diag *diag)
{
	if (ca->crl_count == MTLS_CRLS_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "more than %d CRLs", MTLS_CRLS_MAX);
	int err = mtls_crl_from_der(der, len, &ca->crls[ca->crl_count], diag);
	if (err == 0)
		ca->crl_count++;
	return err;
}

int mtls_anchors_add_crl(struct mtls_anchors *anchors, const char *ca_name, const uint8_t *data,
			 size_t len, struct mtls_diag *diag)
{
	static const char begin[] = "-----BEGIN X509 CRL";
	struct mtls_verify_ca *ca = find_ca(anchors, ca_name);

	if (!ca)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "no CA '%s'", ca_name);
	if (len == 0 || len > 2 * (size_t)MTLS_CRL_BYTES_MAX)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no CRL in it");
	const uint8_t *at = memmem(data, len, begin, sizeof(begin) - 1);
	if (!at)
		return add_crl(ca, data, len, diag);

	/* One or more in PEM. */
	int err = 0;
	while (err == 0 && at) {
		const size_t rest = len - (size_t)(at - data);
		const gnutls_datum_t pem = datum(at, rest);
		gnutls_datum_t der = { 0 };
		if (gnutls_pem_base64_decode2("X509 CRL", &pem, &der) < 0)
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "malformed PEM");
		err = add_crl(ca, der.data, der.size, diag);
		gnutls_free(der.data);
		at = memmem(at + 1, rest - 1, begin, sizeof(begin) - 1);
	}
	return err;
}

int mtls_anchors_crl_times(const struct mtls_anchors *anchors, const char *ca_name, size_t index,
			   int64_t *ret_this, int64_t *ret_next)
{
	const struct mtls_verify_ca *ca = mtls_anchors_find_ca(anchors, ca_name);

	if (!ca || index >= ca->crl_count)
		return MTLS_E_NOTFOUND;
	mtls_crl_times(ca->crls[index], ret_this, ret_next);
	return 0;
}

int mtls_anchors_set_crl_policy(struct mtls_anchors *anchors, const char *ca_name,
				enum mtls_verify_crl policy)
{
	struct mtls_verify_ca *ca = find_ca(anchors, ca_name);
	if (!ca)
		return MTLS_E_NOTFOUND;
	ca->crl_policy = policy;
	return 0;
}

const struct mtls_cert *mtls_anchors_cert(const struct mtls_anchors *anchors, size_t index,
					  enum mtls_role *ret_role)
{
	if (index >= anchors->anchor_count)
		return NULL;
	*ret_role = anchors->anchors[index].ca->role;
	return anchors->anchors[index].cert;
}

const uint8_t *mtls_anchors_der(const struct mtls_anchors *anchors, size_t index, size_t *ret_len)
{
	if (index >= anchors->anchor_count)
		return NULL;
	return mtls_cert_der(anchors->anchors[index].cert, ret_len);
}
