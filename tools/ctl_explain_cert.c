/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A certificate explained: bounds, path and policy by lib/verify. Nothing is decided here but which
 * checks can be made. One thread.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/base/when.h"
#include "tools/ctl_explain.h"

/* One certificate on its way through the checks. */
struct subject {
	const struct explain *e;
	struct explain_report *report;
	struct mtls_chain *chain;
	struct mtls_path *path; /* NULL: none was found */
	struct mtls_cert *leaf; /* parsed on its own */
};

static void subject_done(struct subject *s)
{
	mtls_chain_free(s->chain);
	mtls_path_free(s->path);
	mtls_cert_free(s->leaf);
}

int explain_chain_add(struct explain_chain *chain, const uint8_t *der, size_t len)
{
	if (chain->count == EXPLAIN_CERTS_MAX)
		return MTLS_E_LIMIT;
	uint8_t *copy = malloc(len ? len : 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, der, len);
	chain->der[chain->count] = copy;
	chain->len[chain->count++] = len;
	return 0;
}

void explain_chain_done(struct explain_chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		free(chain->der[i]);
	chain->count = 0;
}

/* --------------------------------------------------------------------------- certificate */

static void show_leaf(const struct subject *s)
{
	char serial[2 * MTLS_SERIAL_MAX + 1] = "", from[MTLS_WHEN_TEXT_MAX],
					  until[MTLS_WHEN_TEXT_MAX], sha256[65];
	const struct mtls_cert *leaf = s->leaf;
	size_t len;
	const uint8_t *octets = mtls_cert_serial(leaf, &len);

	mtls_hex_encode(octets, len, serial);
	mtls_hex_encode(mtls_cert_sha256(leaf), 32, sha256);
	mtls_when_format(mtls_cert_not_before(leaf), from);
	mtls_when_format(mtls_cert_not_after(leaf), until);
	explain_add(s->report, EXPLAIN_FACT, "certificate", 0, "%s", mtls_cert_subject(leaf));
	explain_add(s->report, EXPLAIN_FACT, "", 0, "issuer %s, serial %s", mtls_cert_issuer(leaf),
		    serial);
	explain_add(s->report, EXPLAIN_FACT, "", 0, "valid from %s to %s", from, until);
	explain_add(s->report, EXPLAIN_FACT, "", 0, "sha256:%s", sha256);
}

/* False if there is nothing to go on with. */
static bool check_bytes(struct subject *s, const struct explain_chain *chain)
{
	struct mtls_diag diag = { 0 };

	int r = chain->count ? mtls_cert_from_der(chain->der[0], chain->len[0], &s->leaf, &diag)
			     : mtls_diag_set(&diag, MTLS_E_SYNTAX, "no certificate");
	if (r >= 0) {
		show_leaf(s);
		return true;
	}
	explain_say(s->report, r == -ENOMEM ? MTLS_REASON_INTERNAL : mtls_chain_parse_reason(r),
		    "encoding", "", mtls_diag_text(&diag, r));
	return false;
}

static void check_bounds(struct subject *s, const struct explain_chain *chain)
{
	const uint8_t *der[EXPLAIN_CERTS_MAX];
	struct mtls_diag diag = { 0 };
	char good[64];

	if (!s->e->authd) {
		explain_add(s->report, EXPLAIN_UNKNOWN, "bounds", 0, "%s", s->e->no_authd.text);
		return;
	}
	for (size_t i = 0; i < chain->count; i++)
		der[i] = chain->der[i];
	int r = mtls_chain_parse(&s->e->bounds, der, chain->len, chain->count, NULL, &s->chain,
				 &diag);
	(void)snprintf(good, sizeof(good), "%zu certificate%s, of accepted sizes and key types",
		       chain->count, chain->count == 1 ? "" : "s");
	explain_say(s->report, mtls_chain_parse_reason(r), "bounds", good,
		    mtls_diag_text(&diag, r));
}

static void say_path(const struct subject *s)
{
	const struct mtls_path *path = s->path;

	explain_add(s->report, EXPLAIN_PASSED, "path", 0,
		    "signatures lead to '%s' of ca '%s', for %s, by %zu step%s",
		    mtls_cert_subject(path->certs[path->count - 1]), path->ca_name,
		    path->role == MTLS_ROLE_USER ? "people" : "hosts", path->count - 1,
		    path->count == 2 ? "" : "s");
}

