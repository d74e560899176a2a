/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One login, from the options to the verdict. Everything is owned by struct login, which lives as
 * long as the call; what later phases need goes to session.c. Runs in the host program's thread,
 * blocks with deadlines, starts no thread, touches no signal.
 *
 * Steps return MTLS_REASON_ALLOWED for "go on"; only the last line of authenticate() lets the
 * person in.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "lib/base/bootword.h"
#include "lib/base/str.h"
#include "pam_mtls/choice.h"
#include "pam_mtls/issuer.h"
#include "pam_mtls/login.h"
#include "pam_mtls/login_impl.h"
#include "pam_mtls/options.h"
#include "pam_mtls/report.h"
#include "pam_mtls/session.h"
#include "pam_mtls/witness.h"
#include "pam_mtls/words.h"

#define WARN_DAYS       14
#define DAY_SECONDS     86400
#define FAIL_DELAY_USEC 2000000
#define NOTICE_MS       1500 /* a signature that takes longer may wait for a finger */

static void login_done(struct login *login)
{
	signers_done(&login->signers);
	if (login->half) {
		login->half->exchange_free(login->exchange);
		login->half->msg_free(login->reply);
	}
	user_free(login->caller);
	user_free(login->claimed);
	user_free(login->signer_user);
	mtls_settings_pam_free(login->settings);
	items_done(&login->items);
}

static struct credential_times login_times(const struct login *login)
{
	return (struct credential_times){ .machine_ms = login->settings->signer_timeout_ms,
					  .person_ms = login->settings->person_timeout_ms };
}

/* For the log now; the person reads it behind the refusal. */
static void note_issuer(struct login *login, const struct credential *credential)
{
	_cleanup_buf_ struct mtls_buf line = MTLS_BUF(ISSUER_SENTENCE_MAX);
	const struct mtls_diag alert = login->diag;

	login->issuer = credential->info->issuer;
	login->half->exchange_accepted(login->exchange, &login->accepted);
	issuer_explain(login->issuer, &login->accepted, false, &line);
	const char *sentence = mtls_buf_cstr(&line);
	if (sentence && *sentence)
		(void)mtls_diag_set(&login->diag, 0, "%s. %s", alert.text, sentence);
}

static void tell_issuer(const struct login *login)
{
	_cleanup_buf_ struct mtls_buf line = MTLS_BUF(ISSUER_SENTENCE_MAX);

	if (!login->issuer)
		return;
	issuer_explain(login->issuer, &login->accepted, true, &line);
	const char *sentence = mtls_buf_cstr(&line);
	if (sentence && *sentence)
		prompt_error(&login->items.prompt, sentence);
}

static int exchange(struct login *login, const struct credential *credential)
{
	const struct mtls_exchange_request request = {
		.service = login->items.service,
		.account = login->items.user,
		.uid = getuid(),
		.tty = login->items.tty,
		.remote_host = login->items.rhost,
		.remote_user = login->items.ruser,
	};
	const struct credential_times times = login_times(login);
	const struct half_key key = {
		.signer = credential->signer,
		.credential = credential->info,
		.timeout_ms = credential_patience(credential, &login->items.prompt, &times),
		.notice_ms = NOTICE_MS,
		.notice = credential_may_wait(credential) ? credential_notice : NULL,
		.notice_ctx = &login->items.prompt,
	};
	bool can_ask = prompt_possible(&login->items.prompt);
	login->diag.text[0] = '\0'; /* what a signer said of other keys is no detail of this */
	int situation = login->half->exchange_run(
		login->exchange, &key, &request, can_ask ? choice_account : NULL,
		&login->items.prompt, &login->reply, &login->diag);
	if (situation == MTLS_REASON_ISSUER_UNTRUSTED)
		note_issuer(login, credential);
	return situation;
}

