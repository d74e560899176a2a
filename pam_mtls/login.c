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
#include "pam_mtls/console.h"
#include "pam_mtls/credential.h"
#include "pam_mtls/hints.h"
#include "pam_mtls/insert.h"
#include "pam_mtls/issuer.h"
#include "pam_mtls/items.h"
#include "pam_mtls/login.h"
#include "pam_mtls/options.h"
#include "pam_mtls/report.h"
#include "pam_mtls/seat.h"
#include "pam_mtls/session.h"
#include "pam_mtls/signers.h"
#include "pam_mtls/tls_half.h"
#include "pam_mtls/witness.h"
#include "pam_mtls/words.h"

#define WARN_DAYS       14
#define DAY_SECONDS     86400
#define FAIL_DELAY_USEC 2000000
#define GREETER_WAIT_MS 30000 /* pam_mtls.conf(5) says so */
#define GREETER_CARDS   "gdm-smartcard"
#define TOKEN_NAME      "PKCS11_LOGIN_TOKEN_NAME"
#define NOTICE_MS       1500 /* a signature that takes longer may wait for a finger */

struct login {
	pam_handle_t *pamh;
	struct items items;
	struct prompt_state asked;
	struct mtls_settings_pam *settings;
	struct user *caller, *claimed, *signer_user;
	struct hints hints;
	struct person person;
	struct signers signers;
	struct credential_set credentials;
	int card_trouble; /* why the cards' source had nothing; ALLOWED: it was not asked */
	bool card_asked;  /* the person was asked to insert one */
	const struct half_ops *half;
	struct mtls_exchange *exchange;
	struct mtls_msg *reply;
	uint32_t tries; /* that a refused secret left */
	struct mtls_exchange_accepted
		accepted;   /* whose certificates, where the issuer was refused */
	const char *issuer; /* of that certificate, borrowed; NULL: it was not refused */
	struct mtls_diag diag;
};

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

/* A failed step whose code has no reason of its own. */
static int situation_of(int rc, enum mtls_reason otherwise)
{
	return rc == -ENOMEM ? RESULT_NO_MEMORY : (int)otherwise;
}

/* A look-up where "no such account" is an answer and leaves @ret NULL. */
static int found_or_not(int rc)
{
	return rc == MTLS_E_NOTFOUND ? 0 : rc;
}

static int look_up_users(struct login *login)
{
	struct mtls_settings_pam *settings = login->settings;
	int rc = 0;
	if (!login->caller)
		rc = found_or_not(user_by_uid(getuid(), &login->caller));
	if (rc == 0 && !login->claimed && login->items.user)
		rc = found_or_not(user_by_name(login->items.user, &login->claimed));
	if (rc == 0 && !login->signer_user && settings->signer_user &&
	    (settings->key_files || settings->pkcs11_modules))
		rc = found_or_not(user_by_name(settings->signer_user, &login->signer_user));
	if (rc < 0)
		(void)mtls_diag_set(&login->diag, rc, "looking up an account: %s",
				    mtls_strerror(rc));
	return rc;
}

static bool wants(const struct login *login, enum mtls_source_kind kind)
{
	for (char *const *word = login->settings->sources; word && *word; word++)
		if (mtls_source_from_word(*word) == (int)kind)
			return true;
	return false;
}

static const char *hint_or_null(const char *hint)
{
	return *hint ? hint : NULL;
}

/* logind is asked where its answer counts: for cards, of somebody whose terminal proves nothing. */
static enum person_seat ask_seat(const struct login *login)
{
	const struct mtls_settings_pam *settings = login->settings;
	bool cards = wants(login, MTLS_SOURCE_PKCS11) && settings->pkcs11_modules &&
		     settings->pkcs11_modules[0];
	if (!cards || login->items.has_rhost || console_has(login->items.tty, settings->local_ttys))
		return PERSON_SEAT_UNKNOWN;
	return seat_ask(getuid() == 0 ? login->items.tty : NULL);
}

static int identify(struct login *login)
{
	int rc = look_up_users(login);
	if (rc < 0)
		return situation_of(rc, MTLS_REASON_LOOKUP_FAILED);
	/* The environment is the caller's: where that is nobody but root, it says nothing. */
	if (getuid() != 0 && (wants(login, MTLS_SOURCE_AGENT) || wants(login, MTLS_SOURCE_P11_KIT)))
		hints_find(login->pamh, &login->hints);
	const struct person_facts facts = {
		.ruid = getuid(),
		.euid = geteuid(),
		.caller = login->caller,
		.service = login->items.service,
		.claimed_name = login->items.user,
		.claimed = login->claimed,
		.signer = login->signer_user,
		/* One that is set but unfit to be sent is remote all the same. */
		.rhost = login->items.has_rhost ? "set" : NULL,
		.tty = login->items.tty,
		.seat = ask_seat(login),
		.agent_socket = hint_or_null(login->hints.agent_socket),
		.p11_address = hint_or_null(login->hints.p11_address),
		.settings = login->settings,
	};
	int reason = person_identify(&facts, &login->person);
	if (login->settings->debug)
		pam_syslog(login->pamh, LOG_DEBUG, "host=%s local=%d sources=%zu needs_name=%d",
			   person_host_name(login->person.host), login->person.local,
			   login->person.source_count, login->person.needs_name);
	return reason;
}

