/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an agent says of its keys. Pure; every length is checked against what is there. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/agent/agent_impl.h"
#include "lib/base/buf.h"

#define DER(bytes) bytes, sizeof(bytes) - 1

/* clang-format off */
static const struct agent_kind kinds[] = {
	{ MTLS_KEY_TYPE_ED25519, "ssh-ed25519", NULL, 32, 0,
	  DER("\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00") },
	{ MTLS_KEY_TYPE_ECDSA_P256, "ecdsa-sha2-nistp256", "nistp256", 65, 32,
	  DER("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
	      "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00") },
	{ MTLS_KEY_TYPE_ECDSA_P384, "ecdsa-sha2-nistp384", "nistp384", 97, 48,
	  DER("\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
	      "\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00") },
	{ MTLS_KEY_TYPE_ECDSA_P521, "ecdsa-sha2-nistp521", "nistp521", 133, 66,
	  DER("\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
	      "\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00") },
};
/* clang-format on */

bool agent_in_u32(struct agent_in *in, uint32_t *ret)
{
	if (in->len < 4)
		return false;
	*ret = (uint32_t)in->data[0] << 24 | (uint32_t)in->data[1] << 16 |
	       (uint32_t)in->data[2] << 8 | in->data[3];
	in->data += 4;
	in->len -= 4;
	return true;
}

bool agent_in_string(struct agent_in *in, struct agent_in *ret)
{
	struct agent_in rest = *in;
	uint32_t len;

	if (!agent_in_u32(&rest, &len) || len > rest.len)
		return false;
	*ret = (struct agent_in){ rest.data, len };
	in->data = rest.data + len;
	in->len = rest.len - len;
	return true;
}

bool agent_in_is(const struct agent_in *in, const char *text)
{
	return in->len == strlen(text) && memcmp(in->data, text, in->len) == 0;
}

