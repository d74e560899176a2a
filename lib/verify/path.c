/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding a path: depth first from the leaf through the certificates sent, by names, to an anchor;
 * each candidate is then verified by GnuTLS against that anchor alone. The order in which they were
 * sent, duplicates and strangers do not matter. Work is bounded by steps and attempts, because the
 * sender chooses the names. Pure.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cert/cert_impl.h"
#include "lib/verify/verify_impl.h"
#include "lib/wire/msg.h"

#define STEPS_MAX    256 /* certificates tried as an issuer */
#define ATTEMPTS_MAX 16  /* candidates whose signatures are verified */

struct search {
	const struct mtls_anchors *anchors;
	struct mtls_cert *sent[MTLS_CHAIN_MAX]; /* owned */
	size_t sent_count;
	bool used[MTLS_CHAIN_MAX];
	size_t chain[MTLS_CHAIN_MAX]; /* indexes into sent, leaf first */
	size_t length;
	enum mtls_role role; /* looked for now */
	unsigned int steps, attempts;
};

struct found {
	size_t chain[MTLS_CHAIN_MAX];
	size_t length;
	const struct mtls_verify_anchor *anchor;
};

bool mtls_verify_names_chain(const struct mtls_cert *issued, const struct mtls_cert *subject)
{
	size_t issuer_len, subject_len;
	const uint8_t *issuer = mtls_cert_raw_issuer(issued, &issuer_len);
	const uint8_t *name = mtls_cert_raw_subject(subject, &subject_len);

	return issuer_len == subject_len && memcmp(issuer, name, issuer_len) == 0;
}

bool mtls_verify_same(const struct mtls_cert *a, const struct mtls_cert *b)
{
	return memcmp(mtls_cert_sha256(a), mtls_cert_sha256(b), 32) == 0;
}

/* Both must say yes: the return code is 0 for a bad chain too, and status alone may be unset. */
static bool signatures_valid(const struct search *search, const struct mtls_verify_anchor *anchor)
{
	gnutls_x509_crt_t crts[MTLS_CHAIN_MAX];
	unsigned int status = GNUTLS_CERT_INVALID;

	for (size_t i = 0; i < search->length; i++)
		crts[i] = mtls_cert_crt(search->sent[search->chain[i]]);
	int rc =
		gnutls_x509_trust_list_verify_crt2(anchor->list, crts, (unsigned int)search->length,
						   NULL, 0, MTLS_VERIFY_FLAGS, &status, NULL);
	return rc == 0 && status == 0;
}

/* 1: found; 0: no; MTLS_E_LIMIT. */
static int try_anchors(struct search *search, struct found *ret)
{
	const struct mtls_cert *last = search->sent[search->chain[search->length - 1]];

	for (size_t i = 0; i < search->anchors->anchor_count; i++) {
		const struct mtls_verify_anchor *anchor = &search->anchors->anchors[i];
		if (anchor->ca->role != search->role ||
		    !mtls_verify_names_chain(last, anchor->cert))
			continue;
		/* A copy of the anchor in the chain is no step of a path. */
		if (mtls_verify_same(last, anchor->cert))
			continue;
		if (++search->attempts > ATTEMPTS_MAX)
			return MTLS_E_LIMIT;
		if (!signatures_valid(search, anchor))
			continue;
		*ret = (struct found){ .length = search->length, .anchor = anchor };
		memcpy(ret->chain, search->chain, sizeof(ret->chain));
		return 1;
	}
	return 0;
}

/* Recursion is at most MTLS_CHAIN_MAX deep: every certificate is used once. */
static int extend(struct search *search, struct found *ret)
{
	const struct mtls_cert *last = search->sent[search->chain[search->length - 1]];

	int found = try_anchors(search, ret);
	for (size_t i = 1; found == 0 && i < search->sent_count; i++) {
		if (search->used[i] || !(mtls_cert_flags(search->sent[i]) & MTLS_CERT_IS_CA) ||
		    !mtls_verify_names_chain(last, search->sent[i]))
			continue;
		if (++search->steps > STEPS_MAX)
			return MTLS_E_LIMIT;
		search->used[i] = true;
		search->chain[search->length++] = i;
		found = extend(search, ret);
		search->length--;
		search->used[i] = false;
	}
	return found;
}

