/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rescue codes. The first byte says what: 's' the file of a set, 'c' what a person typed. A set
 * that is read is written to the same bytes, and asked about; what is refused has a sentence.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/rescue/set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void ask(const struct mtls_rescue_set *set)
{
	const char *users = set->users;
	size_t unused = 0, len;

	must(set->count >= 1 && set->count <= MTLS_RESCUE_CODES_MAX);
	must(mtls_rescue_users_valid(set->users));
	for (const char *name; (name = mtls_split_next(&users, ',', &len));) {
		char copy[MTLS_RESCUE_USERS_MAX];
		memcpy(copy, name, len);
		copy[len] = '\0';
		must(mtls_rescue_set_has_user(set, copy));
	}
	must(!mtls_rescue_set_has_user(set, ""));
	for (size_t i = 0; i < set->count; i++) {
		const struct mtls_rescue_entry *entry = &set->entry[i];
		unused += !entry->used;
		must(mtls_rescue_hash_valid(entry->hash.text, strlen(entry->hash.text)));
		int found = mtls_rescue_set_find(set, &entry->hash);
		must(found >= 0 && mtls_rescue_hash_equal(&set->entry[found].hash, &entry->hash));
	}
	must(mtls_rescue_set_unused(set) == unused);
}

static void try_set(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(MTLS_RESCUE_FILE_MAX);
	_cleanup_(mtls_rescue_set_freep) struct mtls_rescue_set *set = NULL;
	struct mtls_diag diag = { 0 };

	int r = mtls_rescue_set_parse(data, size, &set, &diag);
	must((r == 0) == (diag.text[0] == '\0') && (r == 0) == (set != NULL));
	if (r < 0)
		return;
	ask(set);
	must(mtls_rescue_set_format(set, &out) == 0);
	must(out.len == size && memcmp(out.data, data, size) == 0);
}

static void try_code(const uint8_t *data, size_t size)
{
	char typed[MTLS_RESCUE_TYPED_MAX] = "";
	struct mtls_rescue_code code, again;
	struct mtls_rescue_shown shown;

	memcpy(typed, data, size < sizeof(typed) ? size : sizeof(typed) - 1);
	if (mtls_rescue_code_read(typed, &code) < 0)
		return;
	must(strlen(code.text) == MTLS_RESCUE_CODE_LEN);
	mtls_rescue_code_show(&code, &shown);
	must(mtls_rescue_code_read(shown.text, &again) == 0);
	must(strcmp(code.text, again.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 's')
		try_set(data + 1, size - 1);
	else if (data[0] == 'c')
		try_code(data + 1, size - 1);
	return 0;
}
