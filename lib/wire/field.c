/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One encoder and decoder for all messages: walks a table of fields and lets the kind of each do
 * the rest. `check` is what both directions have in common, so that nothing can be sent that would
 * be refused. Pure but for malloc.
 */
#include <config.h>

#include <stdio.h>

#include "lib/wire/field.h"

static bool is_absent(const struct mtls_field *f, const void *base)
{
	return f->optional && mtls_field_ops[f->kind].absent(f, base);
}

int mtls_fields_check(const char *type, const struct mtls_field *fields, size_t count,
		      const void *base, struct mtls_diag *diag)
{
	for (size_t i = 0; i < count; i++) {
		if (!mtls_field_ops[fields[i].kind].check || is_absent(&fields[i], base))
			continue;
		int r = mtls_field_ops[fields[i].kind].check(&fields[i], base);
		if (r < 0)
			return mtls_diag_set(diag, r, "%s: field '%s': %s", type, fields[i].name,
					     mtls_strerror(r));
	}
	return 0;
}

int mtls_fields_read(const char *type, const struct mtls_asn1 *asn1, const char *prefix,
		     const struct mtls_field *fields, size_t count, void *base,
		     struct mtls_diag *diag)
{
	char path[MTLS_FIELD_PATH];

	for (size_t i = 0; i < count; i++) {
		const struct mtls_field *f = &fields[i];
		(void)snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", f->name);
		if (f->optional && !mtls_asn1_present(asn1, path)) {
			if (mtls_field_ops[f->kind].set_absent)
				mtls_field_ops[f->kind].set_absent(f, base);
			continue;
		}
		int r = mtls_field_ops[f->kind].read(f, asn1, path, base);
		/* Present, but as the struct says absence: a second encoding of the same. */
		if (r == 0 && is_absent(f, base))
			r = MTLS_E_SYNTAX;
		if (r == MTLS_E_NOTFOUND)
			r = MTLS_E_SYNTAX;
		if (r < 0)
			return mtls_diag_set(diag, r, "%s: field '%s': %s", type, f->name,
					     mtls_strerror(r));
	}
	return 0;
}

int mtls_fields_write(struct mtls_asn1 *asn1, const char *prefix, const struct mtls_field *fields,
		      size_t count, const void *base)
{
	char path[MTLS_FIELD_PATH];

	for (size_t i = 0; i < count; i++) {
		const struct mtls_field *f = &fields[i];
		(void)snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", f->name);
		int r = is_absent(f, base) ? mtls_asn1_write_absent(asn1, path)
					   : mtls_field_ops[f->kind].write(f, asn1, path, base);
		if (r < 0)
			return r;
	}
	return 0;
}

void mtls_fields_clear(const struct mtls_field *fields, size_t count, void *base)
{
	for (size_t i = 0; i < count; i++)
		if (mtls_field_ops[fields[i].kind].clear)
			mtls_field_ops[fields[i].kind].clear(&fields[i], base);
}
