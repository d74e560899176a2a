/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of a CertificateRequest: names with two octets of length each, as they stand there. */
#include <config.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/client/exchange_cas.h"

#define NAMES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each of its own memory, so that a read behind it is seen. */
static size_t split(const uint8_t *data, size_t size, gnutls_datum_t *names)
{
	size_t count = 0;

	while (size >= 2 && count < NAMES_MAX) {
		size_t len = (size_t)data[0] << 8 | data[1];
		data += 2;
		size -= 2;
		if (len > size)
			break;
		names[count].data = malloc(len ? len : 1);
		if (!names[count].data)
			break;
		memcpy(names[count].data, data, len);
		names[count++].size = (unsigned int)len;
		data += len;
		size -= len;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exchange_cas cas = { .count = 0 };
	struct mtls_exchange_accepted accepted;
	gnutls_datum_t names[NAMES_MAX] = { { NULL, 0 } };

	size_t count = split(data, size, names);
	mtls_exchange_cas_keep(&cas, names, count);
	for (size_t i = 0; i < count; i++)
		free(names[i].data);
	mtls_exchange_cas_show(&cas, &accepted);
	if (accepted.count > MTLS_EXCHANGE_LABELS_MAX || accepted.count + accepted.more > count)
		abort();
	for (size_t i = 0; i < accepted.count; i++) {
		const uint8_t *label = (const uint8_t *)accepted.labels[i];
		size_t len = strnlen(accepted.labels[i], MTLS_EXCHANGE_LABEL_MAX);
		if (len == 0 || len == MTLS_EXCHANGE_LABEL_MAX || !mtls_utf8_valid(label, len) ||
		    mtls_has_control(label, len))
			abort();
	}
	mtls_exchange_cas_forget(&cas);
	return 0;
}
