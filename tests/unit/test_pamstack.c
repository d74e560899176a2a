/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/pamstack: the reader, the shapes that are understood, blocks in and out again. */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/str.h"
#include "lib/pamstack/pamstack.h"

/* clang-format off */
#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
#define LONG1000 LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG

#define COMMON_AUTH                                                                                \
	"auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\n"         \
	"auth required pam_permit.so\n"
#define ACCT    "account required pam_unix.so\n"
#define AUTH_S  "# pam-mtls: begin certificate-or-password; 'mtlsctl disable' takes it out\n"        \
		"auth\tsufficient\tpam_mtls.so\n# pam-mtls: end\n"
#define AUTH_R  "# pam-mtls: begin certificate-only with root console rescue; 'mtlsctl disable' takes it out\n" \
		"auth\tsufficient\tpam_mtls.so\n" \
		"auth\t[success=ignore ignore=ignore default=die]\tpam_succeed_if.so quiet uid = 0 tty =~ *tty[0-9S]*\n" \
		"# pam-mtls: end\n"
#define ACCT_S  "# pam-mtls: begin certificate-or-password; 'mtlsctl disable' takes it out\n"        \
		"account\t[success=ok new_authtok_reqd=ok ignore=ignore module_unknown=ignore default=bad]\tpam_mtls.so\n" \
		"# pam-mtls: end\n"
#define SESS_S  "# pam-mtls: begin certificate-or-password; 'mtlsctl disable' takes it out\n"        \
		"session\toptional\tpam_mtls.so\n# pam-mtls: end\n"
/* clang-format on */

static int load(void *ctx, const char *name, struct mtls_stack **ret, struct mtls_diag *diag)
{
	static const struct {
		const char *name, *text;
	} files[] = {
		{ "common-auth", COMMON_AUTH },
		{ "common-account", ACCT },
		{ "common-session", "session required pam_unix.so\n" },
		{ "system-auth", "auth sufficient pam_unix.so\nauth required pam_deny.so\n" ACCT },
		{ "everything", "@include common-auth\n@include common-account\n" },
		{ "by-hand", "auth sufficient pam_mtls.so\n" },
		{ "circle", "@include circle\n" },
		{ "su", "@include common-auth\n@include common-account\n" },
	};

	assert_null(ctx);
	for (size_t i = 0; i < MTLS_COUNT(files); i++)
		if (mtls_streq(files[i].name, name))
			return mtls_stack_parse(files[i].text, strlen(files[i].text), ret, diag);
	return mtls_diag_set(diag, MTLS_E_UNSUPPORTED, "'%s' is not there", name);
}

/* The composed text, or the message. */
static void outcome(const char *text, enum mtls_stack_mode mode, struct mtls_buf *out)
{
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
	struct mtls_stack_plan plan;
	struct mtls_diag diag = { 0 };

	int r = mtls_stack_parse(text, strlen(text), &stack, &diag);
	if (r == 0)
		r = mtls_stack_understand(stack, mode, load, NULL, &plan, &diag);
	if (r == 0)
		r = mtls_stack_compose(stack, &plan, false, out);
	else
		(void)mtls_buf_append_str(out, diag.text);
}

static void there_and_back(const char *composed, const char *want)
{
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
	_cleanup_buf_ struct mtls_buf back = MTLS_BUF(1 << 20);

	assert_int_equal(mtls_stack_parse(composed, strlen(composed), &stack, NULL), 0);
	assert_int_equal(mtls_stack_strip(stack, &back, NULL), 0);
	assert_string_equal(mtls_buf_cstr(&back), want);
}

#define S MTLS_STACK_SUFFICIENT
#define R MTLS_STACK_REQUIRED

