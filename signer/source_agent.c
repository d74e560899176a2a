/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys in an ssh-agent of the person's, here or forwarded, with certificates that lie beside. The
 * agent is connected once and asked over that connection further on; then no other is possible
 * (SANDBOX_FILES). It asks for no secret, so it proves that somebody has the key, and not that the
 * person is there: where that counts, pam_mtls does not take these keys. Owns the connection, the
 * agent's list, and the certificates.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/agent/agent.h"
#include "lib/tls/transcript.h"
#include "signer/beside_paths.h"
#include "signer/source.h"

#define READY_MS 4000   /* to connect and to list; less than signer_timeout, so that we say why */
#define SIGN_MS  300000 /* a person may have to confirm it; the host program's patience is less */

struct entry {
	const struct mtls_agent_key *key;        /* of the agent's list */
	const struct leaf *leaf;                 /* of beside */
	struct mtls_bytes chain[MTLS_CHAIN_MAX]; /* borrowed there */
	size_t chain_count;
};

struct agent_source {
	struct source_args args;
	struct mtls_agent *agent; /* NULL: not connected */
	mtls_deadline ready;      /* of the list */
	struct mtls_agent_keys keys;
	struct beside *beside;
	struct entry entries[MTLS_CREDENTIALS_MAX];
	size_t count;
	enum mtls_reason reason; /* of the list; ALLOWED: there are entries */
	struct mtls_buf detail;
	bool loaded;
};

static void agent_close(void *arg)
{
	struct agent_source *source = arg;

	mtls_agent_free(source->agent);
	mtls_agent_keys_done(&source->keys);
	beside_free(source->beside);
	mtls_buf_done(&source->detail);
	free(source);
}

static void say(struct agent_source *source, const char *text)
{
	if (source->detail.len)
		source_append_text(&source->detail, "; ");
	source_append_text(&source->detail, text);
}

static void say_of_file(void *arg, const char *path, const char *text)
{
	struct agent_source *source = arg;

	say(source, strstr(text, path) ? "" : path);
	if (!strstr(text, path))
		source_append_text(&source->detail, ": ");
	source_append_text(&source->detail, text);
}

/* --- keys and certificates together --- */

static bool is_valid(const struct entry *entry, int64_t now)
{
	return entry->leaf->not_before <= now && entry->leaf->not_after >= now;
}

static bool is_listed(const struct agent_source *source, const struct leaf *leaf)
{
	for (size_t i = 0; i < source->count; i++)
		if (source->entries[i].leaf == leaf)
			return true;
	return false;
}

/* Behind the last; if all places are taken that of one that is not valid. NULL: there is none. */
static struct entry *room_for_one(struct agent_source *source)
{
	if (source->count < MTLS_CREDENTIALS_MAX)
		return &source->entries[source->count++];
	for (size_t i = 0; i < source->count; i++)
		if (!is_valid(&source->entries[i], source->args.now))
			return &source->entries[i];
	return NULL;
}

/* Its certificate, if there is one. */
static void add_key(struct agent_source *source, const struct mtls_agent_key *key)
{
	const struct leaf *certs[LEAF_LIST_MAX];
	uint8_t spki[MTLS_AGENT_SPKI_MAX], key_id[LEAF_KEY_ID_LEN];

	leaf_digest(spki, mtls_agent_key_spki(key, spki), key_id);
	size_t found = beside_find(source->beside, key_id, source->args.now, certs, LEAF_LIST_MAX);
	if (!found || is_listed(source, certs[0])) /* an agent may hold a key twice */
		return;
	struct entry *entry = room_for_one(source);
	if (!entry)
		return;
	*entry = (struct entry){ .key = key, .leaf = certs[0] };
	entry->chain_count = leaf_chain(certs[0], certs, found, entry->chain);
}

/* One that has expired, or is not valid yet, counts only where there is no better one. */
static void drop_invalid(struct agent_source *source)
{
	const int64_t now = source->args.now;
	size_t kept = 0;

	for (size_t i = 0; i < source->count; i++)
		if (is_valid(&source->entries[i], now))
			kept++;
	if (kept == 0 || kept == source->count)
		return;
	kept = 0;
	for (size_t i = 0; i < source->count; i++)
		if (is_valid(&source->entries[i], now))
			source->entries[kept++] = source->entries[i];
	source->count = kept;
}

