/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Audit records: a table of members, each with its type. Pure. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/audit/record.h"
#include "lib/base/str.h"
#include "lib/base/when.h"

enum member_kind {
	MEMBER_TEXT,
	MEMBER_NUMBER,
	MEMBER_TEXTS, /* an array of texts */
	MEMBER_ROWS,  /* an array of objects */
};

struct member {
	const char *part; /* the object in the record that holds it; NULL: the record itself */
	const char *name;
	enum member_kind kind;
	bool needed; /* where its part is there */
	size_t offset;
};

#define AT(field) offsetof(struct mtls_audit_record, field)

/* clang-format off */
static const struct member members[] = {
	{ NULL,       "audit_id",    MEMBER_TEXT,   true,  AT(id) },
	{ NULL,       "reason",      MEMBER_TEXT,   true,  AT(reason) },
	{ NULL,       "detail",      MEMBER_TEXT,   false, AT(detail) },
	{ NULL,       "rule",        MEMBER_TEXT,   false, AT(rule) },
	{ NULL,       "leaf",        MEMBER_TEXT,   false, AT(leaf) },
	{ NULL,       "keys",        MEMBER_TEXTS,  false, AT(keys) },
	{ NULL,       "bindings",    MEMBER_ROWS,   false, AT(bindings) },
	{ NULL,       "chain",       MEMBER_TEXTS,  false, AT(chain) },
	{ "verified", "subject",     MEMBER_TEXT,   true,  AT(verified.subject) },
	{ "verified", "issuer",      MEMBER_TEXT,   true,  AT(verified.issuer) },
	{ "verified", "serial",      MEMBER_TEXT,   false, AT(verified.serial) },
	{ "verified", "sha256",      MEMBER_TEXT,   true,  AT(verified.sha256) },
	{ "verified", "role",        MEMBER_TEXT,   false, AT(verified.role) },
	{ "verified", "ca",          MEMBER_TEXT,   false, AT(verified.ca) },
	{ "request",  "service",     MEMBER_TEXT,   false, AT(request.service) },
	{ "request",  "account",     MEMBER_TEXT,   false, AT(request.account) },
	{ "request",  "tty",         MEMBER_TEXT,   false, AT(request.tty) },
	{ "request",  "remote_host", MEMBER_TEXT,   false, AT(request.remote_host) },
	{ "request",  "remote_user", MEMBER_TEXT,   false, AT(request.remote_user) },
	{ "request",  "host_name",   MEMBER_TEXT,   false, AT(request.host_name) },
	{ "peer",     "transport",   MEMBER_TEXT,   false, AT(peer.transport) },
	{ "peer",     "address",     MEMBER_TEXT,   false, AT(peer.address) },
	{ "peer",     "uid",         MEMBER_NUMBER, false, AT(peer.uid) },
	{ "peer",     "pid",         MEMBER_NUMBER, false, AT(peer.pid) },
	{ "peer",     "port",        MEMBER_NUMBER, false, AT(peer.port) },
	{ "account",  "name",        MEMBER_TEXT,   true,  AT(account) },
	{ "account",  "uid",         MEMBER_NUMBER, false, AT(account_uid) },
};
/* clang-format on */

static bool is_list_of(const json_t *value, bool (*is)(const json_t *item))
{
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!is(json_array_get(value, i)))
			return false;
	return json_is_array(value);
}

static bool is_text(const json_t *value)
{
	return json_is_string(value);
}

static bool is_object(const json_t *value)
{
	return json_is_object(value);
}

/* False if @value is not of the member's kind. */
static bool take_value(const struct member *member, json_t *value, struct mtls_audit_record *record)
{
	char *at = (char *)record + member->offset;

	switch (member->kind) {
	case MEMBER_TEXT:
		*(const char **)(void *)at = json_string_value(value);
		return json_is_string(value);
	case MEMBER_NUMBER:
		*(int64_t *)(void *)at = json_integer_value(value);
		return json_is_integer(value);
	case MEMBER_TEXTS:
		*(json_t **)(void *)at = value;
		return is_list_of(value, is_text);
	case MEMBER_ROWS:
		*(json_t **)(void *)at = value;
		return is_list_of(value, is_object);
	}
	return false;
}

