/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys on PKCS#11 tokens: of this machine (source pkcs11), or forwarded by p11-kit from where the
 * person is (source p11-kit). Readers are looked at for each list. Owns the modules, the logins
 * and, between login and signature, the PIN of keys that want it for each use.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/tls/transcript.h"
#include "signer/beside_paths.h"
#include "signer/source_token.h"

static void source_close(void *arg)
{
	struct token_source *source = arg;

	for (size_t i = 0; i < source->count; i++)
		token_entry_done(&source->entries[i]);
	mtls_tokens_free(source->tokens);
	for (size_t i = 0; i < source->filters.count; i++)
		mtls_token_filter_free(source->filter[i]);
	beside_free(source->beside);
	mtls_buf_done(&source->opened);
	mtls_buf_done(&source->detail);
	mtls_buf_done(&source->failed);
	free(source);
}

static void say_to(struct mtls_buf *out, const char *what, const char *text)
{
	if (out->len)
		source_append_text(out, "; ");
	if (what && !strstr(text, what)) {
		source_append_text(out, "'");
		source_append_text(out, what);
		source_append_text(out, "': ");
	}
	source_append_text(out, text);
}

void token_say(struct token_source *source, const char *what, const char *text)
{
	say_to(&source->detail, what, text);
}

static void say_later(void *arg, const char *what, const char *text)
{
	token_say(arg, what, text);
}

static int add_filters(struct token_source *source, struct mtls_diag *diag)
{
	const struct source_texts *uris = &source->args.uris;

	for (size_t i = 0; i < uris->count; i++) {
		struct mtls_diag inner = { 0 };
		int r = mtls_token_filter_parse(uris->text[i], &source->filter[i], &inner);
		if (r < 0)
			return mtls_diag_set(diag, r, "'%.200s': %.250s", uris->text[i],
					     mtls_diag_text(&inner, r));
		source->filters.filter[i] = source->filter[i];
		source->filters.count++;
	}
	return 0;
}

/* The signer's environment is empty; what modules need of one, root's configuration says. */
static int set_environment(const struct source_args *args)
{
	for (size_t i = 0; i < args->environment.count; i++) {
		const char *text = args->environment.text[i];
		const char *equals = strchr(text, '=');
		_cleanup_free_ char *name = equals ? strndup(text, (size_t)(equals - text)) : NULL;
		if (!name || setenv(name, equals + 1, 1) < 0)
			return name ? -ENOMEM : MTLS_E_SYNTAX;
	}
	return 0;
}

static int new_source(const char *name, const struct source_args *args, struct token_source **ret,
		      struct mtls_diag *diag)
{
	struct token_source *source = calloc(1, sizeof(*source));
	if (!source)
		return -ENOMEM;
	source->name = name;
	source->args = *args;
	mtls_buf_init(&source->opened, SOURCE_DETAIL_MAX, false);
	mtls_buf_init(&source->detail, SOURCE_DETAIL_MAX, false);
	mtls_buf_init(&source->failed, SOURCE_DETAIL_MAX, false);
	int r = add_filters(source, diag);
	if (r >= 0)
		r = beside_new(args->certs, args->certs_owner, say_later, source, &source->beside);
	if (r >= 0)
		r = beside_add_paths(source->beside, args, say_later, source);
	if (r >= 0)
		r = mtls_tokens_open(args->modules.text, args->modules.count, say_later, source,
				     &source->tokens);
	if (r < 0) {
		source_close(source);
		return diag->text[0]
			       ? r
			       : mtls_diag_set(diag, r, "source %s: %s", name, mtls_strerror(r));
	}
	(void)mtls_buf_append(&source->opened, source->detail.data, source->detail.len);
	*ret = source;
	return 0;
}

static int pkcs11_open(const struct source_args *args, void **ret, struct mtls_diag *diag)
{
	struct token_source *source = NULL;
	int r = set_environment(args);
	if (r < 0)
		return mtls_diag_set(diag, r, "environment of modules: %s", mtls_strerror(r));
	r = new_source("pkcs11", args, &source, diag);
	if (r < 0)
		return r;
	source->readers = true;
	*ret = source;
	return 0;
}