/* Our own checks of the verdict: the daemon may be wrong, or another's. */
static int obey(struct login *login)
{
	if (!login->reply || login->reply->type != MTLS_MSG_AUTH_REPLY)
		return RESULT_FAULT;
	const struct mtls_auth_reply *reply = &login->reply->u.auth_reply;
	_cleanup_(user_freep) struct user *local = NULL;
	if (reply->has_account && reply->account) {
		int rc = login_found_or_not(user_by_name(reply->account, &local));
		if (rc < 0)
			return login_situation(rc, MTLS_REASON_LOOKUP_FAILED);
	}
	const struct mtls_obey_local facts = {
		.pam_user = login->items.user,
		.user_found = local != NULL,
		.user_uid = local ? local->uid : (uid_t)-1,
		.min_uid = login->settings->min_uid,
		.allow_root = login->settings->allow_root,
	};
	return login->half->obey_verdict(reply, &facts);
}

/* Sets PAM_USER if it was empty, and leaves to later phases what they must know. */
static int keep(struct login *login, const struct credential *credential)
{
	const struct mtls_auth_reply *reply = &login->reply->u.auth_reply;
	if (!reply->account)
		return RESULT_FAULT;
	if (!login->items.user &&
	    pam_set_item(login->pamh, PAM_USER, reply->account) != PAM_SUCCESS)
		return RESULT_NO_MEMORY;
	/* sudo's way; su proves the target, and has no other name to come to. */
	bool caller = login->person.host == PERSON_HOST_SETUID && reply->uid == getuid();
	/* For GNOME, which locks the screen when this card goes. */
	const char *token = login_greeter_of_cards(login) ? credential->info->token : NULL;
	if (session_keep(login->pamh, reply, caller, token) < 0)
		return RESULT_NO_MEMORY;
	/* Another thread or module of the host may have changed the name while we were away. */
	return session_situation(login->pamh, RESULT_AUTHENTICATE);
}

static int authenticate(struct login *login, int flags, int argc, const char **argv)
{
	int rc = items_read(login->pamh, flags, &login->items);
	if (rc < 0)
		return login_situation(rc, MTLS_REASON_CONFIG);
	if (secure_getenv("SSLKEYLOGFILE"))
		return MTLS_REASON_KEYLOG;
	rc = options_load(login->items.service, argc, argv, &login->settings, &login->diag);
	if (rc < 0)
		return login_situation(rc, MTLS_REASON_CONFIG);
	login->items.prompt.state = &login->asked;
	struct credential credential = { .info = NULL };
	int situation = login_find(login, &credential);
	if (situation != MTLS_REASON_ALLOWED)
		return situation;
	if (!credential.info)
		return RESULT_FAULT;
	const struct credential_times times = login_times(login);
	situation = credential_unlock(&credential, login->half, &login->items.prompt, &times,
				      &login->tries, &login->diag);
	if (situation != MTLS_REASON_ALLOWED)
		return situation;
	situation = exchange(login, &credential);
	if (situation != MTLS_REASON_ALLOWED)
		return situation;
	situation = obey(login);
	if (situation != MTLS_REASON_ALLOWED)
		return situation;
	situation = keep(login, &credential);
	if (situation != MTLS_REASON_ALLOWED)
		return situation;
	return MTLS_REASON_ALLOWED;
}

static void warn_of_end(const struct login *login)
{
	const struct mtls_auth_reply *reply = &login->reply->u.auth_reply;
	if (!reply->has_cert)
		return;
	int64_t now = (int64_t)time(NULL), end = reply->cert.not_after;
	if (end >= now + (int64_t)WARN_DAYS * DAY_SECONDS)
		return;
	char date[PROMPT_DATE_MAX];
	prompt_date(end, date);
	unsigned long days = end < now ? 0 : (unsigned long)((end - now) / DAY_SECONDS);
	const char *text =
		days == 0 ? words("Your certificate ends on {date}, within a day. Renew it now.")
			  : words_plural("Your certificate ends on {date}, in {days} day. Renew it "
					 "before it does.",
					 "Your certificate ends on {date}, in {days} days. Renew "
					 "it before it does.",
					 days);
	const struct words_value values[] = { { "date", date, 0 }, { "days", NULL, days } };
	_cleanup_buf_ struct mtls_buf line = MTLS_BUF(WORDS_LINE_MAX);
	prompt_remark(&login->items.prompt, words_line(&line, text, values, MTLS_COUNT(values)));
}

#define OFF_WORDS "the kernel was started with " MTLS_BOOTWORD_OFF ": stepping aside"

