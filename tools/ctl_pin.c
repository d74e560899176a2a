/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl pin: a new PIN for a card. This process talks to the person; the card is spoken to by a
 * child with a clean start, once to look and once to change. Nothing is sent to the card before
 * both PINs are known to be usable, because a wrong one costs a try.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/settings/pam_mtls.h"
#include "lib/wire/reason.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_term.h"
#include "tools/ctl_tokens.h"

#define CMD "pin"

/* What the two actions differ in. */
struct kind {
	const char *lead;   /* "pin change" */
	bool unblock;       /* a PUK opens it, not the old PIN */
	const char *proof;  /* what is asked first */
	const char *done;   /* the result, in words */
	const char *by_pad; /* what to do at a PIN pad */
};

struct pin {
	const struct kind *kind;
	bool puk;      /* the PUK takes the place of the old PIN */
	bool last_try; /* the person has said yes to it */
	bool json;
	int proof_fd, new_fd; /* -1: asked */

	struct ctl_person person;
	struct ctl_tokens *tokens;
	const struct ctl_token *token;
	struct mtls_buf proof, new;
	enum mtls_reason reason;
	uint32_t tries; /* afterwards */
};

/* What the child hands back. */
struct answer {
	enum mtls_reason reason;
	uint32_t tries;
	struct mtls_diag why;
};

/* --- the card --- */

/* As the PIN was meant for: the card counts the tries of each. */
static uint32_t tries_of(const struct pin *pin, const struct mtls_token_info *info)
{
	if (!pin->kind->unblock)
		return info->tries_left;
	return pin->puk ? MTLS_TRIES_UNKNOWN : info->so_tries_left;
}

static int use_card(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	const struct pin *pin = ctx;
	_cleanup_(mtls_tokens_freep) struct mtls_tokens *tokens = NULL;
	struct mtls_token *token = NULL;
	const bool pad = pin->token->info.pin_pad;
	const struct mtls_token_pin old = { pad ? NULL : (const char *)pin->proof.data,
					    pin->proof.len };
	const struct mtls_token_pin new = { pad ? NULL : (const char *)pin->new.data,
					    pin->new.len };

	ctl_token_quiet();
	(void)diag;
	struct answer answer = { .tries = MTLS_TRIES_UNKNOWN };
	answer.reason = ctl_token_open(pin->token, &tokens, &token, &answer.why);
	if (answer.reason == MTLS_REASON_ALLOWED)
		answer.reason = pin->kind->unblock && !pin->puk
					? mtls_token_init_pin(token, old, new, &answer.why)
					: mtls_token_set_pin(token, old, new, &answer.why);
	if (token && mtls_token_reread(token, NULL) == MTLS_REASON_ALLOWED)
		answer.tries = tries_of(pin, mtls_token_info(token));
	return mtls_buf_append(out, &answer, sizeof(answer));
}

static int change(struct pin *pin, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(CTL_PERSON_OUT_MAX);
	struct answer answer;

	int r = ctl_as_person(&pin->person, use_card, pin, &out, diag);
	if (r < 0)
		return r;
	if (out.len != sizeof(answer))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the answer is damaged");
	memcpy(&answer, out.data, sizeof(answer));
	answer.why.text[sizeof(answer.why.text) - 1] = '\0';
	if (!mtls_reason_token(answer.reason))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the answer is damaged");
	pin->reason = answer.reason;
	pin->tries = answer.tries;
	*diag = answer.why;
	return 0;
}

/* --- the person --- */

/* "" where the card does not say that it is low. */
static const char *tries_text(uint32_t tries)
{
	static const char *const texts[] = {
		"no try is left: it is locked",
		"one try is left, then it is locked",
		"few tries are left",
	};

	return tries < MTLS_COUNT(texts) ? texts[tries] : "";
}

