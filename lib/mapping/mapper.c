/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificate keys and the accounts bound to them. Pure. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/mapping/mapper.h"

static int add_key(struct mtls_mapper *mapper, enum mtls_key_kind kind, int r, struct mtls_buf *buf)
{
	uint8_t *text = NULL;
	size_t len = 0;

	if (r >= 0)
		r = mtls_buf_take(buf, &text, &len);
	if (r < 0)
		return r;
	mapper->keys[mapper->key_count] = (char *)text;
	mapper->kinds[mapper->key_count++] = kind;
	return 0;
}

static int add_digest(struct mtls_mapper *mapper, enum mtls_key_kind kind, const uint8_t *digest)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(MTLS_KEY_MAX);
	return add_key(mapper, kind, mtls_key_format_digest(kind, digest, &buf), &buf);
}

static int add_issuer_serial(struct mtls_mapper *mapper, const struct mtls_cert *cert)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(MTLS_KEY_MAX);
	size_t len = 0;
	const uint8_t *serial = mtls_cert_serial(cert, &len);
	const char *issuer = mtls_cert_issuer(cert);
	if (!issuer[0] || len == 0)
		return 0;
	int r = mtls_key_format_issuer_serial(serial, len, issuer, &buf);
	return add_key(mapper, MTLS_KEY_ISSUER_SERIAL, r, &buf);
}

static int add_subject(struct mtls_mapper *mapper, const struct mtls_cert *cert)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(MTLS_KEY_MAX);
	const char *subject = mtls_cert_subject(cert);
	if (!subject[0])
		return 0;
	return add_key(mapper, MTLS_KEY_SUBJECT, mtls_key_format_subject(subject, &buf), &buf);
}

int mtls_mapper_keys(struct mtls_mapper *mapper, const struct mtls_cert *cert)
{
	int r = add_digest(mapper, MTLS_KEY_SHA256, mtls_cert_sha256(cert));
	if (r >= 0)
		r = add_digest(mapper, MTLS_KEY_SPKI_SHA256, mtls_cert_spki_sha256(cert));
	if (r >= 0)
		r = add_issuer_serial(mapper, cert);
	if (r >= 0)
		r = add_subject(mapper, cert);
	return r;
}

void mtls_mapper_done(struct mtls_mapper *mapper)
{
	for (size_t i = 0; i < mapper->key_count; i++)
		free(mapper->keys[i]);
	*mapper = (struct mtls_mapper){ 0 };
}

void mtls_mapper_query(const struct mtls_mapper *mapper, struct mtls_lookup_query *query)
{
	query->count = 0;
	for (size_t i = 0; i < mapper->key_count; i++)
		(void)mtls_lookup_query_add(query, mapper->keys[i], strlen(mapper->keys[i]));
}

/* Inserts by byte order; a name that is there keeps its stronger kind. */
static void insert(struct mtls_mapper *mapper, const char *text, uint32_t key)
{
	const enum mtls_key_kind kind = mapper->kinds[key];
	size_t at = 0;

	while (at < mapper->name_count && strcmp(mapper->names[at].text, text) < 0)
		at++;
	struct mtls_mapper_name *name = &mapper->names[at];
	if (at < mapper->name_count && mtls_streq(name->text, text)) {
		if (kind < name->kind)
			name->kind = kind;
		name->keys |= UINT32_C(1) << key;
		return;
	}
	memmove(name + 1, name, (mapper->name_count - at) * sizeof(*name));
	(void)mtls_strcopy(name->text, sizeof(name->text), text);
	name->kind = kind;
	name->keys = UINT32_C(1) << key;
	mapper->name_count++;
}

int mtls_mapper_add(struct mtls_mapper *mapper, const struct mtls_lookup_answer *answer)
{
	if (mapper->name_count || answer->count > MTLS_LOOKUP_NAMES_MAX)
		return MTLS_E_CORRUPT;
	for (uint32_t i = 0; i < answer->count; i++) {
		const struct mtls_lookup_name *name = &answer->names[i];
		if (name->key >= mapper->key_count ||
		    !mtls_account_name_valid(name->text, strlen(name->text)))
			return MTLS_E_CORRUPT;
	}
	for (uint32_t i = 0; i < answer->count; i++)
		insert(mapper, answer->names[i].text, answer->names[i].key);
	mapper->answered = true;
	return 0;
}

const struct mtls_mapper_name *mtls_mapper_find(const struct mtls_mapper *mapper, const char *name)
{
	for (size_t i = 0; i < mapper->name_count; i++)
		if (mtls_streq(mapper->names[i].text, name))
			return &mapper->names[i];
	return NULL;
}

enum mtls_reason mtls_mapper_decide(const struct mtls_mapper *mapper, const char *asked,
				    const struct mtls_mapper_name **ret_name)
{
	if (mapper->name_count == 0)
		return MTLS_REASON_UNMAPPED;
	if (!asked || !asked[0]) {
		if (mapper->name_count > 1)
			return MTLS_REASON_CHOOSE;
		*ret_name = &mapper->names[0];
		return MTLS_REASON_ALLOWED;
	}
	const struct mtls_mapper_name *name = mtls_mapper_find(mapper, asked);
	if (!name)
		return MTLS_REASON_MAPPED_OTHER;
	*ret_name = name;
	return MTLS_REASON_ALLOWED;
}
