/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The verdict between the phases. Owned by the PAM handle; the handle's thread.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include <security/pam_modules.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "pam_mtls/result.h"
#include "pam_mtls/session.h"

#define DATA_NAME "mtls_session"
#define ENV_MAX   (4096 + 64) /* the longest subject and its name */

struct session {
	char *account; /* owned */
	bool caller;   /* who was proven is the caller of a setuid program */
	char **env;    /* owned, "NAME=value" */
};

static void session_free(struct session *session)
{
	if (!session)
		return;
	free(session->account);
	mtls_strv_free(session->env);
	free(session);
}
MTLS_DEFINE_CLEANUP(struct session *, session_free)

static void forget(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	session_free(data);
}

static int add_env(struct session *session, const char *name, const char *value)
{
	if (!value || !*value)
		return 0;
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(ENV_MAX);
	(void)mtls_buf_printf(&text, "%s=%s", name, value);
	const char *entry = mtls_buf_cstr(&text);
	return entry ? mtls_strv_add(&session->env, entry) : -ENOMEM;
}

static int add_cert(struct session *session, const struct mtls_cert_facts *cert)
{
	char sha256[2 * sizeof(cert->sha256) + 1], end[32] = "";
	mtls_hex_encode(cert->sha256, sizeof(cert->sha256), sha256);
	struct tm tm;
	time_t seconds = (time_t)cert->not_after;
	if (gmtime_r(&seconds, &tm))
		(void)strftime(end, sizeof(end), "%Y-%m-%dT%H:%M:%SZ", &tm);
	const struct {
		const char *name, *value;
	} facts[] = {
		{ "MTLS_CERT_SUBJECT", cert->subject }, { "MTLS_CERT_ISSUER", cert->issuer },
		{ "MTLS_CERT_SERIAL", cert->serial },   { "MTLS_CERT_SHA256", sha256 },
		{ "MTLS_CERT_NOT_AFTER", end },
	};
	for (size_t i = 0; i < MTLS_COUNT(facts); i++)
		if (add_env(session, facts[i].name, facts[i].value) < 0)
			return -ENOMEM;
	return 0;
}

int session_keep(pam_handle_t *pamh, const struct mtls_auth_reply *reply, bool caller,
		 const char *token)
{
	_cleanup_(session_freep) struct session *session = calloc(1, sizeof(*session));
	if (!session)
		return -ENOMEM;
	session->caller = caller;
	session->account = strdup(reply->account ? reply->account : "");
	if (!session->account)
		return -ENOMEM;
	if (reply->has_cert && add_cert(session, &reply->cert) < 0)
		return -ENOMEM;
	if (add_env(session, "MTLS_CERT_RULE", reply->rule) < 0 ||
	    add_env(session, "PKCS11_LOGIN_TOKEN_NAME", token) < 0)
		return -ENOMEM;
	if (pam_set_data(pamh, DATA_NAME, session, forget) != PAM_SUCCESS)
		return -ENOMEM;
	session = NULL; /* the handle's now */
	return 0;
}

void session_drop(pam_handle_t *pamh)
{
	const void *data = NULL;
	if (pam_get_data(pamh, DATA_NAME, &data) == PAM_SUCCESS && data)
		(void)pam_set_data(pamh, DATA_NAME, NULL, NULL);
}

static const struct session *find_session(pam_handle_t *pamh)
{
	const void *data = NULL;
	return pam_get_data(pamh, DATA_NAME, &data) == PAM_SUCCESS ? data : NULL;
}

/* The phases in which a setuid program has turned from who asks to whom they become. */
static bool behind_account(enum result_entry entry)
{
	return entry == RESULT_SETCRED || entry == RESULT_OPEN_SESSION ||
	       entry == RESULT_CLOSE_SESSION;
}

int session_situation(pam_handle_t *pamh, enum result_entry entry)
{
	const struct session *session = find_session(pamh);
	if (!session)
		return RESULT_NOT_OURS;
	if (session->caller && behind_account(entry))
		return MTLS_REASON_ALLOWED;
	const void *user = NULL;
	if (pam_get_item(pamh, PAM_USER, &user) != PAM_SUCCESS || !*session->account ||
	    !mtls_streq(user, session->account))
		return MTLS_REASON_USER_CHANGED;
	return MTLS_REASON_ALLOWED;
}

const char *session_account(pam_handle_t *pamh)
{
	const struct session *session = find_session(pamh);
	return session ? session->account : NULL;
}

int session_export(pam_handle_t *pamh)
{
	const struct session *session = find_session(pamh);
	for (char **entry = session ? session->env : NULL; entry && *entry; entry++)
		if (pam_putenv(pamh, *entry) != PAM_SUCCESS)
			return -ENOMEM;
	return 0;
}
