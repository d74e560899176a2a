/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the person to a key: who may use what here, one source after the other, and where a card may
 * still come. The signers of the source that has the key stay; all others have ended by then. The
 * host program's thread.
 */
#include <config.h>

#include <errno.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "lib/base/str.h"
#include "pam_mtls/console.h"
#include "pam_mtls/insert.h"
#include "pam_mtls/login_impl.h"
#include "pam_mtls/tls_half.h"

#define GREETER_WAIT_MS 30000 /* pam_mtls.conf(5) says so */
#define GREETER_CARDS   "gdm-smartcard"
#define TOKEN_NAME      "PKCS11_LOGIN_TOKEN_NAME"

int login_situation(int rc, enum mtls_reason otherwise)
{
	return rc == -ENOMEM ? RESULT_NO_MEMORY : (int)otherwise;
}

int login_found_or_not(int rc)
{
	return rc == MTLS_E_NOTFOUND ? 0 : rc;
}

static int look_up_users(struct login *login)
{
	struct mtls_settings_pam *settings = login->settings;
	int rc = 0;
	if (!login->caller)
		rc = login_found_or_not(user_by_uid(getuid(), &login->caller));
	if (rc == 0 && !login->claimed && login->items.user)
		rc = login_found_or_not(user_by_name(login->items.user, &login->claimed));
	/* Only root's programs have keys of the machine. */
	if (rc == 0 && getuid() == 0 && !login->signer_user && settings->signer_user &&
	    (settings->key_files || settings->pkcs11_modules))
		rc = login_found_or_not(user_by_name(settings->signer_user, &login->signer_user));
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

/*
 * logind is asked where its answer counts: for cards, of somebody whose terminal proves nothing. In
 * a program that is setuid none does by itself: su calls the terminal that its caller made its
 * input the caller's, and whose console it is can open it from elsewhere too.
 */
static enum person_seat ask_seat(const struct login *login)
{
	const struct mtls_settings_pam *settings = login->settings;
	bool cards = wants(login, MTLS_SOURCE_PKCS11) && settings->pkcs11_modules &&
		     settings->pkcs11_modules[0];
	bool proven = getuid() == geteuid() && console_has(login->items.tty, settings->local_ttys);
	if (!cards || login->items.has_rhost || proven)
		return PERSON_SEAT_UNKNOWN;
	return seat_ask(getuid() == 0 ? login->items.tty : NULL);
}

static int identify(struct login *login)
{
	int rc = look_up_users(login);
	if (rc < 0)
		return login_situation(rc, MTLS_REASON_LOOKUP_FAILED);
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
		return login_situation(rc, MTLS_REASON_SIGNER_FAILED);
	if (!login->half)
		rc = tls_half_open(MTLS_HALF_PATH, &login->half, &login->diag);
	if (rc == 0 && !login->exchange)
		rc = login->half->exchange_new(&login->settings->client, &login->exchange,
					       &login->diag);
	if (rc < 0)
		return login_situation(rc, MTLS_REASON_CONFIG);
	rc = signers_connect(&login->signers, login->half);
	return rc < 0 ? login_situation(rc, MTLS_REASON_SIGNER_FAILED) : MTLS_REASON_ALLOWED;
}

bool login_greeter_of_cards(const struct login *login)
{
	return mtls_streq(login->items.service, GREETER_CARDS);
}

/*
 * It names the card that a session was opened with: that one unlocks it, no other. The name can
 * only forbid, so who set it does not matter.
 */
static const char *only_token(const struct login *login)
{
	if (!login_greeter_of_cards(login))
		return NULL;
	const char *name = pam_getenv(login->pamh, TOKEN_NAME);
	if (!name || !*name)
		name = secure_getenv(TOKEN_NAME);
	return name && *name ? name : NULL;
}

static uint32_t card_wait_ms(const struct login *login)
{
	uint32_t wait_ms = login->settings->card_wait_ms;
	return wait_ms == 0 && login_greeter_of_cards(login) ? GREETER_WAIT_MS : wait_ms;
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
	/* That there is no file either explains less than why no card was looked for. */
	if (person->not_local && worst == MTLS_REASON_NO_CREDENTIAL)
		worst = MTLS_REASON_NOT_LOCAL;
	if (worst == MTLS_REASON_NOT_LOCAL || (person->not_local && !*login->diag.text))
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
	return rc < 0 ? login_situation(rc, MTLS_REASON_CONVERSATION) : MTLS_REASON_ALLOWED;
}

/*
 * At most two rounds: without a name (the keys of the machine, or none), then with the name that
 * was asked for.
 */
int login_find(struct login *login, struct credential *ret)
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
