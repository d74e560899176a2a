/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policy for people's certificates, on the verified path: a table of checks, each with its
 * reason; the first that fails decides. What GnuTLS is lenient about is strict here: a CA as leaf,
 * a missing or general extendedKeyUsage, odd key sizes, malformed serials and names, revocation
 * lists that cannot be used. Pure: the time is a parameter.
 */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "lib/verify/verify_impl.h"

struct question {
	const struct mtls_anchors *anchors;
	const struct mtls_verify_bounds *bounds;
	const struct mtls_path *path;
	size_t anchor; /* its index in the path; NO_ANCHOR: a certificate without a path */
	int64_t now;
	struct mtls_diag *diag;
};

#define NO_ANCHOR SIZE_MAX

#define OK MTLS_REASON_ALLOWED

/* @reason, with a sentence that names the certificate at @index of the path. */
static enum mtls_reason refuse(const struct question *q, size_t index, enum mtls_reason reason,
			       const char *cause)
{
	static const char *const places[] = { "the certificate", "its issuer" };
	const struct mtls_cert *cert = q->path->certs[index];
	const char *place = index < MTLS_COUNT(places) ? places[index] : "a CA of its chain";

	(void)mtls_diag_set(q->diag, 0, "%s '%s': %s", place, mtls_cert_subject(cert), cause);
	return reason;
}

static unsigned int flags_of(const struct question *q, size_t index)
{
	return mtls_cert_flags(q->path->certs[index]);
}

static enum mtls_reason check_role(const struct question *q)
{
	if (q->path->role != MTLS_ROLE_USER)
		return refuse(q, 0, MTLS_REASON_CERT_ROLE, "it comes from a CA for hosts");
	return OK;
}

static const struct {
	unsigned int flag;
	const char *cause;
} shape_faults[] = {
	{ MTLS_CERT_NOT_V3, "it is not an X.509 v3 certificate" },
	{ MTLS_CERT_UNKNOWN_CRITICAL, "a critical extension is not implemented" },
	{ MTLS_CERT_HAS_NAME_CONSTRAINTS, "name constraints are not implemented" },
	{ MTLS_CERT_BAD_SERIAL, "its serial number is malformed" },
	{ MTLS_CERT_EMPTY_ISSUER, "it has no issuer's name" },
};

static enum mtls_reason check_shape(const struct question *q)
{
	for (size_t i = 0; i < q->path->count; i++) {
		for (size_t k = 0; k < MTLS_COUNT(shape_faults); k++) {
			/* The anchor's number is never looked up. */
			if (i == q->anchor && shape_faults[k].flag == MTLS_CERT_BAD_SERIAL)
				continue;
			if (flags_of(q, i) & shape_faults[k].flag)
				return refuse(q, i, MTLS_REASON_CERT_SHAPE, shape_faults[k].cause);
		}
		if (i > 0 && !(flags_of(q, i) & MTLS_CERT_IS_CA))
			return refuse(q, i, MTLS_REASON_CERT_SHAPE, "it is not a CA");
	}
	if (flags_of(q, 0) & MTLS_CERT_IS_CA)
		return refuse(q, 0, MTLS_REASON_CERT_SHAPE, "it is a CA");
	if (flags_of(q, 0) & MTLS_CERT_KU_CERT_SIGN)
		return refuse(q, 0, MTLS_REASON_CERT_SHAPE, "its keyUsage has keyCertSign");
	return OK;
}

static enum mtls_reason check_identity(const struct question *q)
{
	for (size_t i = 0; i < q->path->count; i++)
		if (flags_of(q, i) & MTLS_CERT_BAD_IDENTITY)
			return refuse(q, i, MTLS_REASON_CERT_IDENTITY, "a name in it is malformed");
	return OK;
}

static bool key_strong(const struct mtls_verify_bounds *bounds, const struct mtls_cert *cert)
{
	const unsigned int bits = mtls_cert_key_bits(cert);

	switch (mtls_cert_algorithm(cert)) {
	case MTLS_CERT_ALG_RSA:
		return bits >= MTLS_RSA_BITS_FLOOR && bits >= bounds->min_rsa_bits &&
		       bits <= bounds->max_rsa_bits && bits % 8 == 0;
	case MTLS_CERT_ALG_P256:
	case MTLS_CERT_ALG_P384:
	case MTLS_CERT_ALG_P521:
	case MTLS_CERT_ALG_ED25519:
		return true;
	default:
		return false;
	}
}