static int p11kit_open(const struct source_args *args, void **ret, struct mtls_diag *diag)
{
	struct source_args allowed = *args;
	struct token_source *source = NULL;
	struct mtls_diag why = { 0 };
	enum mtls_reason reason = p11kit_address(args->socket, args->owner, &why);

	/* Its client reads this when it is loaded; where it is not trusted, nothing is. */
	if (reason != MTLS_REASON_ALLOWED)
		allowed.modules.count = 0;
	else if (setenv("P11_KIT_SERVER_ADDRESS", args->socket, 1) < 0)
		return -ENOMEM;
	int r = new_source("p11-kit", &allowed, &source, diag);
	if (r < 0)
		return r;
	if (reason == MTLS_REASON_ALLOWED && p11kit_stranger(args->owner)) {
		(void)mtls_diag_set(&why, 0, "at '%.200s' listens another user", args->socket);
		reason = MTLS_REASON_SOCKET_UNTRUSTED;
	}
	source->refused = reason;
	if (reason != MTLS_REASON_ALLOWED)
		say_to(&source->opened, NULL, why.text);
	*ret = source;
	return 0;
}

static int emit_entry(const struct token_source *source, const struct token_entry *entry,
		      source_emit *emit, void *emit_ctx)
{
	const struct mtls_token_info *info = mtls_token_info(entry->token);
	union {
		const char *given;
		char *wanted;
	} name = { .given = source->name }, token = { .given = info->label };
	struct mtls_signer_credential credential = {
		.id = entry->id,
		.source = name.wanted,
		.label = entry->label,
		.issuer = entry->issuer,
		.not_after = entry->not_after,
		.key_type = entry->key_type,
		.needs_secret = entry->needs_secret,
		.tries_left = entry->needs_secret ? info->tries_left : MTLS_TRIES_UNKNOWN,
		.secret_kind = !entry->needs_secret ? MTLS_SECRET_PASSPHRASE /* none */
			       : info->pin_pad      ? MTLS_SECRET_PIN_PAD
						    : MTLS_SECRET_PIN,
		.token = info->label[0] ? token.wanted : NULL,
		.chain_count = entry->chain_count,
	};
	memcpy(credential.chain, entry->chain, sizeof(credential.chain));
	return emit(emit_ctx, &credential);
}

static int source_list(void *arg, source_emit *emit, void *emit_ctx, enum mtls_reason *ret_reason,
		       struct mtls_buf *detail)
{
	struct token_source *source = arg;
	int r = 0;

	enum mtls_reason reason = token_list(source);
	for (size_t i = 0; i < source->listed && r >= 0; i++)
		r = emit_entry(source, source->order[i], emit, emit_ctx);
	(void)mtls_buf_append(detail, source->detail.data, source->detail.len);
	*ret_reason = reason;
	return r;
}

static struct token_entry *find(struct token_source *source, uint32_t id)
{
	return id >= 1 && id <= source->count ? &source->entries[id - 1] : NULL;
}

/* A login is the token's: what was unlocked by an earlier one is not any more. */
static void lock_token(struct token_source *source, const struct mtls_token *token)
{
	for (size_t i = 0; i < source->count; i++)
		if (source->entries[i].token == token)
			token_entry_lock(&source->entries[i]);
}

static void remember(struct token_source *source, const struct token_entry *entry,
		     const struct mtls_diag *diag)
{
	mtls_buf_reset(&source->failed);
	if (diag->text[0])
		say_to(&source->failed, mtls_token_info(entry->token)->label, diag->text);
}

static enum mtls_reason unlock_entry(struct token_source *source, struct token_entry *entry,
				     const struct mtls_bytes *secret)
{
	const struct mtls_token_info *info = mtls_token_info(entry->token);
	const char *pin = secret->len ? (const char *)secret->data : NULL;
	struct mtls_diag diag = { 0 };

	if (info->login_required && info->tries_left == 0)
		return MTLS_REASON_PIN_LOCKED;
	if (info->pin_pad && pin) /* it was asked for where it could be read */
		return MTLS_REASON_PIN_WRONG;
	lock_token(source, entry->token);
	enum mtls_reason reason = mtls_token_login(entry->token, pin, secret->len, &diag);
	if (reason == MTLS_REASON_ALLOWED)
		reason = token_find_key(entry, &diag);
	if (reason == MTLS_REASON_ALLOWED && entry->always_authenticate && pin &&
	    mtls_buf_append(&entry->pin, pin, secret->len) < 0)
		reason = MTLS_REASON_SIGNER_FAILED;
	if (reason != MTLS_REASON_ALLOWED) {
		token_entry_lock(entry);
		mtls_token_logout(entry->token);
		remember(source, entry, &diag);
	}
	return reason;
}