static void check_path(struct subject *s)
{
	struct mtls_diag diag = { 0 };

	if (!s->e->anchors) {
		explain_add(s->report, EXPLAIN_UNKNOWN, "path", 0, "%s", s->e->no_authd.text);
		return;
	}
	if (!s->chain)
		return; /* the bounds have said why */
	int r = mtls_chain_path(s->e->anchors, s->chain, NULL, &s->path, &diag);
	if (r >= 0) {
		say_path(s);
		return;
	}
	explain_say(s->report, mtls_chain_path_reason(r), "path", "", mtls_diag_text(&diag, r));
	explain_hint(
		s->report,
		"if its issuer is the CA of people here: add the CA's certificate to files of a "
		"ca section in %s, then: mtlsctl reload",
		MTLS_AUTHD_CONF);
	explain_hint(s->report, "if there is a CA between: its certificate must stand behind the "
				"person's in the person's file");
}

static void hint_policy(const struct subject *s, enum mtls_reason reason)
{
	const char *const user = s->e->user ? s->e->user : "USER";

	switch (reason) {
	case MTLS_REASON_CERT_EXPIRED:
		explain_hint(s->report, "with the CA of mtlsctl init: mtlsctl renew %s", user);
		break;
	case MTLS_REASON_CERT_REVOKED:
	case MTLS_REASON_EKU_MISSING:
	case MTLS_REASON_EKU_WRONG:
	case MTLS_REASON_KU_WRONG:
	case MTLS_REASON_CERT_WEAK:
		explain_hint(s->report, "with the CA of mtlsctl init: mtlsctl issue %s", user);
		break;
	case MTLS_REASON_CERT_NOT_YET:
		explain_hint(s->report, "timedatectl status");
		break;
	case MTLS_REASON_CRL_UNUSABLE:
		explain_hint(s->report,
			     "the list is named in crl of the ca section in %s; when it is "
			     "there: mtlsctl reload",
			     MTLS_AUTHD_CONF);
		break;
	default:
		break;
	}
}

/* What a check that passed has looked at, in words. */
static const char *passed_text(const char *name)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "role", "it comes from a CA for people" },
		{ "shape", "a person's certificate, with nothing in it that is not understood" },
		{ "names", "well-formed, without control characters" },
		{ "strength", "keys and signatures are strong enough" },
		{ "depth", "the chain is not longer than max_depth" },
		{ "times", "all certificates of the path are valid at that moment" },
		{ "key usage", "it may sign, and its issuers may issue" },
		{ "revocation", "it is not revoked, as far as crl_policy asks for" },
		{ "purpose", "extendedKeyUsage allows login" },
	};

	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (mtls_streq(rows[i].name, name))
			return rows[i].text;
	return "good";
}

static void policy_row(void *ctx, const char *name, enum mtls_reason reason, const char *detail)
{
	const struct subject *s = ctx;

	if (!detail) {
		explain_add(s->report, EXPLAIN_FACT, name, 0,
			    "not looked at: it is about a path, and there is none");
		return;
	}
	explain_say(s->report, reason, name, passed_text(name),
		    *detail ? detail : mtls_reason_text(reason));
	if (reason != MTLS_REASON_ALLOWED)
		hint_policy(s, reason);
}

static void check_policy(struct subject *s)
{
	struct mtls_path alone = { .certs = { s->leaf }, .count = 1 };

	if (s->e->authd)
		mtls_verify_policy_watch(s->e->anchors, &s->e->bounds, s->path ? s->path : &alone,
					 s->e->now, policy_row, s);
	else
		explain_add(s->report, EXPLAIN_UNKNOWN, "policy", 0, "%s", s->e->no_authd.text);
}

void explain_acceptable(const struct explain *e, const struct explain_chain *chain,
			struct explain_report *report)
{
	_cleanup_(subject_done) struct subject s = { .e = e, .report = report };

	if (!check_bytes(&s, chain))
		return;
	check_bounds(&s, chain);
	check_path(&s);
	check_policy(&s);
}

void explain_certificate(const struct explain *e, const struct explain_chain *chain,
			 struct explain_report *report)
{
	_cleanup_(subject_done) struct subject s = { .e = e, .report = report };

	if (!check_bytes(&s, chain))
		return;
	check_bounds(&s, chain);
	check_path(&s);
	check_policy(&s);
	explain_mapping(e, s.leaf, report);
}