/* The signers load while the half is opened and the server's CA is read. */
static int start(struct login *login, size_t first, size_t count)
{
	int rc = signers_start(&login->signers, &login->person, first, count, login->settings,
			       &login->diag);
	if (rc < 0)
		return situation_of(rc, MTLS_REASON_SIGNER_FAILED);
	if (!login->half)
		rc = tls_half_open(MTLS_HALF_PATH, &login->half, &login->diag);
	if (rc == 0 && !login->exchange)
		rc = login->half->exchange_new(&login->settings->client, &login->exchange,
					       &login->diag);
	if (rc < 0)
		return situation_of(rc, MTLS_REASON_CONFIG);
	rc = signers_connect(&login->signers, login->half);
	return rc < 0 ? situation_of(rc, MTLS_REASON_SIGNER_FAILED) : MTLS_REASON_ALLOWED;
}

/*
 * The greeter of GNOME keeps a service for cards, and names the card that a session was opened
 * with: that one unlocks it, no other. The name can only forbid, so who set it does not matter.
 */
static bool is_greeter_of_cards(const struct login *login)
{
	return mtls_streq(login->items.service, GREETER_CARDS);
}

static const char *only_token(const struct login *login)
{
	if (!is_greeter_of_cards(login))
		return NULL;
	const char *name = pam_getenv(login->pamh, TOKEN_NAME);
	if (!name || !*name)
		name = secure_getenv(TOKEN_NAME);
	return name && *name ? name : NULL;
}

static uint32_t card_wait_ms(const struct login *login)
{
	uint32_t wait_ms = login->settings->card_wait_ms;
	return wait_ms == 0 && is_greeter_of_cards(login) ? GREETER_WAIT_MS : wait_ms;
}

/* What the sources @first to @first + @count - 1 have; they are of one kind. */
static int list_and_choose(struct login *login, size_t first, size_t count, struct credential *ret)
{
	signers_done(&login->signers);
	login->diag.text[0] = '\0';
	const struct person_source *source = &login->person.sources[first];
	if (source->kind == MTLS_SOURCE_AGENT && !source->address) {
		(void)mtls_diag_set(&login->diag, 0, "no SSH_AUTH_SOCK says where an agent is");
		return MTLS_REASON_AGENT_MISSING;
	}
	int situation = start(login, first, count);
	if (situation != MTLS_REASON_ALLOWED)
		return situation;
	login->credentials = (struct credential_set)CREDENTIAL_SET_EMPTY;
	login->credentials.only_token = only_token(login);
	for (size_t i = 0; i < login->signers.count; i++)
		credential_collect(&login->credentials, login->half, login->signers.clients[i],
				   login->signers.secret_required[i],
				   login->settings->signer_timeout_ms, &login->diag);
	return credential_choose(&login->credentials, &login->items.prompt, ret);
}

/* True where the person was not asked anything, since there was nothing to ask about. */
static bool nothing_there(const struct login *login, int situation)
{
	switch (situation) {
	case MTLS_REASON_NO_CREDENTIAL:
	case MTLS_REASON_KEY_UNPROTECTED:
	case MTLS_REASON_KEY_UNUSABLE:
	case MTLS_REASON_SIGNER_FAILED:
	case MTLS_REASON_SIGNER_TIMEOUT:
	case MTLS_REASON_NO_TOKEN:
	case MTLS_REASON_TOKEN_GONE:
	case MTLS_REASON_PIN_LOCKED:
	case MTLS_REASON_READER_REFUSED:
	case MTLS_REASON_MODULE_FAILED:
	case MTLS_REASON_AGENT_MISSING:
	case MTLS_REASON_AGENT_REFUSED:
	case MTLS_REASON_SOCKET_UNTRUSTED:
		return true;
	case MTLS_REASON_CONVERSATION:
		/*
		 * Keys with secrets are for those who can be asked. Who was asked and broke off is
		 * not let in by another key: sudo's ^C, for one, is such an answer.
		 */
		return !prompt_possible(&login->items.prompt) && !login->asked.failed;
	default:
		return false;
	}
}

/*
 * How much a reason explains, where several sources had nothing: something that went wrong, then
 * "nobody can be asked", then "nothing there", then "no card", which is usual.
 */
static int weight_of(int situation)
{
	switch (situation) {
	case MTLS_REASON_NO_TOKEN:
		return 0;
	case MTLS_REASON_NO_CREDENTIAL:
	case MTLS_REASON_AGENT_MISSING:
		return 1;
	case MTLS_REASON_CONVERSATION:
		return 2;
	default:
		return 3;
	}
}

/*
 * Once, where the administrator wants it and a card would help: asks for one and looks for it.
 * @situation stays what it was where nothing came of that.
 */