/* clang-format off */
static void shapes(void **state)
{
	static const struct {
		const char *name;
		enum mtls_stack_mode mode;
		const char *text, *want;
		bool refused;
	} rows[] = {
		{ "Debian's sudo", S, "#%PAM-1.0\nsession required pam_limits.so\n@include common-auth\n@include common-account\n@include common-session\n",
		  "#%PAM-1.0\n" SESS_S "session required pam_limits.so\n" AUTH_S "@include common-auth\n" ACCT_S "@include common-account\n@include common-session\n", false },
		{ "pam_unix directly", S, "auth requisite pam_nologin.so\nauth required pam_unix.so\n" ACCT,
		  "auth requisite pam_nologin.so\n" AUTH_S "auth required pam_unix.so\n" ACCT_S ACCT, false },
		{ "Fedora", S, "auth substack system-auth\naccount include system-auth\n",
		  AUTH_S "auth substack system-auth\n" ACCT_S "account include system-auth\n", false },
		{ "no lines for account: none is added, or `other` would not be used any more", S,
		  "auth required pam_unix.so\n", AUTH_S "auth required pam_unix.so\n", false },
		{ "no newline at the end", S, "auth required pam_unix.so", AUTH_S "auth required pam_unix.so", false },
		{ "a continued line", S, "auth required \\\n  pam_env.so \\\n  x\nauth required pam_unix.so\n",
		  "auth required \\\n  pam_env.so \\\n  x\n" AUTH_S "auth required pam_unix.so\n", false },
		{ "a path to the module", S, "auth required /lib/security/pam_unix.so\n", AUTH_S "auth required /lib/security/pam_unix.so\n", false },
		{ "any case", S, "AUTH Required pam_unix.so\n", AUTH_S "AUTH Required pam_unix.so\n", false },
		{ "required", R, "auth required pam_unix.so\n", AUTH_R "auth required pam_unix.so\n", false },
		{ "required, root needs nothing", R, "auth sufficient pam_rootok.so\nauth required pam_unix.so\n",
		  "auth sufficient pam_rootok.so\n" AUTH_R "auth required pam_unix.so\n", false },

		{ "another way in, sufficient", S, "auth sufficient pam_fprintd.so\nauth required pam_unix.so\n",
		  "auth sufficient pam_fprintd.so\n" AUTH_S "auth required pam_unix.so\n", false },
		{ "another way in, required", R, "auth sufficient pam_fprintd.so\nauth required pam_unix.so\n",
		  "line 1 (pam_fprintd.so) lets people in without a certificate", true },
		{ "another way in, in brackets", R, "auth [success = done default=ignore] pam_x.so\nauth required pam_unix.so\n",
		  "line 1 (pam_x.so) lets people in without a certificate", true },
		{ "a jump across the place", S, "auth [success=1 default=ignore] pam_x.so\nauth required pam_unix.so\nauth required pam_y.so\n",
		  "line 1 jumps over lines, and one more would change where to", true },
		{ "a jump with blanks around '='", S, "auth [success = 1] pam_x.so\nauth required pam_unix.so\n",
		  "line 1 jumps over lines, and one more would change where to", true },
		{ "a jump behind the place", S, COMMON_AUTH, AUTH_S COMMON_AUTH, false },
		{ "lines of a file above the place", S, "auth include everything\nauth required pam_unix.so\n",
		  "line 1 takes what it asks from 'everything', which is not known; if that is a service, enable that one", true },
		{ "another service", S, "auth include su\naccount include su\n", "line 1 takes what it asks from 'su', which is not known; if that is a service, enable that one", true },
		{ "nobody is asked", S, "account required pam_unix.so\n", "nobody is asked for anything here", true },
		{ "no known question", S, "auth required pam_x.so\n", "no line is known to be the one that asks for a password", true },
		{ "ours by hand", S, "auth sufficient pam_mtls.so\nauth required pam_unix.so\n", "line 1: pam_mtls.so is there already, by another hand", true },
		{ "ours in an included file", S, "@include by-hand\nauth required pam_unix.so\n", "line 1: pam_mtls.so is there already, by another hand", true },
		{ "marked", S, AUTH_S "auth required pam_unix.so\n", "there are marks of mtlsctl in it already", true },
		{ "a file that is not there", S, "@include gone\nauth required pam_unix.so\n", "'gone' is not there", true },
		{ "a circle", S, "@include circle\n", "'circle': files include one another too often", true },

		{ "a comment swallows the line behind it", S, "auth required pam_env.so \\\n# x\nauth required pam_unix.so\n", "line 1: not as pam.d(5) has it", true },
		{ "so does a blank line", S, "auth required pam_env.so \\\n\nauth required pam_unix.so\n", "line 1: not as pam.d(5) has it", true },
		{ "blanks behind the backslash continue too", S, "auth required pam_env.so \\ \t\n\nauth required pam_unix.so\n", "line 1: not as pam.d(5) has it", true },
		{ "cut", S, "auth required pam_unix.so \\", "line 1: not as pam.d(5) has it", true },
		{ "no such type", S, "\n\nauht required pam_unix.so\n", "line 3: not as pam.d(5) has it", true },
		{ "no such control", S, "auth requiered pam_unix.so\n", "line 1: not as pam.d(5) has it", true },
		{ "no module", S, "auth required\n", "line 1: not as pam.d(5) has it", true },
		{ "a bracket that stays open", S, "auth [success=1 pam_unix.so\n", "line 1: not as pam.d(5) has it", true },
		{ "carriage returns", S, "auth required pam_unix.so\r\n", "there are control characters in it", true },
		{ "a line that libpam cuts", S, "# " LONG1000 "\nauth required pam_unix.so\n", "line 1: longer than libpam reads", true },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(1 << 20);
		print_message("# row '%s'\n", rows[i].name);
		outcome(rows[i].text, rows[i].mode, &out);
		assert_string_equal(mtls_buf_cstr(&out), rows[i].want);
		if (!rows[i].refused)
			there_and_back(mtls_buf_cstr(&out), rows[i].text);
	}
}

