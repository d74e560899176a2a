/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The generated lines, and how they come in and go out. What a module that is not there does under
 * each control was tried on libpam 1.5 (ARCHITECTURE.md, "A module that is missing"); each line
 * here still does what it should when its module is gone. Pure.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/pamstack/pamstack.h"

#define MARK       "# pam-mtls: "
#define MARK_BEGIN MARK "begin"
#define MARK_END   MARK "end"

#define RESCUE_MODULE "pam_mtls_rescue.so"
#define FILTER_MODULE "pam_succeed_if.so"

static const struct {
	const char *name, *kind;
} modes[MTLS_STACK_MODES] = {
	[MTLS_STACK_SUFFICIENT] = { "sufficient", "certificate-or-password" },
	[MTLS_STACK_REQUIRED] = { "required", "certificate-only with root console rescue" },
};

const char *mtls_stack_mode_name(enum mtls_stack_mode mode)
{
	return modes[mode].name;
}

const char *mtls_stack_mode_kind(enum mtls_stack_mode mode)
{
	return modes[mode].kind;
}

enum when {
	ALWAYS,
	REQUIRED, /* in this mode */
	RESCUE,   /* in this mode, where there are rescue codes; with the service's name */
};

/* clang-format off */
static const struct {
	enum mtls_stack_type type;
	enum when when;
	const char *lead, *control, *module, *rest;
} generated[] = {
	/* Whatever comes of it but success, a missing module too, goes on to what stands below. */
	{ MTLS_STACK_AUTH, ALWAYS, "", "sufficient", MTLS_STACK_MODULE, "" },
	{ MTLS_STACK_AUTH, RESCUE, "-", "sufficient", RESCUE_MODULE, " services=" },
	/*
	 * Only root at a console gets as far as the password. The filter ignores setcred, which a
	 * host may call without authenticate: `login -f` of a getty that logs in by itself.
	 */
	{ MTLS_STACK_AUTH, REQUIRED, "", "[success=ignore ignore=ignore default=die]", FILTER_MODULE,
	  " quiet uid = 0 tty =~ *tty[0-9S]*" },
	/* A rescue code enters even where a wrong clock has let the account expire. */
	{ MTLS_STACK_ACCOUNT, RESCUE, "-", "sufficient", RESCUE_MODULE, " services=" },
	/* `required` would refuse everybody when the module is gone. */
	{ MTLS_STACK_ACCOUNT, ALWAYS, "",
	  "[success=ok new_authtok_reqd=ok ignore=ignore module_unknown=ignore default=bad]",
	  MTLS_STACK_MODULE, "" },
	{ MTLS_STACK_SESSION, ALWAYS, "", "optional", MTLS_STACK_MODULE, "" },
};
/* clang-format on */

static bool wanted(const struct mtls_stack_plan *plan, enum when when)
{
	if (when == ALWAYS)
		return true;
	return plan->mode == MTLS_STACK_REQUIRED && (when == REQUIRED || plan->rescue);
}

int mtls_stack_lines(const struct mtls_stack_plan *plan, enum mtls_stack_type type, bool absent,
		     struct mtls_buf *out)
{
	for (size_t i = 0; i < MTLS_COUNT(generated); i++) {
		if (generated[i].type != type || !wanted(plan, generated[i].when))
			continue;
		/* The filter is libpam's own; a machine without it has no libpam. */
		bool gone = absent && !mtls_streq(generated[i].module, FILTER_MODULE);
		(void)mtls_buf_printf(out, "%s%s\t%s\t%s%s%s%s\n", generated[i].lead,
				      mtls_stack_type_name(type), generated[i].control,
				      gone ? "absent_" : "", generated[i].module, generated[i].rest,
				      generated[i].when == RESCUE ? plan->rescue : "");
	}
	return out->err;
}

static int add_block(const struct mtls_stack_plan *plan, enum mtls_stack_type type, bool absent,
		     struct mtls_buf *out)
{
	(void)mtls_buf_printf(out, MARK_BEGIN " %s; 'mtlsctl disable' takes it out\n",
			      modes[plan->mode].kind);
	(void)mtls_stack_lines(plan, type, absent, out);
	return mtls_buf_append_str(out, MARK_END "\n");
}

