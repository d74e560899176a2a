/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names and keys. The first byte says what: 'd' a name as text, 'k' a typed key, 'p' a name from
 * parts as a certificate has them, 'f' a key from parts. What is canonical must stay as it is when
 * it is read again.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/name/dn.h"
#include "lib/name/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_name(struct mtls_buf *canonical)
{
	_cleanup_buf_ struct mtls_buf again = MTLS_BUF(MTLS_DN_TEXT_MAX);

	must(canonical->len > 0 && canonical->len <= MTLS_DN_TEXT_MAX);
	must(mtls_utf8_valid(canonical->data, canonical->len));
	must(!mtls_has_control(canonical->data, canonical->len));
	must(mtls_dn_canonical((const char *)canonical->data, canonical->len, &again, NULL) == 0);
	must(again.len == canonical->len && memcmp(again.data, canonical->data, again.len) == 0);
}

static void run_text(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_DN_TEXT_MAX);
	struct mtls_diag diag = { 0 };

	int r = mtls_dn_canonical((const char *)data, size, &out, &diag);
	must((r == 0) == (diag.text[0] == '\0'));
	if (r == 0)
		check_name(&out);
	else
		must(out.len == 0);
}

static void check_key(struct mtls_buf *key, enum mtls_key_kind want)
{
	_cleanup_buf_ struct mtls_buf again = MTLS_BUF(MTLS_KEY_MAX);
	enum mtls_key_kind kind = MTLS_KEY_KINDS;

	must(mtls_key_parse((const char *)key->data, key->len, &kind, &again, NULL) == 0);
	must(kind == want && again.len == key->len);
	must(memcmp(again.data, key->data, key->len) == 0);
}

static void run_key(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_KEY_MAX);
	enum mtls_key_kind kind = MTLS_KEY_KINDS;
	struct mtls_diag diag = { 0 };

	int r = mtls_key_parse((const char *)data, size, &kind, &out, &diag);
	if (r < 0) {
		must(out.len == 0 && kind == MTLS_KEY_KINDS);
		return;
	}
	must(kind < MTLS_KEY_KINDS);
	check_key(&out, kind);
}

/*
 * Parts: per value a byte of flags (1: ends the RDN, 2: UTF-8 instead of DER, the rest picks the
 * type), a byte of length, the bytes.
 */
static void run_parts(const uint8_t *data, size_t size)
{
	static const char *const oids[] = { "2.5.4.3",
					    "2.5.4.10",
					    "0.9.2342.19200300.100.1.25",
					    "1.2.840.113549.1.9.1",
					    "2.25.1",
					    "1.40",
					    "bad" };
	static struct mtls_rdn rdns[MTLS_DN_RDN_MAX + 1];
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_DN_TEXT_MAX);
	size_t count = 0;

	memset(rdns, 0, sizeof(rdns));
	while (size >= 2 && count < MTLS_COUNT(rdns)) {
		struct mtls_rdn *rdn = &rdns[count];
		size_t len = data[1] < size - 2 ? data[1] : size - 2;
		if (rdn->count < MTLS_DN_AVA_MAX)
			rdn->ava[rdn->count] = (struct mtls_ava){
				.oid = oids[(data[0] >> 2) % MTLS_COUNT(oids)],
				.value = data + 2,
				.len = len,
				.string = data[0] & 2,
			};
		rdn->count++;
		count += data[0] & 1;
		data += 2 + len;
		size -= 2 + len;
	}
	if (mtls_dn_format(rdns, count, &out) == 0)
		check_name(&out);
	else
		must(out.len == 0);
}

/* Keys of parts: a byte for the kind, a byte for the length of the serial, serial, name. */
static void run_format(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF(MTLS_KEY_MAX);
	char name[512] = "";
	uint8_t digest[32] = { 0 };

	if (size < 2)
		return;
	enum mtls_key_kind kind = (enum mtls_key_kind)(data[0] % (MTLS_KEY_KINDS + 1));
	size_t serial_len = data[1] < size - 2 ? data[1] : size - 2;
	const uint8_t *serial = data + 2, *rest = serial + serial_len;
	size_t rest_len = size - 2 - serial_len;
	memcpy(name, rest, rest_len < sizeof(name) ? rest_len : sizeof(name) - 1);
	memcpy(digest, rest, rest_len < sizeof(digest) ? rest_len : sizeof(digest));

	must(!mtls_key_kind_supported(kind) || mtls_key_kind_name(kind));
	int r = kind == MTLS_KEY_ISSUER_SERIAL
			? mtls_key_format_issuer_serial(serial, serial_len, name, &key)
		: kind == MTLS_KEY_SUBJECT ? mtls_key_format_subject(name, &key)
					   : mtls_key_format_digest(kind, digest, &key);
	if (r == 0)
		check_key(&key, kind);
	else
		must(key.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'd':
		run_text(data + 1, size - 1);
		break;
	case 'k':
		run_key(data + 1, size - 1);
		break;
	case 'p':
		run_parts(data + 1, size - 1);
		break;
	case 'f':
		run_format(data + 1, size - 1);
		break;
	default:
		break;
	}
	return 0;
}
