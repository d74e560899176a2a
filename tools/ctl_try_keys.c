/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys of a try: the signers that pam_mtls would start in a program that the person starts, in the
 * same order, and the same words about which key counts. One difference: where the person sits is
 * not asked, so a card counts over the network too.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "signer/command.h"
#include "tools/ctl_common.h"
#include "tools/ctl_term.h"
#include "tools/ctl_text.h"
#include "tools/ctl_try.h"

#define SOURCES_MAX MTLS_SOURCES
#define ADDRESS_MAX (PATH_MAX + 16)
#define KEYS_MAX    64
#define WORDS_MAX   (4 * MTLS_DIAG_MAX)

static const char *agent_socket(const struct try *t)
{
	const char *given = t->socket ? t->socket : getenv("SSH_AUTH_SOCK");

	return given && *given ? given : NULL;
}

/* Where the agent or the forwarded token is, as the command line and the environment say. */
static const char *address_of(const struct try *t, enum mtls_source_kind kind,
			      char own[ADDRESS_MAX])
{
	const char *address = getenv("P11_KIT_SERVER_ADDRESS");

	if (kind == MTLS_SOURCE_AGENT)
		return agent_socket(t);
	if (t->socket) {
		(void)snprintf(own, ADDRESS_MAX, "unix:path=%s", t->socket);
		return own;
	}
	return address && *address ? address : NULL;
}

static int build_argv(const struct try *t, enum mtls_source_kind kind, char ***ret)
{
	char own[ADDRESS_MAX];
	char key_file[PATH_MAX], *files[] = { key_file, NULL };
	const bool one = t->key_file && kind == MTLS_SOURCE_FILE;

	if (one && mtls_strcopy(key_file, sizeof(key_file), t->key_file) < 0)
		return -ENAMETOOLONG;
	const struct signer_command command = {
		.kind = kind,
		.settings = t->settings,
		.uid = getuid(),
		.home = t->home,
		.folder = !one,
		.files = one ? files : NULL,
		.uri = t->uri,
		.address = address_of(t, kind, own),
	};
	return signer_command_argv(&command, ret);
}

/* --- a source --- */

void try_keys_done(struct try *t)
{
	signer_client_free(t->keys.client);
	signer_stop(&t->keys.process);
	t->keys.client = NULL;
}

static enum mtls_reason start(struct try *t, enum mtls_source_kind kind)
{
	_cleanup_(mtls_strv_freep) char **argv = NULL;

	t->keys.kind = kind;
	t->keys.secret_required =
		mtls_settings_presence_required(t->settings->presence, t->service, kind);
	int r = build_argv(t, kind, &argv);
	if (r < 0) {
		(void)mtls_diag_set(&t->diag, r, "%s: %s", signer_command_name(kind),
				    mtls_strerror(r));
		return MTLS_REASON_SIGNER_FAILED;
	}
	const struct signer_start start = {
		.program = signer_command_program(kind),
		.identity = { .uid = getuid(), .gid = getgid() },
		.argv = (const char *const *)argv,
	};
	if (signer_start(&start, &t->keys.process, &t->diag) < 0)
		return MTLS_REASON_SIGNER_FAILED;
	t->keys.client = signer_client_new(MTLS_TAKE_FD(t->keys.process.fd));
	if (!t->keys.client) {
		(void)mtls_diag_set(&t->diag, -ENOMEM, "out of memory");
		return MTLS_REASON_SIGNER_FAILED;
	}
	return signer_client_list(t->keys.client, t->settings->signer_timeout_ms, &t->diag);
}

/* NULL: it can be asked. */
static const char *why_not(const struct try *t, enum mtls_source_kind kind)
{
	if (kind == MTLS_SOURCE_PKCS11 && !t->settings->pkcs11_modules)
		return "no driver of cards is named in pkcs11_modules";
	if (kind == MTLS_SOURCE_AGENT && !agent_socket(t))
		return "no SSH_AUTH_SOCK says where an agent is";
	return NULL;
}

/* --- which key --- */

static const char *secret_words(const struct mtls_signer_credential *c)
{
	if (!c->needs_secret)
		return ", no secret is needed";
	return c->secret_kind == MTLS_SECRET_PIN_PAD ? ", PIN at the reader"
	       : c->secret_kind == MTLS_SECRET_PIN   ? ", PIN"
						     : "";
}

