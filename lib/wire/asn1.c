/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Canonical DER with libtasn1. Its strict flag lets non-minimal lengths and padded INTEGERs pass,
 * so a walk over the bare elements judges lengths, depth and number before libtasn1 allocates
 * anything, the decoded value is encoded again and must give the same bytes, and INTEGERs are
 * judged when they are read (only then is the type of a context tag known).
 *
 * Secrets must not come here: asn1_der_coding() works on a copy of the tree, which it frees without
 * clearing it, whatever flag the caller deletes his own tree with. See msg.c.
 */
#include <config.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libtasn1.h>

#include "lib/wire/asn1.h"

#define PATH_MAX_LEN 64
#define NUMBER_MAX   8 /* octets of an int64_t */

extern const asn1_static_node mtls_asn1_tab[]; /* made of mtls.asn */

struct mtls_asn1 {
	asn1_node node; /* owned */
};

/*
 * The definitions as a tree: built by the first who needs them, never changed or freed after.
 * Whoever comes second at the same time throws his own away.
 */
static asn1_node definitions(void)
{
	static _Atomic(asn1_node) shared;
	asn1_node tree = atomic_load_explicit(&shared, memory_order_acquire);
	if (tree)
		return tree;

	asn1_node mine = NULL;
	if (asn1_array2tree(mtls_asn1_tab, &mine, NULL) != ASN1_SUCCESS)
		return NULL;
	if (atomic_compare_exchange_strong(&shared, &tree, mine))
		return mine;
	(void)asn1_delete_structure(&mine);
	return tree;
}

/* A result of libtasn1 where only memory or a mistake of ours can be the cause. */
static int convert(int r)
{
	switch (r) {
	case ASN1_SUCCESS:
		return 0;
	case ASN1_MEM_ALLOC_ERROR:
		return -ENOMEM;
	default:
		return MTLS_E_BUG;
	}
}

int mtls_asn1_header(const uint8_t *data, size_t len, struct mtls_asn1_header *ret_header)
{
	if (len < 1)
		return 0;
	if ((data[0] & 0x1f) == 0x1f)
		return MTLS_E_SYNTAX;
	if (len < 2)
		return 0;
	size_t octets = 0, body = data[1];
	if (data[1] >= 0x80) {
		octets = data[1] & 0x7f;
		if (octets == 0)
			return MTLS_E_SYNTAX;
		if (octets > MTLS_ASN1_HEADER_MAX - 2)
			return MTLS_E_LIMIT;
		if (len >= 3 && data[2] == 0)
			return MTLS_E_SYNTAX;
		if (len < 2 + octets)
			return 0;
		body = 0;
		for (size_t i = 0; i < octets; i++)
			body = body << 8 | data[2 + i];
		if (body < 0x80)
			return MTLS_E_SYNTAX;
	}
	*ret_header = (struct mtls_asn1_header){ data[0], 2 + octets, body };
	return 1;
}

/* A minimal INTEGER: not empty, the first nine bits not all equal. */
static bool integer_minimal(const uint8_t *data, size_t len)
{
	if (len == 0)
		return false;
	if (len == 1)
		return true;
	return !(data[0] == 0x00 && data[1] < 0x80) && !(data[0] == 0xff && data[1] >= 0x80);
}

/*
 * Judges all elements of @der. Recursion is bounded by MTLS_ASN1_DEPTH_MAX, work by the number of
 * elements: each is visited once.
 */
static int walk(const uint8_t *der, size_t len, unsigned int depth, unsigned int *elements)
{
	struct mtls_asn1_header h;

	if (depth > MTLS_ASN1_DEPTH_MAX)
		return MTLS_E_LIMIT;
	while (len > 0) {
		int r = mtls_asn1_header(der, len, &h);
		if (r <= 0)
			return r < 0 ? r : MTLS_E_SYNTAX;
		if (h.body_len > len - h.header_len)
			return MTLS_E_SYNTAX;
		if (++*elements > MTLS_ASN1_ELEMENTS_MAX)
			return MTLS_E_LIMIT;
		const uint8_t *body = der + h.header_len;
		if (h.tag == ASN1_TAG_INTEGER && !integer_minimal(body, h.body_len))
			return MTLS_E_SYNTAX;
		if (h.tag & ASN1_CLASS_STRUCTURED) {
			r = walk(body, h.body_len, depth + 1, elements);
			if (r < 0)
				return r;
		}
		der = body + h.body_len;
		len -= h.header_len + h.body_len;
	}
	return 0;
}

