/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl try: the exchange as pam_mtls makes it in a program that the person starts, step by step,
 * by the same code: settings, mtls-signer, exchange, the checks of the verdict. Lets nobody in.
 * Runs as the person, never as root: root has no key of its own here.
 */
#include <config.h>

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/client/exchange.h"
#include "lib/client/obey.h"
#include "lib/settings/pam_mtls.h"
#include "lib/settings/settings.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_text.h"
#include "tools/ctl_try.h"

#define CMD          "try"
#define SERVICE      "mtlsctl"
#define SERVICE_MAX  64
#define STEPS_FORMAT "%-14s %s\n"

/* One line of what happened, at once or for the JSON object. */
void try_step(struct try *t, const char *name, const char *fmt, ...)
{
	char text[MTLS_DIAG_MAX];
	struct mtls_diag clean = { 0 };
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	(void)mtls_diag_set(&clean, 0, "%s", text);
	if (t->json)
		(void)json_array_append_new(
			t->steps, json_pack("{s:s, s:s}", "step", name, "text", clean.text));
	else
		(void)printf(STEPS_FORMAT, name, clean.text);
	(void)fflush(stdout);
}

/* --- the exchange --- */

static int sign(void *ctx, enum mtls_sign_scheme scheme, const uint8_t *content, size_t len,
		uint8_t *sig, size_t *sig_len)
{
	struct try *t = ctx;

	t->sign_reason = signer_client_sign(t->keys.client, t->credential->id, scheme, content, len,
					    sig, sig_len, try_keys_patience(t), &t->sign_diag);
	if (t->sign_reason != MTLS_REASON_ALLOWED)
		return MTLS_E_CRYPTO;
	try_step(t, "signature",
		 "made; the server has shown its certificate, and it is the right one");
	return 0;
}

static int choose_account(void *ctx, char *const *candidates, size_t count)
{
	struct try *t = ctx;

	for (size_t i = 0; i < count; i++)
		try_step(t, "account", "%zu: %s", i + 1, candidates[i]);
	return ctl_ask_number("Which account", count);
}

static enum mtls_reason exchange(struct try *t)
{
	_cleanup_(mtls_exchange_freep) struct mtls_exchange *exchange = NULL;
	const char *tty = ttyname(STDIN_FILENO);
	const struct mtls_exchange_key key = {
		.chain = t->credential->chain,
		.chain_count = t->credential->chain_count,
		.key_type = t->credential->key_type,
		.sign = sign,
		.ctx = t,
	};
	const struct mtls_exchange_request request = {
		.service = t->service,
		.account = t->user,
		.uid = getuid(),
		.tty = tty && strncmp(tty, "/dev/", 5) == 0 ? tty + 5 : tty,
	};

	if (mtls_exchange_new(&t->settings->client, &exchange, &t->diag) < 0)
		return MTLS_REASON_CONFIG;
	enum mtls_reason reason = mtls_exchange_run(exchange, &key, &request,
						    isatty(STDIN_FILENO) ? choose_account : NULL, t,
						    &t->reply, &t->diag);
	/* A signature that failed is the cause, the broken handshake only what follows. */
	if (reason != MTLS_REASON_ALLOWED && t->sign_reason != MTLS_REASON_ALLOWED) {
		t->diag = t->sign_diag;
		return t->sign_reason;
	}
	return reason;
}

static enum mtls_reason obey(struct try *t)
{
	const struct mtls_auth_reply *reply = &t->reply->u.auth_reply;
	const struct passwd *local =
		reply->has_account && reply->account ? getpwnam(reply->account) : NULL;
	const struct mtls_obey_local facts = {
		.pam_user = t->user,
		.user_found = local != NULL,
		.user_uid = local ? local->pw_uid : (uid_t)-1,
		.min_uid = t->settings->min_uid,
		.allow_root = t->settings->allow_root,
	};

	enum mtls_reason reason = mtls_obey_verdict(reply, &facts);
	if (reason == MTLS_REASON_ALLOWED)
		try_step(t, "checks", "this machine would obey the verdict");
	return reason;
}

static enum mtls_reason login(struct try *t)
{
	const struct passwd *person = getpwuid(getuid());