static void say_of_keys(struct agent_source *source)
{
	char words[MTLS_AGENT_WORDS_MAX], text[160];
	const struct mtls_agent_keys *keys = &source->keys;

	mtls_agent_words(keys, words);
	if (*words)
		say(source, words);
	if (keys->total > MTLS_AGENT_KEYS_MAX) {
		(void)snprintf(text, sizeof(text),
			       "the agent has %zu keys, of which the first %d are looked at",
			       keys->total, MTLS_AGENT_KEYS_MAX);
		say(source, text);
	}
	if (keys->count && !source->count) {
		(void)snprintf(text, sizeof(text),
			       "no certificate for the %zu usable key%s of the agent: lay it in "
			       "~/.config/mtls or /etc/mtls/certs.d",
			       keys->count, keys->count == 1 ? "" : "s");
		say(source, text);
	}
}

static enum mtls_reason reason_of_error(int err)
{
	switch (err) {
	case -ENOMEM:
		return MTLS_REASON_SIGNER_FAILED;
	case MTLS_E_DENIED:
		return MTLS_REASON_AGENT_REFUSED;
	case MTLS_E_UNTRUSTED:
		return MTLS_REASON_SOCKET_UNTRUSTED;
	default: /* whatever is there is no agent, or it is not there any more */
		return MTLS_REASON_AGENT_MISSING;
	}
}

/* OpenSSH's agent shows an empty list while it is locked. */
static enum mtls_reason reason_of_nothing(struct agent_source *source)
{
	struct mtls_diag diag = { 0 };
	int r = mtls_agent_is_locked(source->agent, source->ready, &diag);

	if (r == 0) {
		say(source, "the agent has no key");
		return MTLS_REASON_NO_CREDENTIAL;
	}
	say(source, r > 0 ? "the agent shows no key and refuses all else: it is locked"
			  : mtls_diag_text(&diag, r));
	return r > 0 ? MTLS_REASON_AGENT_REFUSED : reason_of_error(r);
}

/* Which of the ways of having nothing this is. */
static enum mtls_reason reason_of(struct agent_source *source)
{
	if (source->count)
		return MTLS_REASON_ALLOWED;
	if (!source->keys.total)
		return reason_of_nothing(source);
	return source->keys.count ? MTLS_REASON_NO_CREDENTIAL : MTLS_REASON_KEY_UNUSABLE;
}

static void give_up(struct agent_source *source, int err, const struct mtls_diag *diag)
{
	source->reason = reason_of_error(err);
	say(source, mtls_diag_text(diag, err));
	mtls_agent_free(source->agent);
	source->agent = NULL;
}

/* Once: what was listed does not change any more. */
static void load(struct agent_source *source)
{
	struct mtls_diag diag = { 0 };

	source->loaded = true;
	if (!source->agent)
		return;
	int r = mtls_agent_list(source->agent, source->ready, &source->keys, &diag);
	if (r < 0) {
		give_up(source, r, &diag);
		return;
	}
	for (size_t i = 0; i < source->keys.count; i++)
		add_key(source, &source->keys.key[i]);
	drop_invalid(source);
	say_of_keys(source);
	source->reason = reason_of(source);
}

/* --- operations --- */

static const char *agent_missing(const struct source_args *args)
{
	if (!args->socket)
		return "--socket is needed, see --help";
	return args->socket[0] == '/' ? NULL : "--socket takes an absolute path";
}

/* While the agent looks for its answer, the certificates are read. */
static int read_beside(struct agent_source *source)
{
	int r = mtls_agent_ask_ahead(source->agent, source->ready);

	if (r >= 0)
		r = beside_new(source->args.certs, source->args.certs_owner, say_of_file, source,
			       &source->beside);
	if (r >= 0)
		r = beside_add_paths(source->beside, &source->args, say_of_file, source);
	return r;
}

static int agent_open(const struct source_args *args, void **ret, struct mtls_diag *diag)
{
	struct agent_source *source = calloc(1, sizeof(*source));
	struct mtls_diag why = { 0 };

	if (!source)
		return -ENOMEM;
	source->args = *args;
	source->ready = mtls_deadline_in_ms(READY_MS);
	mtls_buf_init(&source->detail, SOURCE_DETAIL_MAX, false);
	int r = mtls_agent_connect(args->socket, args->owner, source->ready, &source->agent, &why);
	if (r < 0)
		give_up(source, r, &why);
	r = sandbox_enter(SANDBOX_FILES, diag);
	if (r >= 0 && source->agent)
		r = read_beside(source);
	if (r < 0) {
		agent_close(source);
		return r;
	}
	*ret = source;
	return 0;
}

