/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readers and what is in them. A token is the same one as long as its module shows the same label,
 * maker, model and serial number in the same slot.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/token/token_impl.h"

#define POLL_MS 250

static uint32_t tries(CK_FLAGS flags, CK_FLAGS locked, CK_FLAGS final, CK_FLAGS low)
{
	return flags & locked ? 0 : flags & final ? 1 : flags & low ? 2 : MTLS_TRIES_UNKNOWN;
}

/* CK_UNAVAILABLE_INFORMATION, and lengths that nobody has, are "not said". */
static size_t pin_length(CK_ULONG value)
{
	return value > MTLS_TOKEN_PIN_MAX ? 0 : value;
}

void token_info_fill(struct mtls_token *token)
{
	const CK_TOKEN_INFO *raw = &token->raw;
	const CK_FLAGS flags = raw->flags;
	struct mtls_token_info *info = &token->info;

	*info = (struct mtls_token_info){
		.module = token->module->path,
		.initialised = flags & CKF_TOKEN_INITIALIZED,
		.pin_set = flags & CKF_USER_PIN_INITIALIZED,
		.login_required = flags & CKF_LOGIN_REQUIRED,
		.pin_pad = flags & CKF_PROTECTED_AUTHENTICATION_PATH,
		.write_protected = flags & CKF_WRITE_PROTECTED,
		.removable = token->slot_info.flags & CKF_REMOVABLE_DEVICE,
		.pin_to_be_changed = flags & CKF_USER_PIN_TO_BE_CHANGED,
		.so_pin_locked = flags & CKF_SO_PIN_LOCKED,
		.tries_left = tries(flags, CKF_USER_PIN_LOCKED, CKF_USER_PIN_FINAL_TRY,
				    CKF_USER_PIN_COUNT_LOW),
		.so_tries_left =
			tries(flags, CKF_SO_PIN_LOCKED, CKF_SO_PIN_FINAL_TRY, CKF_SO_PIN_COUNT_LOW),
		.pin_min = pin_length(raw->ulMinPinLen),
		.pin_max = pin_length(raw->ulMaxPinLen),
	};
	token_text(info->manufacturer, sizeof(info->manufacturer), raw->manufacturerID,
		   sizeof(raw->manufacturerID));
	token_text(info->model, sizeof(info->model), raw->model, sizeof(raw->model));
	token_text(info->serial, sizeof(info->serial), raw->serialNumber,
		   sizeof(raw->serialNumber));
	token_text(info->slot, sizeof(info->slot), token->slot_info.slotDescription,
		   sizeof(token->slot_info.slotDescription));
	token_text(info->label, sizeof(info->label), raw->label, sizeof(raw->label));
	if (!info->label[0])
		(void)memcpy(info->label, info->model, sizeof(info->model));
}

static bool same_token(const CK_TOKEN_INFO *a, const CK_TOKEN_INFO *b)
{
	return memcmp(a->label, b->label, sizeof(a->label)) == 0 &&
	       memcmp(a->manufacturerID, b->manufacturerID, sizeof(a->manufacturerID)) == 0 &&
	       memcmp(a->model, b->model, sizeof(a->model)) == 0 &&
	       memcmp(a->serialNumber, b->serialNumber, sizeof(a->serialNumber)) == 0;
}

enum mtls_reason token_check(struct mtls_token *token, struct mtls_diag *diag)
{
	CK_TOKEN_INFO now = { 0 };

	if (!token->present) {
		(void)mtls_diag_set(diag, 0, "it is not in the reader any more");
		return MTLS_REASON_TOKEN_GONE;
	}
	CK_RV rv = token->module->api->C_GetTokenInfo(token->slot, &now);
	if (rv != CKR_OK)
		return token_result(rv, "C_GetTokenInfo", diag);
	if (!same_token(&now, &token->raw)) {
		(void)mtls_diag_set(diag, 0, "another one is in the reader now");
		return MTLS_REASON_TOKEN_GONE;
	}
	token->raw = now;
	token_info_fill(token);
	return MTLS_REASON_ALLOWED;
}

enum mtls_reason mtls_token_reread(struct mtls_token *token, struct mtls_diag *diag)
{
	return token_check(token, diag);
}

const struct mtls_token_info *mtls_token_info(const struct mtls_token *token)
{
	return &token->info;
}

bool mtls_token_present(const struct mtls_token *token)
{
	return token->present;
}

static void say(const struct mtls_tokens *tokens, const struct module *module, const char *text)
{
	if (tokens->say)
		tokens->say(tokens->say_ctx, module->path, text);
}

static struct mtls_token *find_known(const struct mtls_tokens *tokens, const struct module *module,
				     CK_SLOT_ID slot, const CK_TOKEN_INFO *raw)
{
	for (size_t i = 0; i < tokens->all_count; i++) {
		struct mtls_token *token = tokens->all[i];
		if (token->module == module && token->slot == slot && same_token(&token->raw, raw))
			return token;
	}
	return NULL;
}

/* Room for one more, if need be in the place of one that is gone. */
static struct mtls_token *new_token(struct mtls_tokens *tokens)
{
	if (tokens->all_count == MTLS_COUNT(tokens->all))
		return NULL;
	struct mtls_token *token = calloc(1, sizeof(*token));
	if (token)
		tokens->all[tokens->all_count++] = token;
	return token;
}

