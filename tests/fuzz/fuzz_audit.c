/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Audit records. What is read without an error has what everybody relies on, and is read again from
 * what --json prints of it, to the same; what is refused has a sentence that can be printed.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/audit/record.h"
#include "lib/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_record(const struct mtls_audit_record *record)
{
	must(mtls_audit_id_valid(record->id));
	must(record->time_us >= 0 && record->reason);
	must(!record->proven || (record->verified.subject && record->verified.sha256));
	const struct mtls_audit_filter any = MTLS_AUDIT_FILTER_ANY;
	must(mtls_audit_matches(record, &any));
	struct mtls_audit_filter filter = MTLS_AUDIT_FILTER_ANY;
	filter.id = record->id;
	filter.reason = record->reason;
	filter.service = record->request.service;
	filter.user = record->account ? record->account : record->request.account;
	filter.since_us = filter.until_us = record->time_us;
	must(mtls_audit_matches(record, &filter));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL, *again = NULL;
	struct mtls_diag diag = { 0 };

	int r = mtls_audit_parse((const char *)data, size, &record, &diag);
	must((r == 0) == (diag.text[0] == '\0'));
	must((r == 0) == (record != NULL));
	for (const char *p = diag.text; *p; p++)
		must((unsigned char)*p >= 0x20 && *p != 0x7f);
	if (r < 0)
		return 0;
	check_record(record);
	char *text = json_dumps(record->json, JSON_COMPACT | JSON_ENSURE_ASCII);
	must(text != NULL);
	/* DEL is left as it is: who prints it escapes it, too. */
	for (const char *p = text; *p; p++)
		must((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80);
	/* ASCII may be longer than UTF-8 was. */
	if (strlen(text) <= MTLS_AUDIT_LINE_MAX) {
		must(mtls_audit_parse(text, strlen(text), &again, NULL) == 0);
		must(json_equal(record->json, again->json));
	}
	free(text);
	return 0;
}