static int check_tries(const struct pin *pin, struct mtls_diag *diag)
{
	const uint32_t tries = tries_of(pin, &pin->token->info);

	if (tries == 0)
		return mtls_diag_set(
			diag, MTLS_E_DENIED,
			pin->kind->unblock ? "the PUK is locked: the card cannot be unlocked by it"
					   : "the PIN is locked: mtlsctl pin unblock");
	if (!*tries_text(tries))
		return 0;
	(void)fprintf(stderr, "%s: %s\n", pin->kind->proof, tries_text(tries));
	if (tries > 1 || pin->last_try)
		return 0;
	int yes = ctl_ask_yes("Use the last try?");
	return yes > 0 ? 0
		       : mtls_diag_set(diag, MTLS_E_DENIED, "%s",
				       yes == 0 ? "the last try is kept"
						: "the last try is kept: --last-try uses it");
}

static int read_pin(int fd, const char *prompt, struct mtls_buf *out, struct mtls_diag *diag)
{
	int r = fd >= 0 ? ctl_read_secret(fd, out) : ctl_ask_secret(prompt, out);

	if (r < 0)
		return mtls_diag_set(diag, r, "cannot read the PIN: %s",
				     r == -ENOTTY ? "there is no terminal; use --pin-fd, "
						    "--new-pin-fd"
						  : mtls_strerror(r));
	return out->len ? 0 : mtls_diag_set(diag, MTLS_E_SECRET, "nothing was typed");
}

/* Lengths are bytes: what a card counts. */
static int check_new(const struct pin *pin, struct mtls_diag *diag)
{
	const struct mtls_token_info *info = &pin->token->info;

	if (info->pin_min && pin->new.len < info->pin_min)
		return mtls_diag_set(diag, MTLS_E_SECRET,
				     "the new PIN is too short: the card wants %zu characters",
				     info->pin_min);
	if (info->pin_max && pin->new.len > info->pin_max)
		return mtls_diag_set(diag, MTLS_E_SECRET,
				     "the new PIN is too long: the card takes %zu characters",
				     info->pin_max);
	return 0;
}

static int ask_new(struct pin *pin, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf again = MTLS_BUF_SECRET(MTLS_TOKEN_PIN_MAX);
	const struct mtls_token_info *info = &pin->token->info;
	char prompt[96] = "New PIN: ";

	if (info->pin_min && info->pin_max)
		(void)snprintf(prompt, sizeof(prompt),
			       "New PIN (%zu to %zu characters): ", info->pin_min, info->pin_max);
	int r = read_pin(pin->new_fd, prompt, &pin->new, diag);
	if (r >= 0)
		r = check_new(pin, diag);
	if (r < 0 || pin->new_fd >= 0)
		return r;
	r = read_pin(-1, "The same again: ", &again, diag);
	if (r < 0)
		return r;
	if (again.len != pin->new.len || memcmp(again.data, pin->new.data, again.len) != 0)
		return mtls_diag_set(diag, MTLS_E_SECRET, "the two new PINs differ");
	return 0;
}

static int ask(struct pin *pin, struct mtls_diag *diag)
{
	char prompt[32];

	if (pin->token->info.pin_pad) {
		(void)fprintf(stderr, "%s\n", pin->kind->by_pad);
		return 0;
	}
	(void)snprintf(prompt, sizeof(prompt), "%s: ", pin->kind->proof);
	int r = read_pin(pin->proof_fd, prompt, &pin->proof, diag);
	return r < 0 ? r : ask_new(pin, diag);
}

/* --- what came of it --- */

static void uri_of(const struct ctl_token *token, struct mtls_buf *out)
{
	if (ctl_token_uri(&token->info, out) < 0)
		mtls_buf_reset(out);
}

static int print_json(const struct pin *pin, const char *text)
{
	static const char *const words[] = { "none", "one", "few" };
	_cleanup_buf_ struct mtls_buf uri = MTLS_BUF(MTLS_TOKEN_URI_MAX);
	const struct mtls_token_info *info = &pin->token->info;

	uri_of(pin->token, &uri);
	const char *name = mtls_buf_cstr(&uri);
	return ctl_json_print(json_pack(
		"{s:b, s:s, s:s, s:s?, s:{s:s, s:s, s:s, s:s, s:s, s:s}}", "changed",
		pin->reason == MTLS_REASON_ALLOWED, "reason", mtls_reason_token(pin->reason),
		"text", text, "tries_left",
		pin->tries < MTLS_COUNT(words) ? words[pin->tries] : NULL, "token", "label",
		info->label, "manufacturer", info->manufacturer, "model", info->model, "serial",
		info->serial, "uri", name ? name : "", "module", pin->token->module));
}