static enum mtls_reason see(struct mtls_tokens *tokens, struct module *module, CK_SLOT_ID slot,
			    const struct mtls_token_filters *filters)
{
	struct mtls_token seen = { .module = module, .slot = slot };
	struct mtls_diag diag = { 0 };

	if (module->api->C_GetSlotInfo(slot, &seen.slot_info) != CKR_OK)
		seen.slot_info = (CK_SLOT_INFO){ 0 };
	CK_RV rv = module->api->C_GetTokenInfo(slot, &seen.raw);
	if (rv != CKR_OK) {
		enum mtls_reason reason = token_result(rv, "C_GetTokenInfo", &diag);
		if (reason != MTLS_REASON_TOKEN_GONE) /* else it was taken out just now */
			say(tokens, module, diag.text);
		return reason;
	}
	if (!(seen.raw.flags & CKF_TOKEN_INITIALIZED) || !token_filters_take(filters, &seen))
		return MTLS_REASON_NO_TOKEN;
	struct mtls_token *token = find_known(tokens, module, slot, &seen.raw);
	if (token) {
		token->raw = seen.raw;
	} else {
		token = new_token(tokens);
		if (!token)
			return MTLS_REASON_SIGNER_FAILED;
		*token = seen;
	}
	token_info_fill(token);
	token->seen = true;
	tokens->now[tokens->now_count++] = token;
	return MTLS_REASON_ALLOWED;
}

static enum mtls_reason look_at(struct mtls_tokens *tokens, struct module *module,
				const struct mtls_token_filters *filters)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	struct mtls_diag diag = { 0 };
	enum mtls_reason worst = MTLS_REASON_NO_TOKEN;

	if (module->ended)
		return MTLS_REASON_MODULE_FAILED;
	/* New readers are seen by the call without room (PKCS#11 2.40, 5.5). */
	CK_RV rv = module->api->C_GetSlotList(CK_TRUE, NULL, &count);
	count = SLOTS_MAX;
	if (rv == CKR_OK)
		rv = module->api->C_GetSlotList(CK_TRUE, slots, &count);
	if (rv == CKR_OK && count > SLOTS_MAX)
		rv = CKR_BUFFER_TOO_SMALL;
	if (rv != CKR_OK) {
		(void)token_result(rv, "C_GetSlotList", &diag);
		say(tokens, module, diag.text);
		return MTLS_REASON_MODULE_FAILED;
	}
	for (CK_ULONG i = 0; i < count && tokens->now_count < MTLS_TOKENS_MAX; i++) {
		enum mtls_reason reason = see(tokens, module, slots[i], filters);
		if (reason == MTLS_REASON_MODULE_FAILED || reason == MTLS_REASON_SIGNER_FAILED)
			worst = MTLS_REASON_MODULE_FAILED;
	}
	return worst;
}

enum mtls_reason mtls_tokens_look(struct mtls_tokens *tokens,
				  const struct mtls_token_filters *filters)
{
	bool failed = tokens->failed > 0;

	tokens->now_count = 0;
	for (size_t i = 0; i < tokens->all_count; i++)
		tokens->all[i]->seen = false;
	for (size_t i = 0; i < tokens->module_count; i++)
		failed |=
			look_at(tokens, &tokens->modules[i], filters) == MTLS_REASON_MODULE_FAILED;
	for (size_t i = 0; i < tokens->all_count; i++) {
		struct mtls_token *token = tokens->all[i];
		if (token->present && !token->seen) { /* with the card its sessions ended */
			token->session = CK_INVALID_HANDLE;
			token->logged_in = false;
		}
		token->present = token->seen;
	}
	return tokens->now_count ? MTLS_REASON_ALLOWED
	       : failed          ? MTLS_REASON_MODULE_FAILED
				 : MTLS_REASON_NO_TOKEN;
}

size_t mtls_tokens_count(const struct mtls_tokens *tokens)
{
	return tokens->now_count;
}

struct mtls_token *mtls_tokens_at(const struct mtls_tokens *tokens, size_t index)
{
	return index < tokens->now_count ? tokens->now[index] : NULL;
}

/* A module without events is looked at each time. */
static bool has_event(struct module *module)
{
	CK_SLOT_ID slot = 0;
	module->no_events |= !module->api->C_WaitForSlotEvent;
	if (module->no_events)
		return true;
	CK_RV rv = module->api->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL);
	if (rv == CKR_NO_EVENT)
		return false;
	module->no_events = rv != CKR_OK;
	return true;
}

int mtls_tokens_wait(struct mtls_tokens *tokens, uint32_t timeout_ms)
{
	const mtls_deadline deadline = mtls_deadline_in_ms(timeout_ms);
	const mtls_deadline poll = mtls_deadline_in_ms(2 * POLL_MS);

	for (;;) {
		bool polled = mtls_deadline_left_ms(poll) == 0;
		for (size_t i = 0; i < tokens->module_count; i++) {
			struct module *module = &tokens->modules[i];
			if (has_event(module) && (!module->no_events || polled))
				return 1;
		}
		int left = mtls_deadline_left_ms(deadline);
		if (left == 0)
			return 0;
		(void)mtls_wait_fd(-1, 0,
				   mtls_deadline_in_ms(left < POLL_MS ? (uint32_t)left : POLL_MS));
	}
}