/* Edited around since: only what is ours goes. Marks that are damaged: nothing goes. */
static void strips(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{ "edited around", "# new\n" AUTH_S "auth required pam_new.so\n", "# new\nauth required pam_new.so\n" },
		{ "an option was added to our line", "# pam-mtls: begin\nauth sufficient pam_mtls.so debug=yes\n# pam-mtls: end\nx\n", "line 4: not as pam.d(5) has it" },
		{ "an option was added to our line, a good file", "# pam-mtls: begin\nauth sufficient pam_mtls.so presence=required\n# pam-mtls: end\n", "" },
		{ "the end is gone", "# pam-mtls: begin\nauth sufficient pam_mtls.so\n", "line 1: a mark of mtlsctl without its partner" },
		{ "the begin is gone", "auth sufficient pam_mtls.so\n# pam-mtls: end\n", "line 2: a mark of mtlsctl without its partner" },
		{ "begin twice", "# pam-mtls: begin\n# pam-mtls: begin\n# pam-mtls: end\n", "line 1: a mark of mtlsctl without its partner" },
		{ "somebody else's line", "# pam-mtls: begin\nauth required pam_x.so\n# pam-mtls: end\n", "line 2 is between marks of mtlsctl and not its own" },
		{ "our module, another type", "# pam-mtls: begin\npassword required pam_mtls.so\n# pam-mtls: end\n", "line 2 is between marks of mtlsctl and not its own" },
		{ "no marks", "auth sufficient pam_mtls.so\n", "there are no marks of mtlsctl in it" },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
		_cleanup_buf_ struct mtls_buf out = MTLS_BUF(1 << 20);
		struct mtls_diag diag = { 0 };
		print_message("# row '%s'\n", rows[i].name);
		int r = mtls_stack_parse(rows[i].text, strlen(rows[i].text), &stack, &diag);
		if (r == 0)
			r = mtls_stack_strip(stack, &out, &diag);
		assert_string_equal(r == 0 ? mtls_buf_cstr(&out) : diag.text, rows[i].want);
	}
}
/* clang-format on */

