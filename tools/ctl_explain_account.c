/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The account of a decision: as mtls-authd's lookup process is told of it, and as this machine
 * would obey. Holds no state; one thread.
 */
#include <config.h>

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/client/obey.h"
#include "lib/mapping/account.h"
#include "lib/name/account.h"
#include "tools/ctl_explain.h"
#include "tools/ctl_lookup.h"

void explain_no_answer(struct explain_report *report, const char *name, uint32_t status)
{
	const bool timeout = status == MTLS_LOOKUP_TIMEOUT;

	explain_add(report, EXPLAIN_FAILED, name,
		    timeout ? MTLS_REASON_LOOKUP_TIMEOUT : MTLS_REASON_LOOKUP_FAILED, "%s",
		    timeout ? "an account source did not answer within lookup_timeout"
			    : "the account sources could not answer: libnss_x509 or the snapshot "
			      "is missing or damaged, or a source failed");
	if (!timeout)
		explain_hint(report, "mtlsctl check");
}

int explain_ask(const struct explain *e, enum mtls_lookup_kind kind,
		const struct mtls_lookup_query *query, struct mtls_lookup_answer *ret,
		struct mtls_diag *diag)
{
	if (!e->authd)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "%s", e->no_authd.text);
	return ctl_lookup(kind, e->authd->user, e->authd->lookup_timeout_ms, query, ret, diag);
}

/* The checks of pam_mtls on the verdict, for the account as this machine knows it. */
void explain_local(const struct explain *e, struct explain_report *report, const char *name,
		   uint32_t uid)
{
	static struct mtls_auth_reply reply;
	char account[MTLS_ACCOUNT_NAME_MAX + 1], good[160];

	if (!e->pam) {
		explain_add(report, e->pam_absent ? EXPLAIN_FACT : EXPLAIN_FAILED, "this machine",
			    MTLS_REASON_CONFIG, "%s", e->no_pam.text);
		return;
	}
	const struct passwd *local = getpwnam(name);
	const struct mtls_obey_local facts = {
		.pam_user = e->user,
		.user_found = local != NULL,
		.user_uid = local ? local->pw_uid : (uid_t)-1,
		.min_uid = e->pam->min_uid,
		.allow_root = e->pam->allow_root,
	};
	(void)mtls_strcopy(account, sizeof(account), name);
	reply = (struct mtls_auth_reply){
		.verdict = MTLS_VERDICT_ALLOWED,
		.reason = MTLS_REASON_ALLOWED,
		.has_account = true,
		.account = account,
		.uid = uid,
	};
	const enum mtls_reason reason = mtls_obey_verdict(&reply, &facts);
	(void)snprintf(good, sizeof(good), "would obey: uid %" PRIu32 ", min_uid %" PRIu32 "%s%s",
		       uid, e->pam->min_uid, e->service ? ", service " : "",
		       e->service ? e->service : "");
	explain_say(report, reason, "this machine", good, mtls_reason_text(reason));
}

static void say_absent(struct explain_report *report, const char *name)
{
	explain_add(report, EXPLAIN_FAILED, "account", MTLS_REASON_ACCOUNT_UNKNOWN,
		    "'%s' does not exist in any source of accounts", name);
	explain_hint(report, "mtlsctl account add %s, or in the source that it belongs to", name);
	explain_hint(report, "or take its bindings away: mtlsctl bind list %s", name);
}

/* What roles_decide() and the verdict say of a program that is not root's. */
static bool is_own(const struct explain *e, struct explain_report *report, const char *name,
		   uint32_t uid)
{
	if (e->peer_uid < 0 || e->peer_uid == (int64_t)uid)
		return true;
	explain_add(report, EXPLAIN_FAILED, "own account", MTLS_REASON_ACCOUNT_PEER,
		    "a program of uid %" PRId64 " asked for '%s', which is uid %" PRIu32,
		    e->peer_uid, name, uid);
	return false;
}

bool explain_account(const struct explain *e, struct explain_report *report, const char *name,
		     uint32_t *ret_uid)
{
	static struct mtls_lookup_query query;
	static struct mtls_lookup_answer answer;
	struct mtls_diag diag = { 0 };

	query.count = 0;
	int r = mtls_lookup_query_add(&query, name, strlen(name))
			? explain_ask(e, MTLS_LOOKUP_ACCOUNTS, &query, &answer, &diag)
			: MTLS_E_SYNTAX;
	if (r < 0) {
		explain_add(report, EXPLAIN_UNKNOWN, "account", 0, "%s", mtls_diag_text(&diag, r));
		return false;
	}
	if (answer.status == MTLS_LOOKUP_NOTFOUND) {
		say_absent(report, name);
		return false;
	}
	if (answer.status != MTLS_LOOKUP_FOUND) {
		explain_no_answer(report, "account", answer.status);
		return false;
	}
	const enum mtls_reason reason =
		mtls_mapping_judge_account(&answer, name, e->authd->min_uid);
	const bool allowed = reason == MTLS_REASON_ALLOWED;
	explain_add(report, allowed ? EXPLAIN_PASSED : EXPLAIN_FAILED, "account", reason,
		    "'%s' exists: uid %" PRIu32 ", gid %" PRIu32
		    "; min_uid of mtls-authd is %" PRIu32,
		    name, answer.uid, answer.gid, e->authd->min_uid);
	*ret_uid = answer.uid;
	return allowed && is_own(e, report, name, answer.uid);
}