/* The person's words: a PUK is wrong, where the same call of the card's says that a PIN is. */
static void failure_text(const struct pin *pin, const struct mtls_diag *why, struct mtls_diag *out)
{
	const char *what = pin->kind->unblock ? "PUK" : "PIN";
	const char *tries = tries_text(pin->tries);

	if (pin->reason == MTLS_REASON_PIN_WRONG)
		(void)mtls_diag_set(out, 0, "Wrong %s%s%s.", what, *tries ? ": " : "", tries);
	else if (pin->reason == MTLS_REASON_PIN_LOCKED)
		(void)mtls_diag_set(out, 0, "The %s is locked.", what);
	else
		(void)mtls_diag_set(out, 0, "%s%s%s", mtls_reason_text(pin->reason),
				    why->text[0] ? " " : "", why->text);
}

static int report(const struct pin *pin, const struct mtls_diag *why)
{
	const bool done = pin->reason == MTLS_REASON_ALLOWED;
	struct mtls_diag text = { 0 };
	char clean[2 * MTLS_DIAG_MAX];

	if (done)
		(void)mtls_diag_set(&text, 0, "%s of '%s'", pin->kind->done,
				    pin->token->info.label);
	else
		failure_text(pin, why, &text);
	if (!done)
		(void)ctl_error(pin->kind->lead, "%s", text.text);
	if (pin->json) {
		int code = print_json(pin, text.text);
		if (code != CTL_OK)
			return code;
	} else if (done) {
		(void)ctl_term_text(text.text, 0, clean, sizeof(clean));
		(void)puts(clean);
	}
	return done ? CTL_OK
	       : pin->reason == MTLS_REASON_PIN_WRONG || pin->reason == MTLS_REASON_PIN_LOCKED
		       ? CTL_DENIED
		       : CTL_FAILED;
}

static int find(struct pin *pin, const char *module, const char *conf,
		const struct mtls_token_filter *filter, struct mtls_diag *diag)
{
	_cleanup_(mtls_strv_freep) char **modules = NULL;

	int r = ctl_tokens_person(conf, &pin->person, diag);
	if (r >= 0)
		r = ctl_tokens_modules(module, conf, &modules, diag);
	if (r >= 0)
		r = ctl_tokens_list(&pin->person, modules, filter, pin->tokens, diag);
	return r < 0 ? r : ctl_tokens_choose(pin->tokens, &pin->token, diag);
}

static int check_token(const struct pin *pin, struct mtls_diag *diag)
{
	const struct mtls_token_info *info = &pin->token->info;

	if (info->write_protected)
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED, "'%s' cannot be written to",
				     info->label);
	if (!info->pin_set && !pin->kind->unblock)
		return mtls_diag_set(
			diag, MTLS_E_NOTFOUND,
			"'%s' has no PIN yet: 'mtlsctl pin unblock' sets the first one",
			info->label);
	return check_tries(pin, diag);
}

/* --- the command line --- */

struct options {
	const char *module, *conf, *pin_fd, *puk_fd, *new_pin_fd;
	bool last_try, json, puk;
};

#define COMMON_OPTIONS                                                                             \
	CTL_OPTION(struct options, last_try, "last-try", NULL,                                     \
		   "use the last try without a "                                                   \
		   "question"),                                                                    \
		CTL_OPTION(struct options, module, "module", "FILE",                               \
			   "the card's driver, instead of pkcs11_modules of pam_mtls.conf"),       \
		CTL_OPTION(struct options, conf, "conf", "FILE", "instead of " MTLS_PAM_CONF),     \
		CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),           \
	{                                                                                          \
		0                                                                                  \
	}

static const struct ctl_option change_options[] = {
	CTL_OPTION(struct options, pin_fd, "pin-fd", "N",
		   "read the old PIN, a line, from descriptor N instead of asking"),
	CTL_OPTION(struct options, new_pin_fd, "new-pin-fd", "N",
		   "likewise the new one; may be the same N"),
	COMMON_OPTIONS,
};