static void show_key(struct try *t, size_t number, const struct mtls_signer_credential *c)
{
	struct ctl_text day;

	try_step(t, "key", "%zu: %s, issuer %s, until %s%s%s%s%s", number, c->label, c->issuer,
		 ctl_text_day(&day, c->not_after), c->token ? ", on '" : "",
		 c->token ? c->token : "", c->token ? "'" : "", secret_words(c));
}

static enum mtls_reason choose(struct try *t)
{
	const struct mtls_signer_credential *usable[KEYS_MAX];
	const size_t all = signer_client_count(t->keys.client);
	size_t count = 0;
	int index = 0;

	for (size_t i = 0; i < all; i++) {
		const struct mtls_signer_credential *c =
			signer_client_credential(t->keys.client, i);
		show_key(t, i + 1, c);
		if ((c->needs_secret || !t->keys.secret_required) && count < KEYS_MAX)
			usable[count++] = c;
	}
	if (count == 0)
		return all ? MTLS_REASON_KEY_UNPROTECTED : MTLS_REASON_NO_CREDENTIAL;
	if (count > 1) {
		index = ctl_ask_number("Which key", count);
		if (index < 0) {
			(void)mtls_diag_set(&t->diag, index,
					    "several keys and no choice: name one with --key or "
					    "--uri");
			return MTLS_REASON_CONVERSATION;
		}
	}
	t->credential = usable[index];
	return MTLS_REASON_ALLOWED;
}

static enum mtls_reason ask_source(struct try *t, enum mtls_source_kind kind)
{
	const char *word = mtls_source_word(kind), *why = why_not(t, kind);

	t->diag.text[0] = '\0';
	if (why) {
		(void)mtls_diag_set(&t->diag, 0, "%s", why);
		try_step(t, "source", "%s: %s", word, why);
		return kind == MTLS_SOURCE_AGENT ? MTLS_REASON_AGENT_MISSING
						 : MTLS_REASON_NO_CREDENTIAL;
	}
	if (kind == MTLS_SOURCE_FILE)
		try_step(t, "source", "%s: looks for keys in '%s%s'", word,
			 t->key_file ? t->key_file : t->home, t->key_file ? "" : "/.config/mtls");
	else
		try_step(t, "source", "%s", word);
	enum mtls_reason reason = start(t, kind);
	if (reason == MTLS_REASON_ALLOWED)
		reason = choose(t);
	if (reason != MTLS_REASON_ALLOWED)
		try_step(t, "source", "%s: %s%s%s", word, mtls_reason_text(reason),
			 t->diag.text[0] ? " " : "", t->diag.text);
	return reason;
}

/* How much a reason explains, where several sources had nothing; as in pam_mtls. */
static int weight_of(enum mtls_reason reason)
{
	if (reason == MTLS_REASON_NO_TOKEN)
		return 0;
	return reason == MTLS_REASON_NO_CREDENTIAL || reason == MTLS_REASON_AGENT_MISSING ? 1 : 3;
}

static size_t kinds_of(const struct try *t, enum mtls_source_kind out[SOURCES_MAX])
{
	const char *const one[] = { t->source ? t->source : "file", NULL };
	size_t count = 0;

	const char *const *words =
		t->source || t->key_file ? one : (const char *const *)t->settings->sources;
	for (; words && *words && count < SOURCES_MAX; words++) {
		int kind = mtls_source_from_word(*words);
		if (kind >= 0)
			out[count++] = (enum mtls_source_kind)kind;
	}
	return count;
}

enum mtls_reason try_keys_find(struct try *t)
{
	enum mtls_source_kind kinds[SOURCES_MAX];
	const size_t count = kinds_of(t, kinds);
	enum mtls_reason worst = MTLS_REASON_NO_CREDENTIAL;
	const char *left_out = NULL;
	struct mtls_diag diag = { 0 };
	size_t asked = 0;

	for (size_t i = 0; i < count; i++) {
		/* Not started by pam_mtls either, which says no-source if that was all. */
		if (kinds[i] == MTLS_SOURCE_PKCS11 && !t->settings->pkcs11_modules && !t->source) {
			left_out = why_not(t, kinds[i]);
			continue;
		}
		enum mtls_reason reason = ask_source(t, kinds[i]);
		if (reason == MTLS_REASON_ALLOWED || reason == MTLS_REASON_CONVERSATION)
			return reason;
		try_keys_done(t);
		if (asked++ == 0 || weight_of(reason) > weight_of(worst)) {
			worst = reason;
			diag = t->diag;
		}
	}
	if (asked == 0 && left_out) {
		worst = MTLS_REASON_NO_SOURCE;
		(void)mtls_diag_set(&diag, 0, "%s", left_out);
		try_step(t, "source", "%s: %s", mtls_source_word(MTLS_SOURCE_PKCS11), left_out);
	}
	t->diag = diag;
	return worst;
}