int mtls_asn1_new(const char *type, struct mtls_asn1 **ret_value)
{
	char path[PATH_MAX_LEN];
	asn1_node defs = definitions();
	_cleanup_(mtls_asn1_freep) struct mtls_asn1 *value = calloc(1, sizeof(*value));

	if (!defs || !value)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), "MTLS.%s", type);
	int r = convert(asn1_create_element(defs, path, &value->node));
	if (r < 0)
		return r;
	*ret_value = MTLS_TAKE(value);
	return 0;
}

void mtls_asn1_free(struct mtls_asn1 *value)
{
	if (!value)
		return;
	if (value->node)
		(void)asn1_delete_structure(&value->node);
	free(value);
}

/* Encodes to @out, exactly @len bytes; MTLS_E_SYNTAX if it comes out longer or shorter. */
static int encode_exactly(const struct mtls_asn1 *value, uint8_t *out, size_t len)
{
	int out_len = (int)len;
	int r = asn1_der_coding(value->node, "", out, &out_len, NULL);

	if (r == ASN1_MEM_ALLOC_ERROR)
		return -ENOMEM;
	return r == ASN1_SUCCESS && (size_t)out_len == len ? 0 : MTLS_E_SYNTAX;
}

static int check_canonical(const struct mtls_asn1 *value, const uint8_t *der, size_t len)
{
	_cleanup_free_ uint8_t *again = malloc(len);
	if (!again)
		return -ENOMEM;
	int r = encode_exactly(value, again, len);
	if (r == 0 && memcmp(again, der, len) != 0)
		r = MTLS_E_SYNTAX;
	return r;
}

int mtls_asn1_decode(const char *type, const uint8_t *der, size_t len, struct mtls_asn1 **ret_value,
		     struct mtls_diag *diag)
{
	_cleanup_(mtls_asn1_freep) struct mtls_asn1 *value = NULL;
	unsigned int elements = 0;

	if (len == 0 || len > INT32_MAX)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "%s: bad length", type);
	int r = walk(der, len, 0, &elements);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s: not canonical DER", type);
	r = mtls_asn1_new(type, &value);
	if (r < 0)
		return r;
	int used = (int)len;
	int t = asn1_der_decoding2(&value->node, der, &used, ASN1_DECODE_FLAG_STRICT_DER, NULL);
	if (t == ASN1_MEM_ALLOC_ERROR)
		return -ENOMEM;
	if (t != ASN1_SUCCESS)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "%s: fields do not fit the type", type);
	r = check_canonical(value, der, len);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s: not canonical DER", type);
	*ret_value = MTLS_TAKE(value);
	return 0;
}

int mtls_asn1_encode(const struct mtls_asn1 *value, uint8_t **ret_der, size_t *ret_len)
{
	int need = 0;
	int r = asn1_der_coding(value->node, "", NULL, &need, NULL);

	if (r != ASN1_MEM_ERROR || need <= 0)
		return r == ASN1_MEM_ALLOC_ERROR ? -ENOMEM : MTLS_E_BUG;
	_cleanup_free_ uint8_t *der = malloc((size_t)need);
	if (!der)
		return -ENOMEM;
	r = encode_exactly(value, der, (size_t)need);
	if (r < 0)
		return r == -ENOMEM ? r : MTLS_E_BUG;
	*ret_der = MTLS_TAKE(der);
	*ret_len = (size_t)need;
	return 0;
}

bool mtls_asn1_present(const struct mtls_asn1 *value, const char *path)
{
	int count = 0;
	return asn1_number_of_elements(value->node, path, &count) == ASN1_SUCCESS;
}