static const struct ctl_option unblock_options[] = {
	CTL_OPTION(struct options, puk_fd, "puk-fd", "N",
		   "read the PUK, a line, from descriptor N instead of asking"),
	CTL_OPTION(struct options, new_pin_fd, "new-pin-fd", "N",
		   "likewise the new PIN; may be the same N"),
	CTL_OPTION(struct options, puk, "puk", NULL,
		   "the PUK stands for the old PIN, not for the security officer's"),
	COMMON_OPTIONS,
};

static int run(struct pin *pin, const struct options *o, const struct mtls_token_filter *filter)
{
	struct mtls_diag diag = { 0 };

	int r = find(pin, o->module, o->conf, filter, &diag);
	if (r >= 0)
		r = check_token(pin, &diag);
	if (r == MTLS_E_DENIED) {
		(void)ctl_error(pin->kind->lead, "%s", diag.text);
		return CTL_DENIED;
	}
	if (r >= 0)
		r = ask(pin, &diag);
	if (r >= 0)
		r = change(pin, &diag);
	return r < 0 ? ctl_error(pin->kind->lead, "%s", mtls_diag_text(&diag, r))
		     : report(pin, &diag);
}

static int run_kind(const struct ctl_action *action, int argc, char **argv, const struct kind *kind)
{
	_cleanup_(mtls_token_filter_freep) struct mtls_token_filter *filter = NULL;
	struct options o = { .conf = MTLS_PAM_CONF };
	struct mtls_diag diag = { 0 };
	uint32_t proof = 0, new = 0;
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_action_number(action, "pin-fd", o.pin_fd, 0, INT_MAX, &proof);
	if (!code)
		code = ctl_action_number(action, "puk-fd", o.puk_fd, 0, INT_MAX, &proof);
	if (!code)
		code = ctl_action_number(action, "new-pin-fd", o.new_pin_fd, 0, INT_MAX, &new);
	if (!code && ctl_tokens_wish(count ? args[0] : NULL, &filter, &diag) < 0)
		code = ctl_action_usage(action, "'%s': %s", args[0], diag.text);
	if (code)
		return code;
	struct pin pin = {
		.kind = kind,
		.puk = o.puk,
		.last_try = o.last_try,
		.json = o.json,
		.proof_fd = o.pin_fd || o.puk_fd ? (int)proof : -1,
		.new_fd = o.new_pin_fd ? (int)new : -1,
		.proof = MTLS_BUF_SECRET(MTLS_TOKEN_PIN_MAX),
		.new = MTLS_BUF_SECRET(MTLS_TOKEN_PIN_MAX),
		.reason = MTLS_REASON_SIGNER_FAILED,
		.tries = MTLS_TRIES_UNKNOWN,
		.tokens = calloc(1, sizeof(*pin.tokens)),
	};
	code = pin.tokens ? run(&pin, &o, filter) : ctl_error(kind->lead, "out of memory");
	mtls_buf_done(&pin.proof);
	mtls_buf_done(&pin.new);
	ctl_person_done(&pin.person);
	free(pin.tokens);
	return code;
}

static int run_change(const struct ctl_action *action, int argc, char **argv)
{
	static const struct kind kind = {
		.lead = CMD " change",
		.proof = "Old PIN",
		.done = "changed the PIN",
		.by_pad = "Type the old PIN and twice the new one at the reader.",
	};

	return run_kind(action, argc, argv, &kind);
}

static int run_unblock(const struct ctl_action *action, int argc, char **argv)
{
	static const struct kind kind = {
		.lead = CMD " unblock",
		.unblock = true,
		.proof = "PUK",
		.done = "set a new PIN",
		.by_pad = "Type the PUK and twice the new PIN at the reader.",
	};

	return run_kind(action, argc, argv, &kind);
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "change", "[TOKEN]", "Changes the PIN of a card", 0, 1, change_options, run_change },
	{ CMD, "unblock", "[TOKEN]", "Sets a new PIN by the card's PUK (the PIN of its security officer); the old one may be locked",
	  0, 1, unblock_options, run_unblock },
};
/* clang-format on */

const struct ctl_command ctl_pin = {
	.name = CMD,
	.help = "change or unblock the PIN of a card",
	.about = "TOKEN is a card's PKCS#11 URI or label; without it, the only card, or a "
		 "question. Run it as the\n"
		 "person whose card it is; root works with what the system user of the signers "
		 "sees.",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
