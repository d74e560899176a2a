/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates and revocation lists made anew from what they were. Holds no state. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "tools/ctl_x509.h"

#define NUMBER_MAX 20 /* octets of a CRL's number */

static int failed(int rc, const char *step, struct mtls_diag *diag)
{
	return mtls_diag_set(diag, MTLS_E_CRYPTO, "cannot %s: %s", step, gnutls_strerror(rc));
}

static void crt_deinitp(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

static void crl_deinitp(gnutls_x509_crl_t *crl)
{
	if (*crl)
		gnutls_x509_crl_deinit(*crl);
}

bool ctl_is_due(time_t start, time_t end, time_t now)
{
	return end <= start || now >= start + (end - start) / 3 * 2;
}

/* Its signature, whatever its times are. */
static bool signed_by(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
	unsigned int status = GNUTLS_CERT_INVALID;

	return gnutls_x509_crt_check_issuer(crt, issuer) &&
	       gnutls_x509_crt_verify(crt, &issuer, 1,
				      GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
					      GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS,
				      &status) >= 0 &&
	       status == 0;
}

static int copy_crt(gnutls_x509_crt_t old, gnutls_x509_crt_t *ret)
{
	gnutls_datum_t der = { NULL, 0 };

	int rc = gnutls_x509_crt_export2(old, GNUTLS_X509_FMT_DER, &der);
	if (rc >= 0)
		rc = gnutls_x509_crt_init(ret);
	if (rc >= 0)
		rc = gnutls_x509_crt_import(*ret, &der, GNUTLS_X509_FMT_DER);
	gnutls_free(der.data);
	return rc;
}

int ctl_crt_again(gnutls_x509_crt_t old, const struct ctl_pair *issuer, time_t not_before,
		  time_t not_after, gnutls_x509_crt_t *ret, struct mtls_diag *diag)
{
	_cleanup_(crt_deinitp) gnutls_x509_crt_t crt = NULL;
	time_t last = gnutls_x509_crt_get_expiration_time(issuer->crt);

	if (!signed_by(old, issuer->crt))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED, "this CA has not signed it");
	if (last <= not_before)
		return mtls_diag_set(diag, MTLS_E_CERT, "the CA itself has expired");
	int rc = copy_crt(old, &crt);
	if (rc >= 0)
		rc = ctl_crt_set_serial(crt);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_activation_time(crt, not_before);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_expiration_time(crt, not_after < last ? not_after : last);
	if (rc >= 0)
		rc = gnutls_x509_crt_sign2(crt, issuer->crt, issuer->key, GNUTLS_DIG_SHA256, 0);
	if (rc < 0)
		return failed(rc, "make the certificate anew", diag);
	*ret = MTLS_TAKE(crt);
	return 0;
}

/* One more than the old one's: octets of a positive INTEGER. */
static int next_number(gnutls_x509_crl_t old, unsigned char number[NUMBER_MAX + 2], size_t *len)
{
	unsigned char was[NUMBER_MAX + 1] = { 0 }; /* a zero before it, for a carry and the sign */
	size_t size = NUMBER_MAX, first = 0;

	if (gnutls_x509_crl_get_number(old, was + 1, &size, NULL) < 0)
		size = 0; /* an older list may have none, or it is too long */
	for (size_t i = size + 1; i-- > 0;)
		if (++was[i])
			break;
	while (first < size && !was[first] && !(was[first + 1] & 0x80))
		first++;
	*len = size + 1 - first;
	memcpy(number, was + first, *len);
	return number[0] & 0x80 ? MTLS_E_LIMIT : 0;
}

static int copy_crl(gnutls_x509_crl_t old, gnutls_x509_crl_t *ret)
{
	gnutls_datum_t der = { NULL, 0 };

	int rc = gnutls_x509_crl_export2(old, GNUTLS_X509_FMT_DER, &der);
	if (rc >= 0)
		rc = gnutls_x509_crl_init(ret);
	if (rc >= 0)
		rc = gnutls_x509_crl_import(*ret, &der, GNUTLS_X509_FMT_DER);
	gnutls_free(der.data);
	return rc;
}

int ctl_crl_again(gnutls_x509_crl_t old, const struct ctl_pair *issuer, time_t now,
		  struct mtls_buf *out, time_t *ret_end, struct mtls_diag *diag)
{
	_cleanup_(crl_deinitp) gnutls_x509_crl_t crl = NULL;
	unsigned char number[NUMBER_MAX + 2];
	gnutls_datum_t pem = { NULL, 0 };
	size_t len;
	unsigned int status = GNUTLS_CERT_INVALID;
	time_t end = gnutls_x509_crt_get_expiration_time(issuer->crt);
	time_t life = gnutls_x509_crl_get_next_update(old) - gnutls_x509_crl_get_this_update(old);

	if (gnutls_x509_crl_verify(old, &issuer->crt, 1,
				   GNUTLS_VERIFY_DISABLE_TIME_CHECKS |
					   GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS,
				   &status) < 0 ||
	    status & ~(unsigned int)(GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED |
				     GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED, "this CA has not signed it");
	if (life <= 0 || next_number(old, number, &len) < 0)
		return mtls_diag_set(diag, MTLS_E_LIMIT,
				     "its times or its number have no successor");
	end = now + life < end ? now + life : end;
	int rc = copy_crl(old, &crl);
	if (rc >= 0)
		rc = gnutls_x509_crl_set_this_update(crl, now);
	if (rc >= 0)
		rc = gnutls_x509_crl_set_next_update(crl, end);
	if (rc >= 0)
		rc = gnutls_x509_crl_set_number(crl, number, len);
	if (rc >= 0)
		rc = gnutls_x509_crl_sign2(crl, issuer->crt, issuer->key, GNUTLS_DIG_SHA256, 0);
	if (rc >= 0)
		rc = gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem);
	if (rc < 0)
		return failed(rc, "make the list anew", diag);
	int r = mtls_buf_append(out, pem.data, pem.size);
	gnutls_free(pem.data);
	*ret_end = end;
	return r < 0 ? mtls_diag_set(diag, r, "%s", mtls_strerror(r)) : 0;
}