static int wait_for_card(struct login *login, int situation, struct credential *ret)
{
	size_t at = 0;
	while (at < login->person.source_count &&
	       login->person.sources[at].kind != MTLS_SOURCE_PKCS11)
		at++;
	if (at == login->person.source_count || login->card_asked || card_wait_ms(login) == 0 ||
	    !insert_helps(login->card_trouble) || !prompt_possible(&login->items.prompt))
		return situation;
	login->card_asked = true;
	signers_done(&login->signers);
	int rc = start(login, at, 1);
	if (rc != MTLS_REASON_ALLOWED)
		return situation;
	const struct insert insert = {
		.half = login->half,
		.signer = login->signers.clients[0],
		.prompt = &login->items.prompt,
		.secret_required = login->signers.secret_required[0],
		.wait_ms = card_wait_ms(login),
		.list_timeout_ms = login->settings->signer_timeout_ms,
	};
	login->credentials = (struct credential_set)CREDENTIAL_SET_EMPTY;
	login->credentials.only_token = only_token(login);
	int now = insert_card(&insert, &login->credentials, &login->diag);
	if (now == MTLS_REASON_CONVERSATION)
		return now;
	now = credential_choose(&login->credentials, &login->items.prompt, ret);
	return nothing_there(login, now) && insert_helps(now) ? situation : now;
}

/* One source after the other, until one has a key that can be used. */
static int try_sources(struct login *login, struct credential *ret)
{
	const struct person *person = &login->person;
	struct mtls_diag diag = { "" };
	int worst = MTLS_REASON_NO_TOKEN;

	for (size_t first = 0, count; first < person->source_count; first += count) {
		for (count = 1; first + count < person->source_count; count++)
			if (person->sources[first + count].kind != person->sources[first].kind)
				break;
		int situation = list_and_choose(login, first, count, ret);
		if (!nothing_there(login, situation))
			return situation;
		if (person->sources[first].kind == MTLS_SOURCE_PKCS11)
			login->card_trouble = situation;
		/* Of equals the first: the administrator put it there. */
		if (first == 0 || weight_of(situation) > weight_of(worst)) {
			worst = situation;
			diag = login->diag;
		}
	}
	login->diag = diag;
	if (person->not_local && !*login->diag.text)
		(void)mtls_diag_set(
			&login->diag, 0,
			"source pkcs11 was left out: nobody is known to sit in front of "
			"this machine");
	return wait_for_card(login, worst, ret);
}

static int ask_name(struct login *login)
{
	int rc = items_ask_user(login->pamh, &login->items);
	login->asked.asked++;
	if (rc == MTLS_E_NOTFOUND)
		return MTLS_REASON_USER_UNKNOWN;
	return rc < 0 ? situation_of(rc, MTLS_REASON_CONVERSATION) : MTLS_REASON_ALLOWED;
}

/*
 * At most two rounds: without a name (the keys of the machine, or none), then with the name that
 * was asked for.
 */
static int find_credential(struct login *login, struct credential *ret)
{
	for (;;) {
		int situation = identify(login);
		if (situation != MTLS_REASON_ALLOWED)
			return situation;
		bool nameless = !login->items.user;
		if (!login->person.needs_name) {
			situation = try_sources(login, ret);
			/* A card names its account itself; files are those of a name. */
			bool again = nameless && login->person.host == PERSON_HOST_ROOT &&
				     wants(login, MTLS_SOURCE_FILE) &&
				     nothing_there(login, situation);
			if (!again)
				return situation;
			signers_done(&login->signers);
		}
		if (!nameless)
			return RESULT_FAULT;
		situation = ask_name(login);
		if (situation != MTLS_REASON_ALLOWED)
			return situation;
	}
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
		int rc = found_or_not(user_by_name(reply->account, &local));
		if (rc < 0)
			return situation_of(rc, MTLS_REASON_LOOKUP_FAILED);
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
	const char *token = is_greeter_of_cards(login) ? credential->info->token : NULL;
	if (session_keep(login->pamh, reply, caller, token) < 0)
		return RESULT_NO_MEMORY;
	/* Another thread or module of the host may have changed the name while we were away. */
	return session_situation(login->pamh, RESULT_AUTHENTICATE);
}

static int authenticate(struct login *login, int flags, int argc, const char **argv)
{
	int rc = items_read(login->pamh, flags, &login->items);
	if (rc < 0)
		return situation_of(rc, MTLS_REASON_CONFIG);
	if (secure_getenv("SSLKEYLOGFILE"))
		return MTLS_REASON_KEYLOG;
	rc = options_load(login->items.service, argc, argv, &login->settings, &login->diag);
	if (rc < 0)
		return situation_of(rc, MTLS_REASON_CONFIG);
	login->items.prompt.state = &login->asked;
	struct credential credential = { .info = NULL };
	int situation = find_credential(login, &credential);
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
	    is_greeter_of_cards(&login) && login.asked.asked == 0)
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
		return situation_of(rc, MTLS_REASON_CONFIG);
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
						: situation_of(rc, MTLS_REASON_CONFIG);
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
