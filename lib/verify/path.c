/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding a path: depth first from the leaf through the certificates sent, by names, to an anchor;
 * each candidate is then verified by GnuTLS against that anchor alone, unless the memo knows it.
 * The order in which they were sent, duplicates and strangers do not matter. Work is bounded by
 * steps and attempts, because the sender chooses the names. Pure.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cert/cert_impl.h"
#include "lib/verify/memo_impl.h"
#include "lib/verify/verify_impl.h"

#define STEPS_MAX    256 /* certificates tried as an issuer */
#define ATTEMPTS_MAX 16  /* candidates whose signatures are verified */

struct search {
	const struct mtls_anchors *anchors;
	struct mtls_memo *memo; /* or NULL */
	struct mtls_cert *const *sent;
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
	bool remembered;
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

static bool is_remembered(const struct search *search, const struct mtls_verify_anchor *anchor)
{
	const struct mtls_cert *certs[MTLS_PATH_MAX];
	uint8_t key[MTLS_MEMO_KEY_LEN];
	size_t count = 0;

	if (!search->memo)
		return false;
	while (count < search->length) {
		certs[count] = search->sent[search->chain[count]];
		count++;
	}
	certs[count++] = anchor->cert;
	return mtls_memo_key(search->memo, anchor->ca->role, certs, count, key) &&
	       mtls_memo_knows(search->memo, key);
}

/* Both must say yes: the return code is 0 for a bad chain too, and status alone may be unset. */
static bool signatures_valid(const struct search *search, const struct mtls_verify_anchor *anchor)
{
	gnutls_x509_crt_t crts[MTLS_CHAIN_MAX];
	unsigned int status = GNUTLS_CERT_INVALID;

	for (size_t i = 0; i < search->length; i++) {
		crts[i] = mtls_cert_crt(search->sent[search->chain[i]]);
		if (!crts[i])
			return false;
	}
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
		const bool remembered = is_remembered(search, anchor);
		if (!remembered && !signatures_valid(search, anchor))
			continue;
		*ret = (struct found){ .length = search->length,
				       .anchor = anchor,
				       .remembered = remembered };
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

/* A leaf that is itself an anchor proves nothing about a person. */
static int refuse_anchor_as_leaf(const struct search *search, struct mtls_diag *diag)
{
	for (size_t i = 0; i < search->anchors->anchor_count; i++)
		if (mtls_verify_same(search->sent[0], search->anchors->anchors[i].cert))
			return mtls_diag_set(diag, MTLS_E_CERT, "'%s' is a CA itself",
					     mtls_cert_subject(search->sent[0]));
	return 0;
}

static int make_path(const struct search *search, const struct found *found, struct mtls_path **ret)
{
	struct mtls_path *path = calloc(1, sizeof(*path));

	if (!path)
		return -ENOMEM;
	for (size_t i = 0; i < found->length; i++)
		path->certs[i] = mtls_cert_ref(search->sent[found->chain[i]]);
	path->certs[found->length] = mtls_cert_ref(found->anchor->cert);
	path->count = found->length + 1;
	path->role = found->anchor->ca->role;
	path->ca_name = found->anchor->ca->name;
	path->remembered = found->remembered;
	*ret = path;
	return 0;
}

int mtls_chain_path(const struct mtls_anchors *anchors, const struct mtls_chain *chain,
		    struct mtls_memo *memo, struct mtls_path **ret, struct mtls_diag *diag)
{
	struct search search = {
		.anchors = anchors, .memo = memo, .sent = chain->certs, .sent_count = chain->count
	};
	struct found found = { 0 };

	int err = refuse_anchor_as_leaf(&search, diag);
	if (err == 0)
		err = find_role(&search, &found, diag);
	if (err == 0)
		err = make_path(&search, &found, ret);
	if (err == 0)
		(*ret)->quicker = found.remembered || chain->quicker;
	return err;
}

int mtls_verify_path(const struct mtls_anchors *anchors, const struct mtls_verify_bounds *bounds,
		     const uint8_t *const *der, const size_t *len, size_t count,
		     struct mtls_path **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_chain_freep) struct mtls_chain *chain = NULL;

	int err = mtls_chain_parse(bounds, der, len, count, NULL, &chain, diag);
	return err < 0 ? err : mtls_chain_path(anchors, chain, NULL, ret, diag);
}

void mtls_path_free(struct mtls_path *path)
{
	if (!path)
		return;
	for (size_t i = 0; i < MTLS_PATH_MAX; i++)
		mtls_cert_free(path->certs[i]);
	free(path);
}