static int find(struct search *search, enum mtls_role role, struct found *ret)
{
	search->role = role;
	search->used[0] = true;
	search->chain[0] = 0;
	search->length = 1;
	return extend(search, ret);
}

/* One role and only one: a leaf that leads to both is nobody's. */
static int find_role(struct search *search, struct found *ret, struct mtls_diag *diag)
{
	struct found as_host;

	int user = find(search, MTLS_ROLE_USER, ret);
	if (user < 0)
		return mtls_diag_set(diag, user, "too many ways through the chain");
	int host = find(search, MTLS_ROLE_HOST, &as_host);
	if (host < 0)
		return mtls_diag_set(diag, host, "too many ways through the chain");
	if (user && host)
		return mtls_diag_set(diag, MTLS_E_CERT, "'%s' leads to CAs of both roles",
				     mtls_cert_subject(search->sent[0]));
	if (host)
		*ret = as_host;
	if (!user && !host)
		return mtls_diag_set(
			diag, MTLS_E_CERT, "'%s' leads to no accepted CA; its issuer is '%s'",
			mtls_cert_subject(search->sent[0]), mtls_cert_issuer(search->sent[0]));
	return 0;
}

static int parse_sent(struct search *search, const struct mtls_verify_bounds *bounds,
		      const uint8_t *const *der, const size_t *len, size_t count,
		      struct mtls_diag *diag)
{
	int err = mtls_verify_bound_sizes(bounds, len, count, diag);

	for (size_t i = 0; err == 0 && i < count; i++) {
		err = mtls_cert_from_der(der[i], len[i], &search->sent[i], diag);
		if (err < 0)
			break;
		search->sent_count++;
		err = mtls_verify_bound_one(bounds, search->sent[i], diag);
	}
	return err;
}

/* A leaf that is itself an anchor proves nothing about a person. */
static int refuse_anchor_as_leaf(const struct search *search, struct mtls_diag *diag)
{
	for (size_t i = 0; i < search->anchors->anchor_count; i++)
		if (mtls_verify_same(search->sent[0], search->anchors->anchors[i].cert))
			return mtls_diag_set(diag, MTLS_E_CERT, "'%s' is a CA itself",
					     mtls_cert_subject(search->sent[0]));
	return 0;
}

/* The certificates of the path change owner. */
static int take_path(struct search *search, const struct found *found, struct mtls_path **ret)
{
	_cleanup_(mtls_path_freep) struct mtls_path *path = calloc(1, sizeof(*path));
	size_t len;

	if (!path)
		return -ENOMEM;
	const uint8_t *der = mtls_cert_der(found->anchor->cert, &len);
	int err = mtls_cert_from_der(der, len, &path->certs[found->length], NULL);
	if (err < 0)
		return err;
	for (size_t i = 0; i < found->length; i++)
		path->certs[i] = MTLS_TAKE(search->sent[found->chain[i]]);
	path->count = found->length + 1;
	path->role = found->anchor->ca->role;
	path->ca_name = found->anchor->ca->name;
	*ret = MTLS_TAKE(path);
	return 0;
}

int mtls_verify_path(const struct mtls_anchors *anchors, const struct mtls_verify_bounds *bounds,
		     const uint8_t *const *der, const size_t *len, size_t count,
		     struct mtls_path **ret, struct mtls_diag *diag)
{
	struct search search = { .anchors = anchors };
	struct found found = { 0 };

	int err = parse_sent(&search, bounds, der, len, count, diag);
	if (err == 0)
		err = refuse_anchor_as_leaf(&search, diag);
	if (err == 0)
		err = find_role(&search, &found, diag);
	if (err == 0)
		err = take_path(&search, &found, ret);
	for (size_t i = 0; i < MTLS_CHAIN_MAX; i++)
		mtls_cert_free(search.sent[i]);
	return err;
}

void mtls_path_free(struct mtls_path *path)
{
	if (!path)
		return;
	for (size_t i = 0; i < MTLS_PATH_MAX; i++)
		mtls_cert_free(path->certs[i]);
	free(path);
}