int mtls_stack_compose(const struct mtls_stack *stack, const struct mtls_stack_plan *plan,
		       bool absent, struct mtls_buf *out)
{
	for (size_t i = 0; i < stack->count; i++) {
		const struct mtls_stack_line *line = &stack->lines[i];
		for (size_t type = 0; type < MTLS_STACK_TYPES; type++)
			if (plan->at[type] == i)
				(void)add_block(plan, (enum mtls_stack_type)type, absent, out);
		(void)mtls_buf_append(out, stack->text + line->start, line->len);
	}
	return out->err;
}

/* --- out again --- */

static bool starts_with(const struct mtls_stack *stack, const struct mtls_stack_line *line,
			const char *mark)
{
	size_t len = strlen(mark);

	return line->len >= len && memcmp(stack->text + line->start, mark, len) == 0;
}

bool mtls_stack_marked(const struct mtls_stack *stack)
{
	for (size_t i = 0; i < stack->count; i++)
		if (starts_with(stack, &stack->lines[i], MARK_BEGIN) ||
		    starts_with(stack, &stack->lines[i], MARK_END))
			return true;
	return false;
}

static bool is_generated(const struct mtls_stack_line *line)
{
	for (size_t i = 0; i < MTLS_COUNT(generated); i++)
		if (line->kind == MTLS_STACK_CALL && line->type == generated[i].type &&
		    mtls_stack_is_module(line->target, generated[i].module))
			return true;
	return false;
}

int mtls_stack_strip(const struct mtls_stack *stack, struct mtls_buf *out, struct mtls_diag *diag)
{
	unsigned int open = 0; /* the line of a begin without its end */

	if (!mtls_stack_marked(stack))
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "there are no marks of mtlsctl in it");
	for (size_t i = 0; i < stack->count; i++) {
		const struct mtls_stack_line *line = &stack->lines[i];
		bool begin = starts_with(stack, line, MARK_BEGIN);
		bool end = starts_with(stack, line, MARK_END);
		if (begin == (open > 0) && (begin || end))
			return mtls_diag_set(diag, MTLS_E_CORRUPT,
					     "line %u: a mark of mtlsctl without its partner",
					     begin ? open : line->number);
		if (open && !end && !is_generated(line))
			return mtls_diag_set(diag, MTLS_E_CORRUPT,
					     "line %u is between marks of mtlsctl and not its own",
					     line->number);
		if (!open && !begin)
			(void)mtls_buf_append(out, stack->text + line->start, line->len);
		open = begin ? line->number : end ? 0 : open;
	}
	if (open)
		return mtls_diag_set(diag, MTLS_E_CORRUPT,
				     "line %u: a mark of mtlsctl without its partner", open);
	return out->err;
}

/* --- by hand --- */

/* The first line of @type, as far as that can be seen without other files. */
static const struct mtls_stack_line *first_of(const struct mtls_stack *stack,
					      enum mtls_stack_type type)
{
	for (size_t i = 0; stack && i < stack->count; i++) {
		const struct mtls_stack_line *line = &stack->lines[i];
		bool named = line->kind == MTLS_STACK_AT_INCLUDE &&
			     strstr(line->target, mtls_stack_type_name(type));
		if (named || (line->kind != MTLS_STACK_EMPTY &&
			      line->kind != MTLS_STACK_AT_INCLUDE && line->type == type))
			return line;
	}
	return NULL;
}

int mtls_stack_advice(const struct mtls_stack *stack, enum mtls_stack_mode mode,
		      struct mtls_buf *out)
{
	static const enum mtls_stack_type order[] = { MTLS_STACK_AUTH, MTLS_STACK_ACCOUNT,
						      MTLS_STACK_SESSION };
	const struct mtls_stack_plan plan = { .mode = mode };

	for (size_t i = 0; i < MTLS_COUNT(order); i++) {
		const struct mtls_stack_line *line = first_of(stack, order[i]);
		const char *name = mtls_stack_type_name(order[i]);
		if (!line && order[i] != MTLS_STACK_AUTH)
			continue;
		if (order[i] == MTLS_STACK_AUTH)
			(void)mtls_buf_append_str(
				out, "above the line that asks for the password, and outside of "
				     "what a jump counts:\n");
		else
			(void)mtls_buf_printf(out, "above the first line for %s (line %u):\n", name,
					      line->number);
		(void)mtls_stack_lines(&plan, order[i], false, out);
	}
	return out->err;
}