const struct agent_kind *agent_kind_of(enum mtls_key_type type)
{
	for (size_t i = 0; i < MTLS_COUNT(kinds); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

const struct agent_kind *agent_kind_named(const struct agent_in *name)
{
	for (size_t i = 0; i < MTLS_COUNT(kinds); i++)
		if (agent_in_is(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

/* --- one identity --- */

/* In this order: a certificate of a FIDO key is a certificate. */
static const struct {
	const char *part;
	bool at_end; /* else at the beginning */
	enum mtls_agent_other other;
} others[] = {
	{ "-cert-v00@openssh.com", true, MTLS_AGENT_SSH_CERT },
	{ "-cert-v01@openssh.com", true, MTLS_AGENT_SSH_CERT },
	{ "sk-", false, MTLS_AGENT_FIDO },
	{ "webauthn-sk-", false, MTLS_AGENT_FIDO },
	{ "ssh-rsa", false, MTLS_AGENT_RSA },
	{ "rsa-sha2-", false, MTLS_AGENT_RSA },
	{ "ssh-dss", false, MTLS_AGENT_DSA },
};

static enum mtls_agent_other other_named(const struct agent_in *name)
{
	for (size_t i = 0; i < MTLS_COUNT(others); i++) {
		const size_t len = strlen(others[i].part);
		if (name->len < len)
			continue;
		const uint8_t *at = name->data + (others[i].at_end ? name->len - len : 0);
		if (memcmp(at, others[i].part, len) == 0)
			return others[i].other;
	}
	return MTLS_AGENT_UNKNOWN;
}

static bool read_point(struct agent_in *blob, const struct agent_kind *kind,
		       struct agent_in *ret_point)
{
	struct agent_in curve;

	if (kind->curve && (!agent_in_string(blob, &curve) || !agent_in_is(&curve, kind->curve)))
		return false;
	if (!agent_in_string(blob, ret_point) || blob->len || ret_point->len != kind->point_len)
		return false;
	return !kind->curve || ret_point->data[0] == 0x04; /* not compressed */
}

/* 0 and @ret: it can be used; 1 and @ret_other: it cannot. */
static int read_blob(const struct agent_in *blob, struct mtls_agent_key *ret,
		     enum mtls_agent_other *ret_other)
{
	struct agent_in in = *blob, name, point;

	*ret_other = MTLS_AGENT_DAMAGED;
	if (!agent_in_string(&in, &name))
		return 1;
	const struct agent_kind *kind = agent_kind_named(&name);
	if (!kind) {
		*ret_other = other_named(&name);
		return 1;
	}
	if (!read_point(&in, kind, &point))
		return 1;
	*ret = (struct mtls_agent_key){
		.type = kind->type,
		.blob = blob->data,
		.blob_len = blob->len,
		.point = point.data,
		.point_len = point.len,
	};
	return 0;
}

/* --- all of them --- */

static int add_key(struct mtls_agent_keys *keys, const struct mtls_agent_key *key)
{
	if ((keys->count & (keys->count - 1)) == 0) { /* 0, 1, 2, 4...: full */
		size_t room = keys->count ? 2 * keys->count : 1;
		struct mtls_agent_key *more = reallocarray(keys->key, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		keys->key = more;
	}
	keys->key[keys->count++] = *key;
	return 0;
}

static int read_identity(struct agent_in *in, struct mtls_agent_keys *keys, struct mtls_diag *diag)
{
	struct agent_in blob, comment;
	struct mtls_agent_key key;
	enum mtls_agent_other other;

	if (!agent_in_string(in, &blob) || !agent_in_string(in, &comment))
		return mtls_diag_set(diag, MTLS_E_PROTOCOL, "the agent's list of keys is cut off");
	if (read_blob(&blob, &key, &other) != 0) {
		keys->other[other]++;
		return 0;
	}
	key.comment = comment.data;
	key.comment_len = comment.len;
	return add_key(keys, &key);
}

static int read_identities(struct agent_in in, struct mtls_agent_keys *keys, struct mtls_diag *diag)
{
	uint32_t total;

	if (!agent_in_u32(&in, &total))
		return mtls_diag_set(diag, MTLS_E_PROTOCOL, "the agent's list of keys is cut off");
	keys->total = total;
	for (uint32_t i = 0; i < total && i < MTLS_AGENT_KEYS_MAX; i++) {
		int r = read_identity(&in, keys, diag);
		if (r < 0)
			return r;
	}
	if (total <= MTLS_AGENT_KEYS_MAX && in.len)
		return mtls_diag_set(diag, MTLS_E_PROTOCOL,
				     "there is more behind the agent's list of keys");
	return 0;
}

void mtls_agent_keys_done(struct mtls_agent_keys *keys)
{
	free(keys->answer);
	free(keys->key);
	*keys = (struct mtls_agent_keys){ .count = 0 };
}

int agent_read_keys(uint8_t *answer, size_t len, struct mtls_agent_keys *ret,
		    struct mtls_diag *diag)
{
	_cleanup_(mtls_agent_keys_done) struct mtls_agent_keys keys = { .count = 0 };

	if (len == 1 && answer[0] == AGENT_FAILURE)
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "the agent does not say which keys it has");
	if (len < 1 || answer[0] != AGENT_IDENTITIES_ANSWER)
		return mtls_diag_set(diag, MTLS_E_PROTOCOL,
				     "this is not a list of an agent's keys");
	int r = read_identities((struct agent_in){ answer + 1, len - 1 }, &keys, diag);
	if (r < 0)
		return r;
	keys.answer = answer;
	*ret = keys;
	keys = (struct mtls_agent_keys){ .count = 0 };
	return 0;
}

/* --- what is said about a key --- */

size_t mtls_agent_key_spki(const struct mtls_agent_key *key, uint8_t out[MTLS_AGENT_SPKI_MAX])
{
	const struct agent_kind *kind = agent_kind_of(key->type);

	memcpy(out, kind->spki, kind->spki_len);
	memcpy(out + kind->spki_len, key->point, kind->point_len);
	return kind->spki_len + kind->point_len;
}

void mtls_agent_key_comment(const struct mtls_agent_key *key, char out[MTLS_AGENT_COMMENT_MAX + 1])
{
	size_t len = key->comment_len < MTLS_AGENT_COMMENT_MAX ? key->comment_len
							       : MTLS_AGENT_COMMENT_MAX;

	for (size_t i = 0; i < len; i++) {
		const uint8_t byte = key->comment[i];
		out[i] = byte < 0x20 || byte >= 0x7f ? '?' : (char)byte;
	}
	out[len] = '\0';
}

static const char *const other_words[MTLS_AGENT_OTHERS] = {
	[MTLS_AGENT_RSA] = "RSA",
	[MTLS_AGENT_FIDO] = "FIDO",
	[MTLS_AGENT_DSA] = "DSA",
	[MTLS_AGENT_SSH_CERT] = "SSH certificates",
	[MTLS_AGENT_UNKNOWN] = "unknown kinds",
	[MTLS_AGENT_DAMAGED] = "damaged",
};

void mtls_agent_words(const struct mtls_agent_keys *keys, char out[MTLS_AGENT_WORDS_MAX])
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_AGENT_WORDS_MAX - 1);
	size_t count = 0;

	for (size_t i = 0; i < MTLS_AGENT_OTHERS; i++) {
		if (!keys->other[i])
			continue;
		(void)mtls_buf_printf(&text, "%s%s", count ? ", " : "", other_words[i]);
		count += keys->other[i];
	}
	const char *list = mtls_buf_cstr(&text);
	out[0] = '\0';
	if (count && list)
		(void)snprintf(out, MTLS_AGENT_WORDS_MAX,
			       "%zu key%s of the agent cannot be used for certificate login (%s)",
			       count, count == 1 ? "" : "s", list);
}
