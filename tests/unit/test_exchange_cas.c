/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names in a CertificateRequest: which are kept, which are shown. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/client/exchange_cas.h"

#define NAMES_MAX 64
#define DER_MAX   2048

static struct {
	unsigned char der[NAMES_MAX][DER_MAX];
	gnutls_datum_t names[NAMES_MAX];
	size_t count;
} sent;

static void send_der(const void *der, size_t len)
{
	gnutls_datum_t *name = &sent.names[sent.count];

	assert_true(sent.count < NAMES_MAX && len <= DER_MAX);
	name->data = sent.der[sent.count++];
	name->size = (unsigned int)len;
	if (len)
		memcpy(name->data, der, len);
}

static size_t wrap(uint8_t tag, const uint8_t *body, size_t len, uint8_t *out)
{
	size_t at = 0;

	out[at++] = tag;
	if (len >= 0x80) {
		out[at++] = 0x82;
		out[at++] = (uint8_t)(len >> 8);
	}
	out[at++] = (uint8_t)len;
	memmove(out + at, body, len);
	return at + len;
}

/* A Name of one attribute: 2.5.4.@type, with a value of @tag. */
static void send_value(uint8_t type, uint8_t tag, const void *value, size_t len)
{
	const uint8_t oid[] = { 0x06, 0x03, 0x55, 0x04, type };
	uint8_t a[DER_MAX], b[DER_MAX];

	memcpy(a, oid, sizeof(oid));
	size_t size = sizeof(oid) + wrap(tag, value, len, a + sizeof(oid));
	size = wrap(0x30, a, size, b);
	size = wrap(0x31, b, size, a);
	size = wrap(0x30, a, size, b);
	send_der(b, size);
}

static void send_cn(const char *name)
{
	send_value(3, 0x0c, name, strlen(name));
}

static struct mtls_exchange_accepted shown(void)
{
	struct exchange_cas cas = { .count = 0 };
	struct mtls_exchange_accepted got;

	mtls_exchange_cas_keep(&cas, sent.names, sent.count);
	/* What was sent is GnuTLS's and goes. */
	memset(&sent, 0x55, sizeof(sent));
	mtls_exchange_cas_show(&cas, &got);
	mtls_exchange_cas_forget(&cas);
	memset(&sent, 0, sizeof(sent));
	return got;
}

static void names_are_shown_in_order(void **state)
{
	(void)state;
	struct mtls_exchange_accepted got = shown();
	assert_int_equal(got.count + got.more, 0);

	send_cn("One");
	send_value(10, 0x0c, "Only an O", 9);
	send_cn("One");
	send_cn("Drei \xc3\xa4");
	got = shown();
	assert_int_equal(got.count, 3);
	assert_string_equal(got.labels[0], "One");
	assert_string_equal(got.labels[1], "O=Only an O");
	assert_string_equal(got.labels[2], "Drei \xc3\xa4");
	assert_int_equal(got.more, 0);
}

static void labels_alike_are_one(void **state)
{
	(void)state;
	send_value(3, 0x0c, "Same", 4);
	send_value(3, 0x13, "Same", 4);
	struct mtls_exchange_accepted got = shown();
	assert_int_equal(got.count, 1);
	assert_int_equal(got.more, 0);
}

static void many_are_counted(void **state)
{
	char name[16];
	(void)state;
	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "CA %d", i);
		send_cn(name);
	}
	struct mtls_exchange_accepted got = shown();
	assert_int_equal(got.count, MTLS_EXCHANGE_LABELS_MAX);
	assert_int_equal(got.more, 50 - MTLS_EXCHANGE_LABELS_MAX);
	assert_string_equal(got.labels[3], "CA 3");
}

static void what_is_no_name_is_left_out(void **state)
{
	static const uint8_t torn[] = { 0x30, 0x10, 0x31, 0x0e, 0x30 };
	static const uint8_t empty[] = { 0x30, 0x00 };
	(void)state;
	send_der(torn, sizeof(torn));
	send_der(empty, sizeof(empty));
	send_der("", 0);
	send_der("GET / HTTP/1.0", 14);
	send_value(3, 0x0c, "line\nbreak", 10);
	send_value(3, 0x0c, "nul\0inside", 10);
	send_value(3, 0x0c, "\xc3\x28", 2);
	send_cn("Good");
	struct mtls_exchange_accepted got = shown();
	assert_int_equal(got.count, 1);
	assert_string_equal(got.labels[0], "Good");
}

static void long_names_are_bounded(void **state)
{
	char name[1500];
	(void)state;
	memset(name, 'x', sizeof(name));
	send_value(3, 0x0c, name, 1400); /* over what is kept */
	/* Cut between characters: 127 letters, then one of two bytes. */
	memcpy(name + 127, "\xc3\xa4", 2);
	send_value(3, 0x0c, name, 400);
	struct mtls_exchange_accepted got = shown();
	assert_int_equal(got.count, 1);
	assert_int_equal(strlen(got.labels[0]), 127);
	assert_int_equal(got.more, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_shown_in_order),
		cmocka_unit_test(labels_alike_are_one),
		cmocka_unit_test(many_are_counted),
		cmocka_unit_test(what_is_no_name_is_left_out),
		cmocka_unit_test(long_names_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