int mtls_asn1_count(const struct mtls_asn1 *value, const char *path, size_t *ret_count)
{
	int count = 0;
	int r = asn1_number_of_elements(value->node, path, &count);

	if (r != ASN1_SUCCESS && r != ASN1_ELEMENT_NOT_FOUND)
		return MTLS_E_BUG;
	*ret_count = r == ASN1_SUCCESS && count > 0 ? (size_t)count : 0;
	return 0;
}

int mtls_asn1_read_bytes(const struct mtls_asn1 *value, const char *path, size_t max,
			 uint8_t **ret_data, size_t *ret_len)
{
	int len = 0;
	int r = asn1_read_value(value->node, path, NULL, &len);

	if (r == ASN1_ELEMENT_NOT_FOUND || r == ASN1_VALUE_NOT_FOUND)
		return MTLS_E_NOTFOUND;
	if ((r != ASN1_SUCCESS && r != ASN1_MEM_ERROR) || len < 0)
		return MTLS_E_SYNTAX;
	if ((size_t)len > max)
		return MTLS_E_LIMIT;
	_cleanup_free_ uint8_t *data = malloc((size_t)len + 1);
	if (!data)
		return -ENOMEM;
	int got = len;
	if (len > 0 &&
	    (asn1_read_value(value->node, path, data, &got) != ASN1_SUCCESS || got != len))
		return MTLS_E_BUG;
	data[len] = '\0';
	*ret_data = MTLS_TAKE(data);
	*ret_len = (size_t)len;
	return 0;
}

int mtls_asn1_read_i64(const struct mtls_asn1 *value, const char *path, int64_t *ret_number)
{
	uint8_t octets[NUMBER_MAX];
	int len = sizeof(octets);
	int r = asn1_read_value(value->node, path, octets, &len);

	if (r == ASN1_ELEMENT_NOT_FOUND)
		return MTLS_E_NOTFOUND;
	if (r != ASN1_SUCCESS || len < 0 || !integer_minimal(octets, (size_t)len))
		return MTLS_E_SYNTAX;
	uint64_t number = octets[0] & 0x80 ? UINT64_MAX : 0;
	for (int i = 0; i < len; i++)
		number = number << 8 | octets[i];
	*ret_number = (int64_t)number;
	return 0;
}

int mtls_asn1_read_bool(const struct mtls_asn1 *value, const char *path, bool *ret_flag)
{
	char text[8] = "";
	int len = sizeof(text);

	if (asn1_read_value(value->node, path, text, &len) != ASN1_SUCCESS)
		return MTLS_E_SYNTAX;
	*ret_flag = strcmp(text, "TRUE") == 0;
	return 0;
}

int mtls_asn1_write_i64(struct mtls_asn1 *value, const char *path, int64_t number)
{
	uint8_t octets[NUMBER_MAX];

	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)((uint64_t)number >> (8 * (sizeof(octets) - 1 - i)));
	size_t first = 0;
	while (!integer_minimal(octets + first, sizeof(octets) - first))
		first++;
	return convert(
		asn1_write_value(value->node, path, octets + first, (int)(sizeof(octets) - first)));
}

int mtls_asn1_write_bool(struct mtls_asn1 *value, const char *path, bool flag)
{
	return convert(asn1_write_value(value->node, path, flag ? "TRUE" : "FALSE", 1));
}

int mtls_asn1_write_bytes(struct mtls_asn1 *value, const char *path, const void *data, size_t len)
{
	if (len > INT32_MAX)
		return MTLS_E_LIMIT;
	/* For libtasn1 a length of 0 means "as long as strlen() says". */
	return convert(asn1_write_value(value->node, path, len ? data : "", (int)len));
}

int mtls_asn1_write_absent(struct mtls_asn1 *value, const char *path)
{
	return convert(asn1_write_value(value->node, path, NULL, 0));
}

int mtls_asn1_append(struct mtls_asn1 *value, const char *path)
{
	return convert(asn1_write_value(value->node, path, "NEW", 1));
}

int mtls_asn1_append_bytes(struct mtls_asn1 *value, const char *path, const void *data, size_t len)
{
	char last[PATH_MAX_LEN];

	int r = mtls_asn1_append(value, path);
	if (r < 0)
		return r;
	(void)snprintf(last, sizeof(last), "%s.?LAST", path);
	return mtls_asn1_write_bytes(value, last, data, len);
}
