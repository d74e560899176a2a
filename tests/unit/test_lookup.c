/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packets between workers and lookup processes, the NSS order without x509, and what a lookup
 * process may not do to others.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "authd/lookup.h"
#include "authd/sandbox.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/mapping/query.h"

static struct mtls_lookup_query query;
static struct mtls_lookup_answer answer;

static void queries_are_bounded(void **state)
{
	static char longest[MTLS_KEY_MAX + 1];

	(void)state;
	memset(&query, 0, sizeof(query));
	memset(longest, 'x', sizeof(longest));
	assert_false(mtls_lookup_query_add(&query, "", 0));
	assert_false(mtls_lookup_query_add(&query, "a\0b", 3));
	assert_false(mtls_lookup_query_add(&query, longest, MTLS_KEY_MAX + 1));
	assert_true(mtls_lookup_query_add(&query, longest, MTLS_KEY_MAX));
	for (int i = 1; i < MTLS_LOOKUP_KEYS_MAX; i++)
		assert_true(mtls_lookup_query_add(&query, "k", 1));
	assert_false(mtls_lookup_query_add(&query, "k", 1));
	assert_true(mtls_lookup_query_valid(&query, mtls_lookup_query_size(&query)));
	assert_string_equal(mtls_lookup_query_key(&query, MTLS_LOOKUP_KEYS_MAX - 1), "k");
	longest[MTLS_KEY_MAX] = '\0';
	assert_string_equal(mtls_lookup_query_key(&query, 0), longest);
}

static void good_query(void)
{
	memset(&query, 0, sizeof(query));
	assert_true(mtls_lookup_query_add(&query, "sha256:00", 9));
	assert_true(mtls_lookup_query_add(&query, "subject:CN=a", 12));
	assert_true(mtls_lookup_query_valid(&query, mtls_lookup_query_size(&query)));
}

static void good_answer(void)
{
	memset(&answer, 0, sizeof(answer));
	answer.status = MTLS_LOOKUP_FOUND;
	assert_true(mtls_lookup_answer_add(&answer, 0, "alice"));
	assert_true(mtls_lookup_answer_valid(&answer, mtls_lookup_answer_size(&answer)));
}

/* Each starts from a packet that is taken, and changes one thing. */
static void bad_queries_are_refused(void **state)
{
	(void)state;
	good_query();
	assert_false(mtls_lookup_query_valid(&query, mtls_lookup_query_size(&query) - 1));
	assert_false(mtls_lookup_query_valid(&query, mtls_lookup_query_size(&query) + 1));
	assert_false(mtls_lookup_query_valid(&query, 3));
	assert_false(mtls_lookup_query_valid(&query, 0));
	const size_t size = mtls_lookup_query_size(&query);
	const struct {
		const char *name;
		uint32_t *field, value;
	} rows[] = {
		{ "shorter", &query.keys[0].len, 8 },
		{ "longer", &query.keys[0].len, 10 },
		{ "empty", &query.keys[1].len, 0 },
		{ "too long", &query.keys[1].len, MTLS_KEY_MAX + 1 },
		{ "begins later", &query.keys[0].at, 1 },
		{ "overlaps", &query.keys[1].at, 0 },
		{ "behind the end", &query.keys[1].at, UINT32_MAX },
		{ "one key less", &query.count, 1 },
		{ "one key more", &query.count, 3 },
	};
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		good_query();
		*rows[i].field = rows[i].value;
		if (mtls_lookup_query_valid(&query, size))
			fail_msg("row '%s'", rows[i].name);
	}
	good_query();
	query.text[9] = 'x'; /* no NUL between the two */
	assert_false(mtls_lookup_query_valid(&query, size));
	good_query();
	query.text[size - 1 - offsetof(struct mtls_lookup_query, text)] = 'x';
	assert_false(mtls_lookup_query_valid(&query, size));
	good_query();
	query.count = MTLS_LOOKUP_KEYS_MAX + 1;
	assert_false(mtls_lookup_query_valid(&query, size));
	query.count = UINT32_MAX;
	assert_false(mtls_lookup_query_valid(&query, sizeof(query)));
	query.count = 0;
	assert_false(mtls_lookup_query_valid(&query, size));
}

static void bad_answers_are_refused(void **state)
{
	(void)state;
	good_answer();
	assert_false(mtls_lookup_answer_valid(&answer, mtls_lookup_answer_size(&answer) - 1));
	assert_false(mtls_lookup_answer_valid(&answer, 4));
	answer.status = MTLS_LOOKUP_TIMEOUT; /* never on the wire */
	assert_false(mtls_lookup_answer_valid(&answer, mtls_lookup_answer_size(&answer)));
	answer.status = MTLS_LOOKUP_NOTFOUND; /* with a name */
	assert_false(mtls_lookup_answer_valid(&answer, mtls_lookup_answer_size(&answer)));
	good_answer();
	answer.names[0].text[0] = '\0';
	assert_false(mtls_lookup_answer_valid(&answer, mtls_lookup_answer_size(&answer)));
	memset(answer.names[0].text, 'x', sizeof(answer.names[0].text));
	assert_false(mtls_lookup_answer_valid(&answer, mtls_lookup_answer_size(&answer)));
	good_answer();
	answer.names[0].key = MTLS_LOOKUP_KEYS_MAX;
	assert_false(mtls_lookup_answer_valid(&answer, mtls_lookup_answer_size(&answer)));
	good_answer();
	answer.count = MTLS_LOOKUP_NAMES_MAX + 1;
	assert_false(mtls_lookup_answer_valid(&answer, sizeof(answer)));
	answer.count = 0; /* FOUND without a name */
	assert_false(mtls_lookup_answer_valid(&answer, mtls_lookup_answer_size(&answer)));
}

