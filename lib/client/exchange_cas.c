/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose certificates a server takes, as it says itself. GnuTLS shows the list while the server is a
 * stranger yet, so what is done then is bounded and looks at lengths and bytes only.
 */
#include <config.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/cert/names.h"
#include "lib/client/exchange_cas.h"
#include "lib/name/dn.h"

void mtls_exchange_cas_forget(struct exchange_cas *cas)
{
	for (size_t i = 0; i < cas->count; i++)
		free(cas->kept[i].der);
	memset(cas, 0, sizeof(*cas));
}

static bool is_kept(const struct exchange_cas *cas, const gnutls_datum_t *name)
{
	for (size_t i = 0; i < cas->count; i++)
		if (cas->kept[i].len == name->size &&
		    memcmp(cas->kept[i].der, name->data, name->size) == 0)
			return true;
	return false;
}

/* False where there is no room for it. */
static bool keep_one(struct exchange_cas *cas, const gnutls_datum_t *name)
{
	if (cas->count == EXCHANGE_CAS_KEPT || name->size > EXCHANGE_CA_BYTES)
		return false;
	uint8_t *der = malloc(name->size);
	if (!der)
		return false;
	memcpy(der, name->data, name->size);
	cas->kept[cas->count].der = der;
	cas->kept[cas->count++].len = name->size;
	return true;
}

void mtls_exchange_cas_keep(struct exchange_cas *cas, const gnutls_datum_t *names, size_t count)
{
	mtls_exchange_cas_forget(cas);
	for (size_t i = 0; i < count; i++) {
		if (!names[i].data || names[i].size == 0 || is_kept(cas, &names[i]))
			continue;
		if (!keep_one(cas, &names[i]))
			cas->others++;
	}
}

/* Cut between characters. */
static void copy_label(char *out, const char *text)
{
	size_t len = strlen(text);

	if (len >= MTLS_EXCHANGE_LABEL_MAX) {
		len = MTLS_EXCHANGE_LABEL_MAX - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(out, text, len);
	out[len] = '\0';
}

/* The common name, else all of it, as signers label an issuer; false for what is no name. */
static bool label_of(const uint8_t *der, size_t len, char *out)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_DN_TEXT_MAX);
	const struct mtls_der name = { .data = der, .len = len };

	int err = mtls_cert_common_name(&name, &text);
	if (err == 0 && text.len == 0)
		err = mtls_cert_format_name(&name, &text);
	const char *label = err == 0 ? mtls_buf_cstr(&text) : NULL;
	if (!label || !*label)
		return false;
	copy_label(out, label);
	return true;
}

static bool is_shown(const struct mtls_exchange_accepted *shown, const char *label)
{
	for (size_t i = 0; i < shown->count; i++)
		if (mtls_streq(shown->labels[i], label))
			return true;
	return false;
}

void mtls_exchange_cas_show(const struct exchange_cas *cas, struct mtls_exchange_accepted *ret)
{
	*ret = (struct mtls_exchange_accepted){ .more = cas->others };
	for (size_t i = 0; i < cas->count; i++) {
		char label[MTLS_EXCHANGE_LABEL_MAX];
		if (!label_of(cas->kept[i].der, cas->kept[i].len, label))
			continue;
		if (is_shown(ret, label))
			continue;
		if (ret->count == MTLS_EXCHANGE_LABELS_MAX)
			ret->more++;
		else
			memcpy(ret->labels[ret->count++], label, sizeof(label));
	}
}