static void source_unlock(void *arg, const struct mtls_signer_unlock *unlock,
			  struct mtls_signer_unlocked *ret)
{
	struct token_source *source = arg;
	struct token_entry *entry = find(source, unlock->id);

	*ret = (struct mtls_signer_unlocked){
		.reason = MTLS_REASON_NO_CREDENTIAL,
		.presence = MTLS_PRESENCE_NONE,
		.tries_left = MTLS_TRIES_UNKNOWN,
	};
	if (!entry)
		return;
	if (!entry->needs_secret) { /* whatever was typed, it proves nothing */
		ret->reason = MTLS_REASON_ALLOWED;
		return;
	}
	const struct mtls_token_info *info = mtls_token_info(entry->token);
	ret->reason = unlock_entry(source, entry, &unlock->secret);
	ret->tries_left = info->tries_left;
	if (ret->reason != MTLS_REASON_ALLOWED)
		return;
	entry->unlocked = true;
	ret->presence = info->pin_pad ? MTLS_PRESENCE_PIN_PAD : MTLS_PRESENCE_SECRET;
}

static enum mtls_reason sign_entry(struct token_source *source, struct token_entry *entry,
				   const struct mtls_signer_sign *sign, struct mtls_bytes *ret)
{
	struct mtls_diag diag = { 0 };
	struct mtls_token_sign job = {
		.type = entry->key_type,
		.scheme = sign->scheme,
		.content = sign->content.data,
		.content_len = sign->content.len,
	};

	/* Anything else would make the signer an oracle for other protocols and for servers. */
	if (!mtls_transcript_is_client_verify(sign->content.data, sign->content.len))
		return MTLS_REASON_BAD_REQUEST;
	if (entry->needs_secret && !entry->unlocked)
		return MTLS_REASON_SECRET_EMPTY;
	enum mtls_reason reason = token_find_key(entry, &diag);
	if (reason != MTLS_REASON_ALLOWED) {
		remember(source, entry, &diag);
		return reason;
	}
	job.handle = entry->key;
	job.always_authenticate = entry->always_authenticate;
	if (entry->pin.len) {
		job.pin = (const char *)entry->pin.data;
		job.pin_len = entry->pin.len;
	}
	reason = mtls_token_sign(entry->token, &job, ret, &diag);
	if (reason != MTLS_REASON_ALLOWED)
		remember(source, entry, &diag);
	/* The PIN was for one signature, whatever became of it. */
	if (entry->always_authenticate || reason != MTLS_REASON_ALLOWED)
		token_entry_lock(entry);
	return reason;
}

static void source_sign(void *arg, const struct mtls_signer_sign *sign,
			struct mtls_signer_signature *ret)
{
	struct token_entry *entry = find(arg, sign->id);

	*ret = (struct mtls_signer_signature){ .reason = MTLS_REASON_NO_CREDENTIAL };
	if (entry)
		ret->reason = sign_entry(arg, entry, sign, &ret->signature);
}

static const char *pkcs11_missing(const struct source_args *args)
{
	return args->modules.count ? NULL : "--module is needed, see --help";
}

static const char *p11kit_missing(const struct source_args *args)
{
	return args->modules.count == 1 && args->socket
		       ? NULL
		       : "one --module and --address are needed, see --help";
}

const struct source_ops source_pkcs11_ops = {
	.name = "pkcs11",
	.sandbox = SANDBOX_TOKENS,
	.missing = pkcs11_missing,
	.open = pkcs11_open,
	.close = source_close,
	.list = source_list,
	.unlock = source_unlock,
	.sign = source_sign,
};

const struct source_ops source_p11kit_ops = {
	.name = "p11-kit",
	.sandbox = SANDBOX_TOKENS,
	.missing = p11kit_missing,
	.open = p11kit_open,
	.close = source_close,
	.list = source_list,
	.unlock = source_unlock,
	.sign = source_sign,
};
