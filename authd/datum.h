/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Borrowing constant bytes as gnutls_datum_t, whose pointer is not const though it is only read. */
#ifndef AUTHD_DATUM_H
#define AUTHD_DATUM_H

#include <stddef.h>
#include <stdint.h>

#include <gnutls/gnutls.h>

static inline gnutls_datum_t datum_borrow(const uint8_t *data, size_t len)
{
	union {
		const uint8_t *in;
		unsigned char *out;
	} pointer = { .in = data };

	return (gnutls_datum_t){ .data = pointer.out, .size = (unsigned int)len };
}

#endif