	if (!person) {
		(void)mtls_diag_set(&t->diag, MTLS_E_NOTFOUND, "uid %u has no account here",
				    (unsigned int)getuid());
		return MTLS_REASON_USER_UNKNOWN;
	}
	_cleanup_free_ char *home = strdup(person->pw_dir);
	if (!home) {
		(void)mtls_diag_set(&t->diag, -ENOMEM, "out of memory");
		return MTLS_REASON_CONFIG;
	}
	if (mtls_settings_pam_load(t->conf, t->service, 0, NULL, &t->settings, &t->diag) < 0)
		return MTLS_REASON_CONFIG;
	try_step(t, "configuration", "'%s', service '%s'", t->conf, t->service);
	t->home = home;
	enum mtls_reason reason = try_keys_find(t);
	if (reason == MTLS_REASON_ALLOWED)
		reason = try_keys_unlock(t);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	reason = exchange(t);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	if (!t->reply || t->reply->type != MTLS_MSG_AUTH_REPLY)
		return MTLS_REASON_PROTOCOL;
	return obey(t);
}

/* --- the outcome --- */

static const struct mtls_auth_reply *reply_of(const struct try *t)
{
	return t->reply && t->reply->type == MTLS_MSG_AUTH_REPLY ? &t->reply->u.auth_reply : NULL;
}

static void print_certificate(const struct mtls_cert_facts *cert)
{
	struct ctl_text day;
	char sha256[65];

	mtls_hex_encode(cert->sha256, sizeof(cert->sha256), sha256);
	(void)printf(STEPS_FORMAT, "certificate", cert->subject);
	(void)printf("%-14s issuer %s, serial %s, until %s\n", "", cert->issuer, cert->serial,
		     ctl_text_day(&day, cert->not_after));
	(void)printf("%-14s sha256:%s\n", "", sha256);
}

static void print_text(const struct try *t, enum mtls_reason reason)
{
	const struct mtls_auth_reply *reply = reply_of(t);
	const char *advice = mtls_reason_advice(reason);
	const char *text = mtls_reason_text(reason);

	if (reply && reply->has_cert)
		print_certificate(&reply->cert);
	if (reply && reply->has_account)
		(void)printf("%-14s %s, uid %u, gid %u%s%s\n", "account", reply->account,
			     reply->uid, reply->gid, reply->rule ? ", by " : "",
			     reply->rule ? reply->rule : "");
	(void)printf("%-14s %s: %s (%s)\n", "verdict",
		     reason == MTLS_REASON_ALLOWED ? "allowed" : "refused", text ? text : "?",
		     mtls_reason_token(reason));
	if (reason != MTLS_REASON_ALLOWED && t->diag.text[0])
		(void)printf(STEPS_FORMAT, "detail", t->diag.text);
	if (advice && *advice)
		(void)printf(STEPS_FORMAT, "advice", advice);
	if (reply && reply->audit_id)
		(void)printf(STEPS_FORMAT, "audit id", reply->audit_id);
}

static json_t *json_certificate(const struct mtls_auth_reply *reply)
{
	char sha256[65];

	if (!reply || !reply->has_cert)
		return json_null();
	mtls_hex_encode(reply->cert.sha256, sizeof(reply->cert.sha256), sha256);
	return json_pack("{s:s, s:s, s:s, s:s, s:I}", "subject", reply->cert.subject, "issuer",
			 reply->cert.issuer, "serial", reply->cert.serial, "sha256", sha256,
			 "not_after", (json_int_t)reply->cert.not_after);
}

static json_t *json_account(const struct mtls_auth_reply *reply)
{
	if (!reply || !reply->has_account)
		return json_null();
	return json_pack("{s:s, s:I, s:I}", "name", reply->account, "uid", (json_int_t)reply->uid,
			 "gid", (json_int_t)reply->gid);
}

static int print_json(struct try *t, enum mtls_reason reason)
{
	const struct mtls_auth_reply *reply = reply_of(t);
	const char *detail = t->diag.text[0] && reason != MTLS_REASON_ALLOWED ? t->diag.text : NULL;
	json_t *all =
		json_pack("{s:b, s:s, s:s, s:s, s:s?, s:s?, s:o, s:o, s:s?, s:s?, s:O}", "allowed",
			  reason == MTLS_REASON_ALLOWED, "reason", mtls_reason_token(reason),
			  "text", mtls_reason_text(reason), "advice", mtls_reason_advice(reason),
			  "detail", detail, "source", t->credential ? t->credential->source : NULL,
			  "account", json_account(reply), "certificate", json_certificate(reply),
			  "rule", reply ? reply->rule : NULL, "audit_id",
			  reply ? reply->audit_id : NULL, "steps", t->steps);

	return ctl_json_print(all);
}