static void answers_are_bounded(void **state)
{
	char longest[MTLS_ACCOUNT_NAME_MAX + 2] = "";

	(void)state;
	memset(&answer, 0, sizeof(answer));
	memset(longest, 'x', MTLS_ACCOUNT_NAME_MAX + 1);
	assert_false(mtls_lookup_answer_add(&answer, 0, longest));
	assert_false(mtls_lookup_answer_add(&answer, 0, ""));
	for (int i = 0; i < MTLS_LOOKUP_NAMES_MAX; i++)
		assert_true(mtls_lookup_answer_add(&answer, 0, "a"));
	assert_false(mtls_lookup_answer_add(&answer, 0, "a"));
}

static void x509_is_taken_out_of_the_order(void **state)
{
	static const struct {
		const char *name, *nsswitch, *want; /* NULL: nothing to change */
	} rows[] = {
		{ "usual", "passwd: files systemd mtls\n", NULL },
		{ "behind", "passwd: files mtls x509\n", "files mtls" },
		{ "in front", "passwd: x509 files\n", "files" },
		{ "with an action", "passwd: x509 [NOTFOUND=return] files\n", "files" },
		{ "another's action stays", "passwd: files [!UNAVAIL=return] x509 mtls\n",
		  "files [!UNAVAIL=return] mtls" },
		{ "part of a name", "passwd: files x509b ax509\n", NULL },
		{ "in a comment", "passwd: files # x509\n", NULL },
		{ "of another database", "group: x509\npasswd: files\n", NULL },
		{ "in a later line", "# passwd: x509\ngroup: files\n  passwd :\tx509  files\n",
		  "files" },
		{ "no such line", "group: files\n", NULL },
		{ "unclosed action", "passwd: x509 [NOTFOUND\ngroup: files\n", "" },
		{ "no line end", "passwd: files x509", "files" },
		{ "empty", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		char order[64] = "untouched";
		print_message("# %s\n", rows[i].name);
		int r = lookup_order_without_x509(rows[i].nsswitch, "passwd", order, sizeof(order));
		assert_int_equal(r, rows[i].want ? 1 : 0);
		if (rows[i].want)
			assert_string_equal(order, rows[i].want);
	}
	char small[8];
	assert_int_equal(lookup_order_without_x509("passwd: files mtls x509\n", "passwd", small,
						   sizeof(small)),
			 MTLS_E_LIMIT);
}

static void kinds_have_names(void **state)
{
	(void)state;
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		assert_int_equal(mtls_lookup_kind_parse(mtls_lookup_kind_name(kind)), kind);
	assert_int_equal(mtls_lookup_kind_parse("passwd"), MTLS_E_SYNTAX);
}

static int own_fd(pid_t pid)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	return fcntl(fds[0], F_SETOWN, pid);
}

static int own_fd_ex(pid_t pid)
{
	const struct f_owner_ex owner = { .type = F_OWNER_PID, .pid = pid };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	return fcntl(fds[0], F_SETOWN_EX, &owner);
}

static int own_fd_ioctl(pid_t pid)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	return ioctl(fds[0], FIOSETOWN, &pid);
}

static int signal_process(pid_t pid)
{
	return kill(pid, 0);
}

static int signal_thread(pid_t pid)
{
	return (int)syscall(SYS_tkill, pid, 0);
}

static int signal_group_thread(pid_t pid)
{
	return (int)syscall(SYS_tgkill, pid, pid, 0);
}

static int limit(pid_t pid)
{
	const struct rlimit cpu = { 1000, 1000 };
	return prlimit(pid, RLIMIT_CPU, &cpu, NULL);
}

static const struct {
	const char *name;
	int (*attempt)(pid_t pid);
} harms[] = {
	{ "kill", signal_process }, { "tkill", signal_thread },   { "tgkill", signal_group_thread },
	{ "F_SETOWN", own_fd },     { "F_SETOWN_EX", own_fd_ex }, { "FIOSETOWN", own_fd_ioctl },
	{ "prlimit", limit },
};

/* In a child. 0, or the number of the first row that is wrong. */
static int try_harms(pid_t victim, int want)
{
	struct rlimit own;

	for (size_t i = 0; i < MTLS_COUNT(harms); i++) {
		errno = 0;
		(void)harms[i].attempt(victim);
		if (errno != want)
			return (int)i + 1;
	}
	/* What abort() and getrlimit() need goes on working. */
	bool fine = syscall(SYS_tgkill, getpid(), getpid(), 0) == 0 &&
		    getrlimit(RLIMIT_NOFILE, &own) == 0;
	return fine ? 0 : 100;
}

static int in_child(pid_t victim, bool sandboxed)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (sandboxed &&
		    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_lookup() < 0))
			_exit(101);
		_exit(try_harms(victim, sandboxed ? EPERM : 0));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Workers and the supervisor have the same uid: only the filter stands between. */
static void others_are_out_of_reach(void **state)
{
	(void)state;
	pid_t victim = fork();
	if (victim == 0)
		for (;;)
			(void)pause();
	const int without = in_child(victim, false), with = in_child(victim, true);
	(void)kill(victim, SIGKILL);
	(void)waitpid(victim, NULL, 0);
	if (with > 0 && (size_t)with <= MTLS_COUNT(harms))
		fail_msg("'%s' is not refused", harms[with - 1].name);
	assert_int_equal(without, 0);
	assert_int_equal(with, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_are_bounded),
		cmocka_unit_test(bad_queries_are_refused),
		cmocka_unit_test(bad_answers_are_refused),
		cmocka_unit_test(answers_are_bounded),
		cmocka_unit_test(x509_is_taken_out_of_the_order),
		cmocka_unit_test(kinds_have_names),
		cmocka_unit_test(others_are_out_of_reach),
	};
	return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