/* --- its secret --- */

static enum mtls_reason check_tries(struct try *t)
{
	if (t->credential->tries_left == 0)
		return t->credential->secret_kind == MTLS_SECRET_PASSPHRASE
			       ? MTLS_REASON_KEY_UNUSABLE
			       : MTLS_REASON_PIN_LOCKED;
	if (t->credential->tries_left != 1 ||
	    ctl_ask_yes("This is the last try before it is locked. Go on?") > 0)
		return MTLS_REASON_ALLOWED;
	(void)mtls_diag_set(&t->diag, 0, "the last try is kept");
	return MTLS_REASON_SECRET_EMPTY;
}

static enum mtls_reason read_secret(struct try *t, struct mtls_buf *secret)
{
	const bool is_pin = t->credential->secret_kind == MTLS_SECRET_PIN;
	const char *token = t->credential->token ? t->credential->token : "the card";
	char label[WORDS_MAX], prompt[WORDS_MAX + 16] = "Passphrase: ";

	(void)ctl_term_text(token, 0, label, sizeof(label));
	if (is_pin)
		(void)snprintf(prompt, sizeof(prompt), "PIN of '%s': ", label);
	int r = t->passphrase_fd >= 0 ? ctl_read_secret(t->passphrase_fd, secret)
				      : ctl_ask_secret(prompt, secret);
	if (r < 0) {
		(void)mtls_diag_set(&t->diag, r, "cannot read the %s: %s",
				    is_pin ? "PIN" : "passphrase", mtls_strerror(r));
		return MTLS_REASON_CONVERSATION;
	}
	return secret->len ? MTLS_REASON_ALLOWED : MTLS_REASON_SECRET_EMPTY;
}

/* The list was made anew if the secret showed what was hidden. */
static enum mtls_reason find_again(struct try *t, uint32_t id)
{
	const size_t count = signer_client_count(t->keys.client);

	for (size_t i = 0; i < count; i++) {
		t->credential = signer_client_credential(t->keys.client, i);
		if (t->credential->id == id && t->credential->chain_count)
			return MTLS_REASON_ALLOWED;
	}
	t->credential = NULL;
	return MTLS_REASON_KEY_UNUSABLE;
}

enum mtls_reason try_keys_unlock(struct try *t)
{
	_cleanup_buf_ struct mtls_buf secret = MTLS_BUF_SECRET(MTLS_SECRET_MAX);
	enum mtls_presence presence = MTLS_PRESENCE_NONE;
	uint32_t tries = MTLS_TRIES_UNKNOWN;

	if (!t->credential->needs_secret) {
		try_step(t, "unlock", "not needed, and %s",
			 t->settings->presence == MTLS_PRESENCE_NOT_REQUIRED
				 ? "presence = not-required"
				 : "none is wanted of this source for this service");
		return MTLS_REASON_ALLOWED;
	}
	const bool pad = t->credential->secret_kind == MTLS_SECRET_PIN_PAD;
	enum mtls_reason reason = check_tries(t);
	if (reason == MTLS_REASON_ALLOWED && pad)
		(void)fprintf(stderr, "Type the PIN at the reader.\n");
	else if (reason == MTLS_REASON_ALLOWED)
		reason = read_secret(t, &secret);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	const uint32_t id = t->credential->id;
	reason = signer_client_unlock(
		t->keys.client, id, pad ? (const uint8_t *)"" : secret.data, secret.len,
		pad ? t->settings->person_timeout_ms : t->settings->signer_timeout_ms, &presence,
		&tries, &t->diag);
	if (reason == MTLS_REASON_ALLOWED && t->keys.secret_required &&
	    presence == MTLS_PRESENCE_NONE)
		reason = MTLS_REASON_KEY_UNPROTECTED;
	if (reason == MTLS_REASON_ALLOWED)
		reason = find_again(t, id);
	if (reason == MTLS_REASON_ALLOWED)
		try_step(t, "unlock", "the key is open");
	return reason;
}

uint32_t try_keys_patience(const struct try *t)
{
	return t->keys.kind == MTLS_SOURCE_FILE ? t->settings->signer_timeout_ms
						: t->settings->person_timeout_ms;
}