/* Items are for the log only: whatever is wrong with them, the way back is open. */
static int switched_off(struct login *login, int flags)
{
	(void)items_read(login->pamh, flags, &login->items);
	(void)mtls_diag_set(&login->diag, 0, OFF_WORDS);
	return RESULT_OFF;
}

int login_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	_cleanup_(login_done) struct login login = { .pamh = pamh, .tries = MTLS_TRIES_UNKNOWN };
	session_drop(pamh);
	int situation = RESULT_FAULT;
	if (mtls_bootword_off())
		situation = switched_off(&login, flags);
	else
		situation = authenticate(&login, flags, argc, argv);
	if (situation != MTLS_REASON_ALLOWED)
		session_drop(pamh);
	else
		warn_of_end(&login);
	const struct report report = {
		.situation = situation,
		.service = login.items.service,
		.user = login.items.user,
		.host = person_host_name(login.person.host),
		.reply = login.reply ? &login.reply->u.auth_reply : NULL,
		.detail = login.diag.text,
		.prompt = &login.items.prompt,
	};
	report_outcome(pamh, &report);
	credential_after(&login.items.prompt, situation, login.tries);
	tell_issuer(&login);
	/* It would start again at once, and again, without anything that stops it. */
	if (situation != MTLS_REASON_ALLOWED && situation != RESULT_OFF &&
	    login_greeter_of_cards(&login) && login.asked.asked == 0)
		prompt_pause(&login.items.prompt, words("Press Enter to try again: "));
	/* Guessing a passphrase shall be slow: at a login prompt, a locked screen, an open shell.
	 */
	if (credential_is_guess(situation))
		(void)pam_fail_delay(pamh, FAIL_DELAY_USEC);
	return result_to_pam(RESULT_AUTHENTICATE, situation);
}

/* Who came in without us: nothing to us, unless the administrator wants a certificate. */
static int account_situation(const struct items *items, int argc, const char **argv,
			     struct mtls_diag *diag)
{
	if (mtls_bootword_off()) {
		(void)mtls_diag_set(diag, 0, OFF_WORDS);
		return RESULT_OFF;
	}
	_cleanup_(mtls_settings_pam_freep) struct mtls_settings_pam *settings = NULL;
	int rc = options_load(items->service, argc, argv, &settings, diag);
	if (rc < 0)
		return login_situation(rc, MTLS_REASON_CONFIG);
	if (settings->account != MTLS_ACCOUNT_ENFORCE)
		return RESULT_NOT_OURS;
	(void)mtls_diag_set(diag, 0, "account = enforce, and no certificate was used");
	return MTLS_REASON_CERT_REQUIRED;
}

int login_later(pam_handle_t *pamh, enum result_entry entry, int flags, int argc, const char **argv)
{
	_cleanup_(items_done) struct items items = { 0 };
	struct mtls_diag diag = { "" };
	int situation = session_situation(pamh, entry);
	int rc = items_read(pamh, flags, &items);
	if (rc < 0)
		situation = mtls_bootword_off() ? (int)RESULT_OFF
						: login_situation(rc, MTLS_REASON_CONFIG);
	else if (situation == RESULT_NOT_OURS && entry == RESULT_ACCT_MGMT)
		situation = account_situation(&items, argc, argv, &diag);
	bool exports = entry == RESULT_SETCRED || entry == RESULT_OPEN_SESSION;
	if (situation == MTLS_REASON_ALLOWED && exports && session_export(pamh) < 0)
		situation = RESULT_NO_MEMORY;
	/* Every host program comes here once the account phase, all of it, has let the person in.
	 */
	if (situation == MTLS_REASON_ALLOWED && entry == RESULT_SETCRED &&
	    !(flags & PAM_DELETE_CRED))
		witness_note(items.service, session_account(pamh));
	if (situation != MTLS_REASON_ALLOWED && situation != RESULT_NOT_OURS) {
		const struct report report = {
			.situation = situation,
			.service = items.service,
			.user = items.user,
			.detail = diag.text,
			.prompt = &items.prompt,
		};
		report_outcome(pamh, &report);
	}
	return result_to_pam(entry, situation);
}
