/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's own checks of a verdict: a table in order; the first that fails decides. A daemon
 * that lies, or was broken into, gets no further than these allow. Pure; any thread.
 */
#include <config.h>

#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/client/obey.h"
#include "lib/name/account.h"

#define OK MTLS_REASON_ALLOWED

static enum mtls_reason check_verdict(const struct mtls_auth_reply *reply,
				      const struct mtls_obey_local *local)
{
	(void)local;
	if (reply->verdict == MTLS_VERDICT_ALLOWED && reply->reason == MTLS_REASON_ALLOWED &&
	    reply->has_account && reply->account)
		return OK;
	/* A refusal that says "allowed" is a contradiction, not a permission. */
	return reply->reason == MTLS_REASON_ALLOWED ? MTLS_REASON_PROTOCOL : reply->reason;
}

static enum mtls_reason check_grammar(const struct mtls_auth_reply *reply,
				      const struct mtls_obey_local *local)
{
	(void)local;
	return mtls_account_name_valid(reply->account, strlen(reply->account))
		       ? OK
		       : MTLS_REASON_NAME_GRAMMAR;
}

static enum mtls_reason check_name(const struct mtls_auth_reply *reply,
				   const struct mtls_obey_local *local)
{
	if (!local->pam_user || !*local->pam_user)
		return OK;
	return mtls_streq(reply->account, local->pam_user) ? OK : MTLS_REASON_NAME_MISMATCH;
}

static enum mtls_reason check_known(const struct mtls_auth_reply *reply,
				    const struct mtls_obey_local *local)
{
	(void)reply;
	return local->user_found ? OK : MTLS_REASON_LOCAL_UNKNOWN;
}

static enum mtls_reason check_uid(const struct mtls_auth_reply *reply,
				  const struct mtls_obey_local *local)
{
	return reply->uid == local->user_uid ? OK : MTLS_REASON_LOCAL_UID;
}

static enum mtls_reason check_root(const struct mtls_auth_reply *reply,
				   const struct mtls_obey_local *local)
{
	return reply->uid != 0 || local->allow_root ? OK : MTLS_REASON_ROOT;
}

/* Root that passed the check above is below every min_uid, and meant to be. */
static enum mtls_reason check_min_uid(const struct mtls_auth_reply *reply,
				      const struct mtls_obey_local *local)
{
	return reply->uid == 0 || reply->uid >= local->min_uid ? OK : MTLS_REASON_MIN_UID;
}

static enum mtls_reason (*const checks[])(const struct mtls_auth_reply *reply,
					  const struct mtls_obey_local *local) = {
	check_verdict, check_grammar, check_name, check_known, check_uid, check_root, check_min_uid,
};

enum mtls_reason mtls_obey_verdict(const struct mtls_auth_reply *reply,
				   const struct mtls_obey_local *local)
{
	for (size_t i = 0; i < MTLS_COUNT(checks); i++) {
		enum mtls_reason reason = checks[i](reply, local);
		if (reason != OK)
			return reason;
	}
	return MTLS_REASON_ALLOWED;
}
