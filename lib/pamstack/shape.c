/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which stacks are understood: those in which it is certain where a password is asked for, and that
 * a line above that place shifts no jump. Everything else is refused. Pure, but for the files that
 * the caller loads.
 */
#include <config.h>

#include <errno.h>
#include <strings.h>

#include "lib/base/str.h"
#include "lib/pamstack/pamstack.h"

/* Modules that ask for a password. */
static const char *const password_modules[] = {
	"pam_unix.so", "pam_sss.so", "pam_winbind.so",      "pam_ldap.so",
	"pam_krb5.so", "pam_tcb.so", "pam_systemd_home.so", "pam_unix2.so",
};

/* Files that distributions include to have a password asked for. */
static const char *const password_files[] = {
	"common-auth",  "system-auth",        "password-auth",
	"system-login", "system-local-login", "system-remote-login",
};

static bool in_list(const char *const *list, size_t count, const char *target)
{
	for (size_t i = 0; i < count; i++)
		if (mtls_stack_is_module(target, list[i]))
			return true;
	return false;
}

struct search {
	mtls_stack_load_fn *load;
	void *ctx;
	bool has[MTLS_STACK_TYPES]; /* lines of this type */
	bool ours;                  /* pam_mtls */
	unsigned int files;
};

static int look_at(struct search *search, const struct mtls_stack_line *line, int only, int depth,
		   struct mtls_diag *diag);

static int look_into(struct search *search, const char *name, int only, int depth,
		     struct mtls_diag *diag)
{
	_cleanup_(mtls_stack_freep) struct mtls_stack *other = NULL;

	if (depth == MTLS_STACK_DEPTH_MAX || search->files++ == MTLS_STACK_FILES_MAX)
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "'%s': files include one another too often", name);
	int r = search->load(search->ctx, name, &other, diag);
	for (size_t i = 0; r >= 0 && i < other->count; i++)
		r = look_at(search, &other->lines[i], only, depth + 1, diag);
	return r;
}

/* Which types a line brings. @only: this type counts, or every type (-1). */
static int look_at(struct search *search, const struct mtls_stack_line *line, int only, int depth,
		   struct mtls_diag *diag)
{
	int type = line->kind == MTLS_STACK_AT_INCLUDE ? only : (int)line->type;

	if (line->kind == MTLS_STACK_EMPTY || (only >= 0 && type != only))
		return 0;
	if (line->kind != MTLS_STACK_CALL)
		return look_into(search, line->target, type, depth, diag);
	search->has[line->type] = true;
	search->ours |= mtls_stack_is_module(line->target, MTLS_STACK_MODULE);
	return 0;
}

/* True if @line is a place of auth where a password is asked for. */
static bool asks_password(const struct mtls_stack_line *line)
{
	if (line->kind == MTLS_STACK_AT_INCLUDE)
		return in_list(password_files, MTLS_COUNT(password_files), line->target);
	if (line->kind == MTLS_STACK_EMPTY || line->type != MTLS_STACK_AUTH)
		return false;
	if (line->kind == MTLS_STACK_CALL)
		return in_list(password_modules, MTLS_COUNT(password_modules), line->target);
	return in_list(password_files, MTLS_COUNT(password_files), line->target);
}

static int find_types(const struct mtls_stack *stack, mtls_stack_load_fn *load, void *ctx,
		      struct mtls_stack_plan *plan, struct mtls_diag *diag)
{
	for (size_t type = 0; type < MTLS_STACK_TYPES; type++)
		plan->at[type] = MTLS_STACK_NOWHERE;
	for (size_t i = 0; i < stack->count; i++) {
		struct search search = { .load = load, .ctx = ctx };
		int r = look_at(&search, &stack->lines[i], -1, 0, diag);
		if (r < 0)
			return r;
		if (search.ours)
			return mtls_diag_set(diag, MTLS_E_EXISTS,
					     "line %u: %s is there already, by another hand",
					     stack->lines[i].number, MTLS_STACK_MODULE);
		for (size_t type = 0; type < MTLS_STACK_TYPES; type++)
			if (search.has[type] && plan->at[type] == MTLS_STACK_NOWHERE)
				plan->at[type] = i;
	}
	return 0;
}

/* The only lines that may let somebody in above a certificate that is required. */
static bool admits_root_only(const struct mtls_stack_line *line)
{
	return line->kind == MTLS_STACK_CALL && mtls_stack_is_module(line->target, "pam_rootok.so");
}

/*
 * @line stands above the place. Jumps are refused wherever they land: one that ends exactly at the
 * place would be harmless, and is not worth being wrong about.
 */
static int check_above(const struct mtls_stack_line *line, enum mtls_stack_mode mode,
		       struct mtls_diag *diag)
{
	if (line->kind != MTLS_STACK_CALL)
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "line %u takes what it asks from '%s', which is not known; if "
				     "that is a service, enable that one",
				     line->number, line->target);
	if (mtls_stack_jump(line))
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "line %u jumps over lines, and one more would change where to",
				     line->number);
	if (mode == MTLS_STACK_REQUIRED && mtls_stack_may_admit(line) && !admits_root_only(line))
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "line %u (%s) lets people in without a certificate",
				     line->number, line->target);
	return 0;
}

/* Whether a line brings auth lines. */
static int brings_auth(const struct mtls_stack_line *line, mtls_stack_load_fn *load, void *ctx,
		       bool *ret, struct mtls_diag *diag)
{
	struct search search = { .load = load, .ctx = ctx };
	int r = look_at(&search, line, -1, 0, diag);
	if (r < 0)
		return r;
	*ret = search.has[MTLS_STACK_AUTH];
	return 0;
}

static int no_place(const struct mtls_stack_plan *plan, struct mtls_diag *diag)
{
	return mtls_diag_set(diag, MTLS_E_UNSUPPORTED, "%s",
			     plan->at[MTLS_STACK_AUTH] == MTLS_STACK_NOWHERE
				     ? "nobody is asked for anything here"
				     : "no line is known to be the one that asks for a password");
}

static int find_place(const struct mtls_stack *stack, mtls_stack_load_fn *load, void *ctx,
		      struct mtls_stack_plan *plan, struct mtls_diag *diag)
{
	bool placed = false;

	for (size_t i = 0; i < stack->count; i++) {
		const struct mtls_stack_line *line = &stack->lines[i];
		bool auth = false;
		int r = brings_auth(line, load, ctx, &auth, diag);
		if (r < 0)
			return r;
		if (!auth)
			continue;
		if (placed) {
			if (!plan->skipped)
				plan->skipped = line->number;
			continue;
		}
		placed = asks_password(line);
		if (placed)
			plan->at[MTLS_STACK_AUTH] = i;
		r = placed ? 0 : check_above(line, plan->mode, diag);
		if (r < 0)
			return r;
	}
	return placed ? 0 : no_place(plan, diag);
}

int mtls_stack_understand(const struct mtls_stack *stack, enum mtls_stack_mode mode,
			  mtls_stack_load_fn *load, void *ctx, struct mtls_stack_plan *ret,
			  struct mtls_diag *diag)
{
	struct mtls_stack_plan plan = { .mode = mode };

	if (mtls_stack_marked(stack))
		return mtls_diag_set(diag, MTLS_E_EXISTS,
				     "there are marks of mtlsctl in it already");
	int r = find_types(stack, load, ctx, &plan, diag);
	if (r >= 0)
		r = find_place(stack, load, ctx, &plan, diag);
	if (r < 0)
		return r;
	/* We change no passwords. */
	plan.at[MTLS_STACK_PASSWORD] = MTLS_STACK_NOWHERE;
	*ret = plan;
	return 0;
}
