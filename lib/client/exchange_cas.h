/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names in a CertificateRequest: kept as they come, before anybody has proved anything, and
 * decoded only if they are wanted. For lib/client and its tests.
 */
#ifndef MTLS_CLIENT_EXCHANGE_CAS_H
#define MTLS_CLIENT_EXCHANGE_CAS_H

#include <stddef.h>

#include <gnutls/gnutls.h>

#include "lib/client/exchange.h"

#define EXCHANGE_CAS_KEPT 16   /* names that are kept; the others are counted */
#define EXCHANGE_CA_BYTES 1024 /* a longer name is counted only */

struct exchange_cas {
	struct {
		uint8_t *der; /* owned */
		size_t len;
	} kept[EXCHANGE_CAS_KEPT]; /* no two alike */
	size_t count;
	size_t others;
};

/* Forgets what was kept, keeps copies of @names: DER Names, or whatever the server sent. */
void mtls_exchange_cas_keep(struct exchange_cas *cas, const gnutls_datum_t *names, size_t count);
void mtls_exchange_cas_forget(struct exchange_cas *cas);

/* The first of them as labels, see exchange.h. */
void mtls_exchange_cas_show(const struct exchange_cas *cas, struct mtls_exchange_accepted *ret);

#endif