static enum mtls_reason check_strength(const struct question *q)
{
	for (size_t i = 0; i < q->path->count; i++) {
		if (!key_strong(q->bounds, q->path->certs[i]))
			return refuse(q, i, MTLS_REASON_CERT_WEAK,
				      "its key is too short or of a type that is not accepted");
		/* Nobody relies on the signature of an anchor. */
		if (i != q->anchor && flags_of(q, i) & MTLS_CERT_WEAK_SIGNATURE)
			return refuse(q, i, MTLS_REASON_CERT_WEAK,
				      "it is signed with an outdated algorithm");
	}
	return OK;
}

static enum mtls_reason check_depth(const struct question *q)
{
	if (q->path->count - 1 > q->bounds->max_depth)
		return refuse(q, 0, MTLS_REASON_CHAIN_DEPTH, "its chain is longer than max_depth");
	return OK;
}

static enum mtls_reason check_times(const struct question *q)
{
	for (size_t i = 0; i < q->path->count; i++) {
		if (q->now < mtls_cert_not_before(q->path->certs[i]))
			return refuse(q, i, MTLS_REASON_CERT_NOT_YET, "it is not valid yet");
		if (q->now > mtls_cert_not_after(q->path->certs[i]))
			return refuse(q, i, MTLS_REASON_CERT_EXPIRED, "it has expired");
	}
	return OK;
}

static enum mtls_reason check_key_usage(const struct question *q)
{
	if (flags_of(q, 0) & MTLS_CERT_HAS_KU && !(flags_of(q, 0) & MTLS_CERT_KU_SIGN))
		return refuse(q, 0, MTLS_REASON_KU_WRONG, "its keyUsage lacks digitalSignature");
	for (size_t i = 1; i < q->path->count; i++)
		if (flags_of(q, i) & MTLS_CERT_HAS_KU && !(flags_of(q, i) & MTLS_CERT_KU_CERT_SIGN))
			return refuse(q, i, MTLS_REASON_KU_WRONG, "its keyUsage lacks keyCertSign");
	return OK;
}

/* What the lists of @ca say about the certificate at @index, which the one behind it issued. */
static enum mtls_reason ask_crls(const struct question *q, const struct mtls_verify_ca *ca,
				 size_t index)
{
	const struct mtls_cert *cert = q->path->certs[index], *issuer = q->path->certs[index + 1];
	const char *why = "there is no CRL of its issuer";
	bool present = false, absolved = false, revoked_once = false, doubtful = false;

	for (size_t i = 0; i < ca->crl_count; i++) {
		const char *reason;
		if (!mtls_crl_names(ca->crls[i], issuer))
			continue;
		present = true;
		const enum mtls_crl_state state =
			mtls_crl_judge(ca->crls[i], issuer, q->now, &reason);
		const bool listed = mtls_crl_lists(ca->crls[i], cert);
		if (state == MTLS_CRL_STATE_CURRENT && listed)
			return refuse(q, index, MTLS_REASON_CERT_REVOKED, "it has been revoked");
		if (state == MTLS_CRL_STATE_CURRENT)
			absolved = true;
		else
			why = reason;
		if (state == MTLS_CRL_STATE_EXPIRED && listed)
			revoked_once = true;
		/* A delta, say, or a list of tomorrow: newer perhaps than the one that absolves. */
		if (state == MTLS_CRL_STATE_UNUSABLE && listed &&
		    mtls_crl_genuine(ca->crls[i], issuer))
			doubtful = true;
	}
	if (doubtful)
		return refuse(q, index, MTLS_REASON_CRL_UNUSABLE,
			      "a genuine CRL that cannot be used lists it");
	if (absolved)
		return OK;
	if (revoked_once)
		return refuse(q, index, MTLS_REASON_CERT_REVOKED,
			      "it has been revoked, says a CRL that has expired since");
	if (!present && ca->crl_policy == MTLS_VERIFY_CRL_IF_PRESENT)
		return OK;
	char cause[160];
	(void)snprintf(cause, sizeof(cause), "%s%s", present ? "the CRL of its issuer: " : "", why);
	return refuse(q, index, MTLS_REASON_CRL_UNUSABLE, cause);
}

