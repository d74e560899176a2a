/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl disable: takes out what enable put in, and nothing else. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_pam_state.h"

#define CMD          "disable"
#define SERVICES_MAX 64

struct options {
	bool dry_run, json;
};

/* One run: what was asked for, and with --json what was done. */
struct disable {
	bool dry;
	json_t *done; /* owned by run_disable() */
};

static int say(const struct disable *d, const char *service, bool had_lines)
{
	if (!d->done) {
		if (!d->dry || !had_lines)
			(void)printf(had_lines ? "'%s' is without pam_mtls\n"
					       : "'%s' has no line of ours any more\n",
				     service);
		return CTL_OK;
	}
	json_t *one = json_pack("{s:s, s:b}", "service", service, "lines_removed", (int)had_lines);
	return json_array_append_new(d->done, one) < 0 ? ctl_error(CMD, "out of memory") : CTL_OK;
}

/* Marks that are damaged, or lines that another hand wrote: the person has to look. */
static int refuse(const char *service, const struct mtls_stack *stack, const char *why)
{
	(void)ctl_error(CMD, "'%s' is not changed: %s", service, why);
	for (size_t i = 0; stack && i < stack->count; i++) {
		const struct mtls_stack_line *line = &stack->lines[i];
		if (line->kind == MTLS_STACK_CALL &&
		    mtls_stack_is_module(line->target, MTLS_STACK_MODULE))
			(void)fprintf(stderr, "By hand, take out line %u of %s/%s: %.*s\n",
				      line->number, CTL_PAM_DIR, service,
				      (int)strcspn(stack->text + line->start, "\n"),
				      stack->text + line->start);
	}
	return CTL_FAILED;
}

static bool uses_module(const struct mtls_stack *stack)
{
	for (size_t i = 0; i < stack->count; i++)
		if (stack->lines[i].kind == MTLS_STACK_CALL &&
		    mtls_stack_is_module(stack->lines[i].target, MTLS_STACK_MODULE))
			return true;
	return false;
}

/* Our lines are gone by another way: what we remember goes too. */
static int nothing_there(const struct disable *d, const char *service,
			 const struct mtls_stack *stack)
{
	struct ctl_pam_state state;

	if (uses_module(stack))
		return refuse(service, stack, "its lines for pam_mtls are of another hand");
	int r = ctl_pam_state_load(service, &state, NULL);
	if (r == -ENOENT)
		return ctl_error(CMD, "'%s' is not enabled", service);
	if (!d->dry)
		ctl_pam_state_remove(service);
	return say(d, service, false);
}

static int write_back(const struct disable *d, const char *service, const struct ctl_pam_file *file,
		      const struct mtls_buf *text, const struct mtls_stack *stack)
{
	_cleanup_(mtls_stack_freep) struct mtls_stack *now = NULL;
	struct mtls_diag diag = { 0 };

	int r = mtls_stack_parse(text->data, text->len, &now, &diag);
	if (r >= 0 && d->dry) {
		if (!d->done)
			ctl_pam_print_diff(service, stack, now);
		return say(d, service, true);
	}
	if (r >= 0)
		r = ctl_pam_write(service, text, file, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	/* The file first: a state without lines is harmless, lines without a state would stay. */
	ctl_pam_state_remove(service);
	return say(d, service, true);
}

static int disable(const struct disable *d, const char *service)
{
	_cleanup_pam_file_ struct ctl_pam_file file = CTL_PAM_FILE;
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_STACK_FILE_MAX);
	struct mtls_diag diag = { 0 };

	int r = ctl_pam_read(service, &file, &diag);
	if (r >= 0)
		r = mtls_stack_parse(file.text.data, file.text.len, &stack, &diag);
	if (r < 0)
		return refuse(service, NULL, mtls_diag_text(&diag, r));
	r = mtls_stack_strip(stack, &text, &diag);
	if (r == MTLS_E_NOTFOUND)
		return nothing_there(d, service, stack);
	if (r < 0)
		return refuse(service, stack, mtls_diag_text(&diag, r));
	return write_back(d, service, &file, &text, stack);
}

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, dry_run, "dry-run", NULL, "show what would change"),
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int run_disable(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_close_ int lock = -1;
	struct options o = { 0 };
	struct mtls_diag diag = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	if (geteuid() != 0)
		return ctl_error(CMD, "only root may change service files");
	int r = ctl_pam_lock(CTL_PAM_PATIENCE_MS, &lock, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	struct disable d = { .dry = o.dry_run, .done = o.json ? json_array() : NULL };
	if (o.json && !d.done)
		return ctl_error(CMD, "out of memory");
	for (int i = 0; i < count; i++) {
		int one = disable(&d, args[i]);
		code = code ? code : one;
	}
	if (!o.json)
		return code;
	if (code)
		json_decref(d.done);
	return code ? code
		    : ctl_json_print(json_pack("{s:o, s:b}", "disabled", d.done, "dry_run",
					       (int)o.dry_run));
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "SERVICE...", "Takes out of the service's file what 'mtlsctl enable' put in; other lines stay as they are",
	  1, SERVICES_MAX, options, run_disable },
};
/* clang-format on */

const struct ctl_command ctl_disable = {
	.name = CMD,
	.help = "take pam_mtls out of a PAM service again",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