/* The object that a row's part means; NULL if the record has none. "request" has two names. */
static json_t *part_of(const struct mtls_audit_record *record, const char *part)
{
	if (!part)
		return record->json;
	if (!mtls_streq(part, "request"))
		return json_object_get(record->json, part);
	return json_object_get(record->json, record->request.reported ? "reported" : "claimed");
}

static int take_members(struct mtls_audit_record *record, struct mtls_diag *diag)
{
	for (size_t i = 0; i < MTLS_COUNT(members); i++) {
		const struct member *member = &members[i];
		const char *dot = member->part ? "." : "";
		const char *part = member->part ? member->part : "";
		const json_t *object = part_of(record, member->part);
		json_t *value = json_object_get(object, member->name);

		if (member->kind == MEMBER_NUMBER)
			*(int64_t *)(void *)((char *)record + member->offset) = -1;
		if (object && !json_is_object(object))
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "'%s' is no object", part);
		if (!value && object && member->needed)
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "'%s%s%s' is missing", part, dot,
					     member->name);
		if (value && !take_value(member, value, record))
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "'%s%s%s' is of another type",
					     part, dot, member->name);
	}
	return 0;
}

bool mtls_audit_id_valid(const char *text)
{
	const size_t len = strlen(text);
	return len > 0 && len <= MTLS_AUDIT_ID_MAX && strspn(text, "0123456789abcdef") == len;
}

/* What everybody relies on: time, id, verdict. */
static int take_core(struct mtls_audit_record *record, struct mtls_diag *diag)
{
	const char *time = json_string_value(json_object_get(record->json, "time"));
	const char *verdict = json_string_value(json_object_get(record->json, "verdict"));

	if (!time || mtls_when_parse_utc(time, &record->time_us) < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "'time' is missing or no time");
	if (!mtls_streq(verdict, "allowed") && !mtls_streq(verdict, "denied"))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "'verdict' is no verdict");
	record->allowed = mtls_streq(verdict, "allowed");
	record->proven = json_object_get(record->json, "verified") != NULL;
	record->request.reported = json_object_get(record->json, "reported") != NULL;
	record->asked = part_of(record, "request") != NULL;
	int r = take_members(record, diag);
	if (r < 0)
		return r;
	if (!mtls_audit_id_valid(record->id))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "'audit_id' is none");
	return 0;
}

int mtls_audit_parse(const char *line, size_t len, struct mtls_audit_record **ret,
		     struct mtls_diag *diag)
{
	_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;
	json_error_t error;

	if (len > MTLS_AUDIT_LINE_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "longer than %d bytes",
				     MTLS_AUDIT_LINE_MAX);
	record = calloc(1, sizeof(*record));
	if (!record)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	record->json = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!record->json && json_error_code(&error) == json_error_out_of_memory)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	if (!record->json)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no JSON: %s, at column %d", error.text,
				     error.column);
	if (!json_is_object(record->json))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no JSON object");
	int r = take_core(record, diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(record);
	return 0;
}

void mtls_audit_record_free(struct mtls_audit_record *record)
{
	if (!record)
		return;
	json_decref(record->json);
	free(record);
}

/* ------------------------------------------------------------------------------ selecting */

static bool service_matches(const char *recorded, const char *wanted)
{
	static const char mark[] = "unprivileged:";

	if (!recorded)
		return false;
	if (strncmp(recorded, mark, sizeof(mark) - 1) == 0 &&
	    mtls_streq(recorded + sizeof(mark) - 1, wanted))
		return true;
	return mtls_streq(recorded, wanted);
}

bool mtls_audit_matches(const struct mtls_audit_record *record,
			const struct mtls_audit_filter *filter)
{
	if (record->time_us < filter->since_us || record->time_us > filter->until_us)
		return false;
	if (filter->denied && record->allowed)
		return false;
	if (filter->id && !mtls_streq(record->id, filter->id))
		return false;
	if (filter->reason && !mtls_streq(record->reason, filter->reason))
		return false;
	if (filter->service && !service_matches(record->request.service, filter->service))
		return false;
	return !filter->user || mtls_streq(record->account, filter->user) ||
	       mtls_streq(record->request.account, filter->user);
}
