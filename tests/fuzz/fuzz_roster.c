/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rosters. The first byte says which syntax: 'p' passwd, 'g' group, 'c' CSV. What is read without
 * an error is written and read again, to the same; what is refused has a sentence that can be
 * printed.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/name/account.h"
#include "lib/roster/roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static int read_roster(char kind, const uint8_t *data, size_t size, struct mtls_roster *roster,
		       struct mtls_diag *diag)
{
	if (kind == 'p')
		return mtls_roster_passwd("file", data, size, roster, diag);
	if (kind == 'g')
		return mtls_roster_group("file", data, size, roster, diag);
	return mtls_roster_csv("file", data, size, roster, diag);
}

static void write_roster(char kind, const struct mtls_roster *roster, struct mtls_buf *out)
{
	if (kind == 'c')
		must(mtls_roster_write_csv_header(out) == 0);
	for (size_t i = 0; i < roster->user_count; i++)
		must((kind == 'c' ? mtls_roster_write_csv(&roster->users[i], out)
				  : mtls_roster_write_passwd(&roster->users[i], out)) == 0);
	for (size_t i = 0; i < roster->group_count; i++)
		must(mtls_roster_write_group(&roster->groups[i], out) == 0);
}

static void must_be_same(const char *a, const char *b)
{
	must(!a == !b && (!a || strcmp(a, b) == 0));
}

static void must_be_same_list(char *const *a, char *const *b)
{
	must(mtls_strv_count(a) == mtls_strv_count(b));
	for (size_t i = 0; a && a[i]; i++)
		must_be_same(a[i], b[i]);
}

static void compare(const struct mtls_roster *a, const struct mtls_roster *b)
{
	must(a->user_count == b->user_count && a->group_count == b->group_count);
	for (size_t i = 0; i < a->user_count; i++) {
		const struct mtls_roster_user *x = &a->users[i], *y = &b->users[i];
		must(x->uid == y->uid && x->gid == y->gid);
		must_be_same(x->name, y->name);
		must_be_same(x->gecos, y->gecos);
		must_be_same(x->home, y->home);
		must_be_same(x->shell, y->shell);
		must_be_same_list(x->groups, y->groups);
	}
	for (size_t i = 0; i < a->group_count; i++) {
		const struct mtls_roster_group *x = &a->groups[i], *y = &b->groups[i];
		must(x->gid == y->gid && x->member_count == y->member_count);
		must(mtls_strv_count(x->members) == x->member_count);
		must_be_same(x->name, y->name);
		must_be_same_list(x->members, y->members);
	}
}

static void check_names(const struct mtls_roster *roster)
{
	for (size_t i = 0; i < roster->user_count; i++) {
		const char *name = roster->users[i].name;
		must(mtls_account_name_valid(name, strlen(name)));
		must(strlen(name) <= MTLS_OWNED_NAME_MAX);
	}
}

/* What a file may hold may be added by hand, too. */
static void check_copy(const struct mtls_roster *roster)
{
	struct mtls_roster copy = { 0 };

	for (size_t i = 0; i < roster->user_count; i++)
		must(mtls_roster_add_user("copy", &roster->users[i], &copy, NULL) == 0);
	for (size_t i = 0; i < roster->group_count; i++)
		must(mtls_roster_add_group("copy", &roster->groups[i], &copy, NULL) == 0);
	compare(roster, &copy);
	mtls_roster_done(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(64 << 20);
	struct mtls_roster roster = { 0 }, again = { 0 };
	struct mtls_diag diag = { 0 };

	if (size == 0 || !strchr("pgc", data[0]) || !data[0])
		return 0;
	char kind = (char)data[0];
	int r = read_roster(kind, data + 1, size - 1, &roster, &diag);
	must((r == 0) == (diag.text[0] == '\0'));
	if (r == 0) {
		check_names(&roster);
		write_roster(kind, &roster, &out);
		must(read_roster(kind, out.data, out.len, &again, NULL) == 0);
		compare(&roster, &again);
		check_copy(&roster);
		must(again.hashes_dropped == 0);
		r = mtls_roster_check("file", &roster, &diag);
		must((r == 0) == (diag.text[0] == '\0'));
		must(r == mtls_roster_check("file", &again, NULL));
	}
	for (const char *p = diag.text; *p; p++)
		must(*p >= 0x20 && *p < 0x7f);
	mtls_roster_done(&roster);
	mtls_roster_done(&again);
	return 0;
}