static int emit_entry(struct agent_source *source, size_t index, source_emit *emit, void *emit_ctx)
{
	const struct entry *entry = &source->entries[index];
	char comment[MTLS_AGENT_COMMENT_MAX + 1], name[] = "agent", unnamed[] = "ssh-agent";

	mtls_agent_key_comment(entry->key, comment);
	struct mtls_signer_credential credential = {
		.id = (uint32_t)index + 1,
		.source = name,
		.label = *entry->leaf->subject ? entry->leaf->subject
			 : *comment            ? comment
					       : unnamed,
		.issuer = entry->leaf->issuer,
		.not_after = entry->leaf->not_after,
		.key_type = entry->key->type,
		.needs_secret = false,
		.tries_left = MTLS_TRIES_UNKNOWN,
		.chain_count = entry->chain_count,
	};
	memcpy(credential.chain, entry->chain, sizeof(credential.chain));
	return emit(emit_ctx, &credential);
}

static int agent_list(void *arg, source_emit *emit, void *emit_ctx, enum mtls_reason *ret_reason,
		      struct mtls_buf *detail)
{
	struct agent_source *source = arg;
	int r = 0;

	if (!source->loaded)
		load(source);
	for (size_t i = 0; i < source->count && r >= 0; i++)
		r = emit_entry(source, i, emit, emit_ctx);
	(void)mtls_buf_append(detail, source->detail.data, source->detail.len);
	*ret_reason = source->reason;
	return r;
}

static struct entry *find(struct agent_source *source, uint32_t id)
{
	return id >= 1 && id <= source->count ? &source->entries[id - 1] : NULL;
}

static void agent_unlock(void *arg, const struct mtls_signer_unlock *unlock,
			 struct mtls_signer_unlocked *ret)
{
	/* Whatever was typed, it proves nothing. */
	*ret = (struct mtls_signer_unlocked){
		.reason = find(arg, unlock->id) ? MTLS_REASON_ALLOWED : MTLS_REASON_NO_CREDENTIAL,
		.presence = MTLS_PRESENCE_NONE,
		.tries_left = MTLS_TRIES_UNKNOWN,
	};
}

static bool scheme_fits(enum mtls_sign_scheme scheme, enum mtls_key_type type)
{
	static const struct {
		enum mtls_sign_scheme scheme;
		enum mtls_key_type type;
	} rows[] = {
		{ MTLS_SIGN_ECDSA_P256_SHA256, MTLS_KEY_TYPE_ECDSA_P256 },
		{ MTLS_SIGN_ECDSA_P384_SHA384, MTLS_KEY_TYPE_ECDSA_P384 },
		{ MTLS_SIGN_ECDSA_P521_SHA512, MTLS_KEY_TYPE_ECDSA_P521 },
		{ MTLS_SIGN_ED25519, MTLS_KEY_TYPE_ED25519 },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].scheme == scheme && rows[i].type == type)
			return true;
	return false;
}

static enum mtls_reason sign_by(struct agent_source *source, const struct entry *entry,
				const struct mtls_signer_sign *sign, struct mtls_bytes *ret)
{
	uint8_t signature[MTLS_AGENT_SIGNATURE_MAX];
	size_t len = 0;

	/* Anything else would make the signer a way to the agent for other protocols. */
	if (!mtls_transcript_is_client_verify(sign->content.data, sign->content.len))
		return MTLS_REASON_BAD_REQUEST;
	if (!scheme_fits(sign->scheme, entry->key->type))
		return MTLS_REASON_KEY_UNUSABLE;
	int r = mtls_agent_sign(source->agent, entry->key, sign->content.data, sign->content.len,
				mtls_deadline_in_ms(SIGN_MS), signature, &len, NULL);
	if (r >= 0)
		r = mtls_msg_set_bytes(ret, signature, len);
	return r < 0 ? reason_of_error(r) : MTLS_REASON_ALLOWED;
}

static void agent_sign(void *arg, const struct mtls_signer_sign *sign,
		       struct mtls_signer_signature *ret)
{
	struct agent_source *source = arg;
	const struct entry *entry = find(source, sign->id);

	*ret = (struct mtls_signer_signature){ .reason = MTLS_REASON_NO_CREDENTIAL };
	if (entry)
		ret->reason = sign_by(source, entry, sign, &ret->signature);
}

const struct source_ops source_agent_ops = {
	.name = "agent",
	.sandbox = SANDBOX_AGENT,
	.missing = agent_missing,
	.open = agent_open,
	.close = agent_close,
	.list = agent_list,
	.unlock = agent_unlock,
	.sign = agent_sign,
};