static void words(void **state)
{
	static const char text[] =
		"-session [a=1 b=ok] /x/pam_y.so [a \\] b] c # d\n\n@include f\n#c\n";
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;

	(void)state;
	assert_int_equal(mtls_stack_parse(text, sizeof(text) - 1, &stack, NULL), 0);
	assert_int_equal(stack->count, 4);
	const struct mtls_stack_line *line = &stack->lines[0];
	assert_int_equal(line->kind, MTLS_STACK_CALL);
	assert_int_equal(line->type, MTLS_STACK_SESSION);
	assert_string_equal(line->control, "[a=1 b=ok]");
	assert_true(mtls_stack_is_module(line->target, "pam_y.so"));
	assert_string_equal(line->args[0], "a ] b");
	assert_string_equal(line->args[1], "c");
	assert_null(line->args[2]);
	assert_int_equal(mtls_stack_jump(line), 1);
	assert_false(mtls_stack_may_admit(line));
	assert_int_equal(stack->lines[2].kind, MTLS_STACK_AT_INCLUDE);
	assert_int_equal(stack->lines[2].number, 3);
	assert_true(mtls_stack_service_valid("su-l"));
	assert_false(mtls_stack_service_valid("../x"));
	assert_false(mtls_stack_service_valid("SUDO"));
	assert_false(mtls_stack_service_valid(".x"));
	assert_false(mtls_stack_service_valid(""));
}

/* Rescue codes where there are any; the marks know these lines too. */
static void rescues(void **state)
{
	static const char text[] = "auth required pam_unix.so\n" ACCT;
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(1 << 20), absent = MTLS_BUF(1 << 20);
	struct mtls_stack_plan plan;

	(void)state;
	assert_int_equal(mtls_stack_parse(text, sizeof(text) - 1, &stack, NULL), 0);
	assert_int_equal(mtls_stack_understand(stack, R, load, NULL, &plan, NULL), 0);
	plan.rescue = "login";
	assert_int_equal(mtls_stack_compose(stack, &plan, false, &out), 0);
	const char *composed = mtls_buf_cstr(&out);
	assert_non_null(strstr(
		composed, "auth\tsufficient\tpam_mtls.so\n"
			  "-auth\tsufficient\tpam_mtls_rescue.so services=login\n"
			  "auth\t[success=ignore ignore=ignore default=die]\tpam_succeed_if.so"));
	assert_non_null(
		strstr(composed, "-account\tsufficient\tpam_mtls_rescue.so services=login\n"));
	there_and_back(composed, text);
	assert_int_equal(mtls_stack_compose(stack, &plan, true, &absent), 0);
	assert_null(strstr(mtls_buf_cstr(&absent), "\tpam_mtls"));
	assert_non_null(strstr(mtls_buf_cstr(&absent), "\tpam_succeed_if.so"));
}

static void tells_by_hand(void **state)
{
	static const char text[] = "auth [success=1] pam_x.so\nauth required pam_unix.so\n" ACCT;
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(1 << 20);

	(void)state;
	assert_int_equal(mtls_stack_parse(text, sizeof(text) - 1, &stack, NULL), 0);
	assert_int_equal(mtls_stack_advice(stack, S, &out), 0);
	const char *advice = mtls_buf_cstr(&out);
	assert_non_null(strstr(advice, "above the line that asks for the password"));
	assert_non_null(strstr(advice, "auth\tsufficient\tpam_mtls.so\n"));
	assert_non_null(strstr(advice, "above the first line for account (line 3):\naccount\t["));
	assert_null(strstr(advice, "session"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),  cmocka_unit_test(strips),        cmocka_unit_test(words),
		cmocka_unit_test(rescues), cmocka_unit_test(tells_by_hand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