static enum mtls_reason check_revocation(const struct question *q)
{
	const struct mtls_verify_ca *ca = mtls_anchors_find_ca(q->anchors, q->path->ca_name);

	if (!ca)
		return refuse(q, 0, MTLS_REASON_INTERNAL, "its CA is not configured");
	if (ca->crl_policy == MTLS_VERIFY_CRL_OFF)
		return OK;
	/* From the anchor down: a revoked CA makes what it says about others worthless. */
	for (size_t i = q->path->count - 1; i-- > 0;) {
		enum mtls_reason reason = ask_crls(q, ca, i);
		if (reason != OK)
			return reason;
	}
	return OK;
}

#define EKU_LOGIN (MTLS_CERT_EKU_CLIENT | MTLS_CERT_EKU_SMARTCARD)

/*
 * The leaf must say login in so many words; a CA may leave its purposes open. The last check, so
 * that every other fault of a certificate is told first.
 */
static enum mtls_reason check_purpose(const struct question *q)
{
	for (size_t i = 1; i < q->path->count; i++)
		if (flags_of(q, i) & MTLS_CERT_HAS_EKU &&
		    !(flags_of(q, i) & (EKU_LOGIN | MTLS_CERT_EKU_ANY)))
			return refuse(q, i, MTLS_REASON_EKU_WRONG,
				      "its extendedKeyUsage does not allow login");
	if (!(flags_of(q, 0) & MTLS_CERT_HAS_EKU))
		return refuse(q, 0, MTLS_REASON_EKU_MISSING, "it has no extendedKeyUsage");
	if (!(flags_of(q, 0) & EKU_LOGIN))
		return refuse(q, 0, MTLS_REASON_EKU_WRONG,
			      "its extendedKeyUsage has neither clientAuth nor smart-card logon");
	return OK;
}

static const struct check {
	const char *name;
	enum mtls_reason (*run)(const struct question *q);
	bool needs_path;
} checks[] = {
	{ "role", check_role, true },
	{ "shape", check_shape, false },
	{ "names", check_identity, false },
	{ "strength", check_strength, false },
	{ "depth", check_depth, true },
	{ "times", check_times, false },
	{ "key usage", check_key_usage, false },
	{ "revocation", check_revocation, true },
	{ "purpose", check_purpose, false },
};

enum mtls_reason mtls_verify_policy(const struct mtls_anchors *anchors,
				    const struct mtls_verify_bounds *bounds,
				    const struct mtls_path *path, int64_t now,
				    struct mtls_diag *diag)
{
	const struct question question = {
		.anchors = anchors,
		.bounds = bounds,
		.path = path,
		.anchor = path->count - 1,
		.now = now,
		.diag = diag,
	};

	if (path->count < 2 || path->count > MTLS_PATH_MAX)
		return MTLS_REASON_INTERNAL;
	for (size_t i = 0; i < MTLS_COUNT(checks); i++) {
		enum mtls_reason reason = checks[i].run(&question);
		if (reason != OK)
			return reason;
	}
	return MTLS_REASON_ALLOWED;
}

void mtls_verify_policy_watch(const struct mtls_anchors *anchors,
			      const struct mtls_verify_bounds *bounds, const struct mtls_path *path,
			      int64_t now, mtls_policy_observer *observer, void *ctx)
{
	for (size_t i = 0; i < MTLS_COUNT(checks); i++) {
		struct mtls_diag diag = { 0 };
		const struct question question = {
			.anchors = anchors,
			.bounds = bounds,
			.path = path,
			.anchor = path->count >= 2 ? path->count - 1 : NO_ANCHOR,
			.now = now,
			.diag = &diag,
		};
		if (checks[i].needs_path && question.anchor == NO_ANCHOR) {
			observer(ctx, checks[i].name, MTLS_REASON_INTERNAL, NULL);
			continue;
		}
		/* The sentence stands behind the verdict: arguments have no order. */
		const enum mtls_reason reason = checks[i].run(&question);
		observer(ctx, checks[i].name, reason, diag.text);
	}
}
