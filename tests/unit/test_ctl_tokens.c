/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which card is meant: labels and URIs of a command line, URIs that are shown, the usual card. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tools/ctl_tokens.h"
#include "tools/ctl_watch_scan.h"

static void wishes(void **state)
{
	static char long_label[300], long_uri[5000];
	const struct {
		const char *name, *text;
		bool good;
	} rows[] = {
		{ "none", NULL, true },
		{ "a label", "bob's card", true },
		{ "a label with odd characters", "50%;token=x?pin-value=1", true },
		{ "a label beyond ASCII", "K\xc3\xa4rtchen", true },
		{ "any card", "pkcs11:", true },
		{ "a URI", "pkcs11:token=bob%27s%20card;serial=1234", true },
		{ "a key's", "pkcs11:token=x;object=login;id=%01;type=private", true },
		{ "nothing", "", false },
		{ "a PIN", "pkcs11:token=x?pin-value=1234", false },
		{ "a PIN elsewhere", "pkcs11:token=x?pin-source=/etc/passwd", false },
		{ "code", "pkcs11:token=x?module-path=/tmp/x.so", false },
		{ "code by name", "pkcs11:token=x?module-name=x", false },
		{ "code in the path", "pkcs11:module-path=/tmp/x.so", false },
		{ "cut", "pkcs11:token=%", false },
		{ "no number", "pkcs11:token=%zz", false },
		{ "a control character", "pkcs11:token=\x1b[2J", false },
		{ "an attribute that is not known", "pkcs11:colour=blue", false },
		{ "a label that no card has room for", long_label, false },
		{ "a long URI", long_uri, false },
	};

	(void)state;
	memset(long_label, 'x', sizeof(long_label) - 1);
	(void)snprintf(long_uri, sizeof(long_uri), "pkcs11:token=");
	memset(long_uri + strlen(long_uri), 'x', sizeof(long_uri) - 1 - strlen(long_uri));
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_token_filter *filter = (void *)1;
		struct mtls_diag diag = { 0 };
		int r = ctl_tokens_wish(rows[i].text, &filter, &diag);
		if ((r >= 0) != rows[i].good || (r < 0 && !diag.text[0]))
			fail_msg("%s: %d, %s", rows[i].name, r, diag.text);
		/* Nothing is left to be freed of what failed. */
		if (r < 0 || !rows[i].text)
			assert_null(filter);
		mtls_token_filter_free(filter);
	}
}

/* What is shown names the card: it can be given back. */
static void shown_uris(void **state)
{
	static const struct {
		const char *label, *serial, *want;
	} rows[] = {
		{ "card", "", "pkcs11:token=card" },
		{ "bob's card", "00ff", "pkcs11:token=bob%27s%20card;serial=00ff" },
		{ "a;b=c?d%e", "1", "pkcs11:token=a%3Bb%3Dc%3Fd%25e;serial=1" },
		{ "\xc3\xa4", "1", "pkcs11:token=%C3%A4;serial=1" },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_buf_ struct mtls_buf uri = MTLS_BUF(MTLS_TOKEN_URI_MAX);
		struct mtls_token_filter *filter = NULL;
		struct mtls_token_info info = { 0 };
		(void)mtls_strcopy(info.label, sizeof(info.label), rows[i].label);
		(void)mtls_strcopy(info.serial, sizeof(info.serial), rows[i].serial);
		assert_int_equal(ctl_token_uri(&info, &uri), 0);
		assert_string_equal(mtls_buf_cstr(&uri), rows[i].want);
		assert_int_equal(ctl_tokens_wish(mtls_buf_cstr(&uri), &filter, NULL), 0);
		mtls_token_filter_free(filter);
	}
}

static void usual_card(void **state)
{
	static const struct {
		const char *name, *tokens; /* r: can be taken out, f: cannot */
		int want;
	} rows[] = {
		{ "none", "", -1 },
		{ "a card", "r", 0 },
		{ "a TPM only", "f", -1 },
		{ "a card beside a TPM", "fr", 1 },
		{ "a card before two others", "rff", 0 },
		{ "two cards", "rr", -2 },
		{ "two cards and a TPM", "rfr", -2 },
		{ "three cards", "rrr", -2 },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct ctl_scan_report report = { .count = (uint32_t)strlen(rows[i].tokens) };
		for (uint32_t k = 0; k < report.count; k++)
			report.tokens[k].removable = rows[i].tokens[k] == 'r';
		if (ctl_scan_choose(&report) != rows[i].want)
			fail_msg("%s: %d", rows[i].name, ctl_scan_choose(&report));
	}
}

static void same_tokens(void **state)
{
	const struct mtls_token_info card = {
		.label = "card", .manufacturer = "m", .model = "n", .serial = "1"
	};
	struct mtls_token_info other = card;

	(void)state;
	other.tries_left = 1;
	assert_true(ctl_token_same(&card, &other));
	other.serial[0] = '2';
	assert_false(ctl_token_same(&card, &other));
}

/* As in a shell: a terminal is there, which everybody in the session may open, and type into. */
static int with_terminal(void)
{
	int terminal = posix_openpt(O_RDWR | O_CLOEXEC);

	if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0 || setsid() < 0 ||
	    open(ptsname(terminal), O_RDWR | O_CLOEXEC) < 0 ||
	    open("/dev/tty", O_RDWR | O_CLOEXEC) < 0)
		return 1;
	pid_t pid = fork();
	int status = 0;
	if (pid == 0) {
		ctl_token_quiet();
		_exit(open("/dev/tty", O_RDWR | O_CLOEXEC) < 0 && errno == ENXIO ? 0 : 2);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
									       : 3;
}

static void drivers_have_no_terminal(void **state)
{
	int status;

	(void)state;
	(void)fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(with_terminal());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wishes),
		cmocka_unit_test(shown_uris),
		cmocka_unit_test(usual_card),
		cmocka_unit_test(same_tokens),
		cmocka_unit_test(drivers_have_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
