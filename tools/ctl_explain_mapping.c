/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a certificate to accounts: its keys, whom each is bound to, and the decision of lib/mapping.
 * One thread.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/mapping/mapper.h"
#include "lib/name/account.h"
#include "tools/ctl_explain.h"

struct subject {
	const struct explain *e;
	struct explain_report *report;
	const struct mtls_cert *leaf;
	struct mtls_mapper mapper;
};

static const char *key_of(const struct subject *s, enum mtls_key_kind kind)
{
	for (size_t i = 0; i < s->mapper.key_count; i++)
		if (s->mapper.kinds[i] == kind)
			return s->mapper.keys[i];
	return "KEY";
}

static void show_keys(const struct subject *s)
{
	for (size_t i = 0; i < s->mapper.key_count; i++) {
		char names[1024] = "";
		size_t used = 0;
		for (size_t k = 0; k < s->mapper.name_count; k++) {
			const struct mtls_mapper_name *name = &s->mapper.names[k];
			if (!(name->keys & (UINT32_C(1) << i)) || used + 70 > sizeof(names))
				continue;
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
						 used ? ", " : "", name->text);
		}
		explain_add(s->report, EXPLAIN_FACT, "key", 0, "%s: %s%s", s->mapper.keys[i],
			    !s->mapper.answered ? "not looked up"
			    : used              ? "bound to "
						: "bound to nobody",
			    names);
	}
}

/* True if the bindings are known now. */
static bool look_up_keys(struct subject *s)
{
	static struct mtls_lookup_query query;
	static struct mtls_lookup_answer answer;
	struct mtls_diag diag = { 0 };

	if (mtls_mapper_keys(&s->mapper, s->leaf) < 0) {
		explain_say(s->report, MTLS_REASON_INTERNAL, "keys", "",
			    "the certificate gives no keys");
		return false;
	}
	mtls_mapper_query(&s->mapper, &query);
	int r = explain_ask(s->e, MTLS_LOOKUP_X509, &query, &answer, &diag);
	bool known = r >= 0 &&
		     (answer.status == MTLS_LOOKUP_FOUND || answer.status == MTLS_LOOKUP_NOTFOUND);
	if (known && mtls_mapper_add(&s->mapper, &answer) < 0) {
		known = false;
		answer.status = MTLS_LOOKUP_FAILED;
	}
	show_keys(s);
	if (r < 0)
		explain_add(s->report, EXPLAIN_UNKNOWN, "bindings", 0, "%s",
			    mtls_diag_text(&diag, r));
	else if (!known)
		explain_no_answer(s->report, "bindings", answer.status);
	return known;
}

static void hint_bind(const struct subject *s, const char *name)
{
	if (s->e->audit_id)
		explain_hint(s->report, "mtlsctl bind add %s --from-audit %s", name,
			     s->e->audit_id);
	else
		explain_hint(s->report, "mtlsctl bind add %s %s", name,
			     key_of(s, MTLS_KEY_SPKI_SHA256));
}

static void say_unmapped(const struct subject *s)
{
	explain_add(s->report, EXPLAIN_FAILED, "binding", MTLS_REASON_UNMAPPED,
		    "none of its keys is bound to an account");
	hint_bind(s, s->e->user ? s->e->user : "USER");
}

static void say_other(const struct subject *s)
{
	explain_add(s->report, EXPLAIN_FAILED, "binding", MTLS_REASON_MAPPED_OTHER,
		    "'%s' is asked for, and it is bound to %s%s%s", s->e->user,
		    s->mapper.names[0].text, s->mapper.name_count > 1 ? " and others" : "", "");
	explain_hint(s->report, "ask for the account '%s' instead", s->mapper.names[0].text);
	hint_bind(s, s->e->user);
}

/* Several accounts and none named: each is looked at, one is enough. */
static void check_candidates(struct subject *s)
{
	explain_add(s->report, EXPLAIN_PASSED, "binding", 0,
		    "bound to %zu accounts: the person is asked which", s->mapper.name_count);
	for (size_t i = 0; i < s->mapper.name_count; i++) {
		struct explain_report own = { 0 };
		uint32_t uid = 0;
		char text[1024];
		if (explain_account(s->e, &own, s->mapper.names[i].text, &uid))
			explain_local(s->e, &own, s->mapper.names[i].text, uid);
		own.account = strdup(s->mapper.names[i].text);
		explain_verdict_text(&own, text, sizeof(text));
		const int code = explain_exit_code(&own);
		s->report->choose = s->report->choose || code == CTL_OK;
		explain_add(s->report, EXPLAIN_FACT, "candidate", 0, "'%s': %s",
			    s->mapper.names[i].text, text);
		explain_report_done(&own);
	}
	if (!s->report->choose)
		explain_add(s->report, EXPLAIN_FAILED, "account", MTLS_REASON_ACCOUNT_REFUSED,
			    "none of them can be entered");
}

static void check_chosen(struct subject *s, const struct mtls_mapper_name *name)
{
	uint32_t uid = 0;

	explain_add(s->report, EXPLAIN_PASSED, "binding", 0, "its %s is bound to '%s'",
		    mtls_key_kind_name(name->kind), name->text);
	if (!explain_account(s->e, s->report, name->text, &uid))
		return;
	explain_local(s->e, s->report, name->text, uid);
	s->report->account = strdup(name->text);
	if (!s->report->account)
		s->report->err = -ENOMEM;
}

static void decide(struct subject *s)
{
	const struct mtls_mapper_name *name = NULL;

	if (!look_up_keys(s))
		return;
	switch (mtls_mapper_decide(&s->mapper, s->e->user, &name)) {
	case MTLS_REASON_ALLOWED:
		check_chosen(s, name);
		return;
	case MTLS_REASON_CHOOSE:
		check_candidates(s);
		return;
	case MTLS_REASON_MAPPED_OTHER:
		say_other(s);
		break;
	default:
		say_unmapped(s);
		break;
	}
	/* Whether a binding would do: the account that it should be. */
	uint32_t uid = 0;
	if (s->e->user && mtls_account_name_valid(s->e->user, strlen(s->e->user)) &&
	    explain_account(s->e, s->report, s->e->user, &uid))
		explain_local(s->e, s->report, s->e->user, uid);
}

void explain_mapping(const struct explain *e, const struct mtls_cert *leaf,
		     struct explain_report *report)
{
	struct subject s = { .e = e, .report = report, .leaf = leaf };

	decide(&s);
	mtls_mapper_done(&s.mapper);
}