static int run(struct try *t)
{
	if (getuid() == 0 || geteuid() != getuid())
		return ctl_error(CMD, "run it as the person who wants to log in, not as root: "
				      "runuser -u USER -- mtlsctl try");
	t->steps = json_array();
	if (!t->steps)
		return ctl_error(CMD, "out of memory");
	enum mtls_reason reason = login(t);
	int code = reason == MTLS_REASON_ALLOWED ? CTL_OK : CTL_DENIED;
	if (!t->json)
		print_text(t, reason);
	else if (print_json(t, reason) != CTL_OK)
		code = CTL_FAILED;
	try_keys_done(t);
	mtls_msg_free(t->reply);
	mtls_settings_pam_free(t->settings);
	json_decref(t->steps);
	return code;
}

struct options {
	const char *service, *user, *key, *source, *uri, *socket, *conf, *passphrase_fd;
	bool json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, service, "service", "SERVICE",
		   "the PAM service to name (" SERVICE ")"),
	CTL_OPTION(struct options, user, "user", "USER",
		   "the account to ask for; else the certificate decides"),
	CTL_OPTION(struct options, key, "key", "FILE", "instead of the files in ~/.config/mtls"),
	CTL_OPTION(struct options, source, "source", "file|pkcs11|p11-kit|agent",
		   "only keys from there, not as pam_mtls.conf says"),
	CTL_OPTION(struct options, uri, "uri", "URI", "only this card or key"),
	CTL_OPTION(struct options, socket, "socket", "FILE",
		   "where the agent or the forwarded token listens"),
	CTL_OPTION(struct options, conf, "conf", "FILE", "instead of " MTLS_PAM_CONF),
	CTL_OPTION(struct options, passphrase_fd, "passphrase-fd", "N",
		   "read the passphrase or PIN from descriptor N instead of asking"),
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int check_options(const struct ctl_action *action, const struct options *o)
{
	if (!*o->service || strlen(o->service) > SERVICE_MAX)
		return ctl_action_usage(action, "--service needs 1 to %d bytes", SERVICE_MAX);
	if (o->source && mtls_source_from_word(o->source) < 0)
		return ctl_action_usage(action, "--source is file, pkcs11, p11-kit or agent");
	if (o->key && o->source && !mtls_streq(o->source, "file"))
		return ctl_action_usage(action, "--key is a file");
	if (o->uri && !mtls_settings_pkcs11_uri_valid(o->uri))
		return ctl_action_usage(action, "--uri needs a PKCS#11 URI without '?'");
	if (o->socket && (*o->socket != '/' || !o->source ||
			  (!mtls_streq(o->source, "agent") && !mtls_streq(o->source, "p11-kit"))))
		return ctl_action_usage(action, "--socket is an absolute path, for --source agent "
						"or p11-kit");
	return CTL_OK;
}

static int run_try(const struct ctl_action *action, int argc, char **argv)
{
	struct options o = { .service = SERVICE, .conf = MTLS_PAM_CONF };
	_cleanup_free_ char *key_file = NULL;
	uint32_t fd = 0;
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_action_number(action, "passphrase-fd", o.passphrase_fd, 0, INT_MAX, &fd);
	if (!code)
		code = check_options(action, &o);
	if (code)
		return code;
	if (o.key) {
		key_file = realpath(o.key, NULL);
		if (!key_file)
			return ctl_error(CMD, "'%s': %s", o.key, strerrordesc_np(errno));
	}
	struct try t = {
		.service = o.service,
		.user = o.user,
		.key_file = key_file,
		.source = o.source,
		.uri = o.uri,
		.socket = o.socket,
		.conf = o.conf,
		.passphrase_fd = o.passphrase_fd ? (int)fd : -1,
		.json = o.json,
		.keys = { .process = SIGNER_PROCESS_NONE },
		.sign_reason = MTLS_REASON_ALLOWED,
	};
	return run(&t);
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "", "Makes the exchange as a login would, shows each step, and lets nobody in. Run it as the\n"
	  "person who wants to log in",
	  0, 0, options, run_try },
};
/* clang-format on */

const struct ctl_command ctl_try = {
	.name = CMD,
	.help = "make the exchange as a login would, and show each step",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
