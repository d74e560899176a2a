/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages and secrets of the subcommands. One thread; holds no state. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_common.h"
#include "tools/ctl_term.h"

#define ANSWER_MAX 16

/* Of this process, which runs one command: what it complained of first, and has it printed. */
static struct {
	struct mtls_diag text;
	bool printed;
} outcome;

void ctl_complain(const char *lead, const char *fmt, va_list ap)
{
	char text[MTLS_DIAG_MAX], clean[MTLS_DIAG_MAX + 4];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
#pragma GCC diagnostic pop
	(void)fflush(stdout);
	/* Names in it are strangers'. */
	(void)ctl_term_text(text, 0, clean, sizeof(clean));
	(void)fprintf(stderr, "%s: %s\n", lead, clean);
	if (!outcome.text.text[0])
		(void)mtls_diag_set(&outcome.text, 0, "%s", text);
}

int ctl_error(const char *name, const char *fmt, ...)
{
	char lead[CTL_LEAD_MAX];
	va_list ap;

	(void)snprintf(lead, sizeof(lead), "mtlsctl %s", name);
	va_start(ap, fmt);
	ctl_complain(lead, fmt, ap);
	va_end(ap);
	return CTL_FAILED;
}

int ctl_fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ctl_complain("mtlsctl", fmt, ap);
	va_end(ap);
	return code;
}

void ctl_result_printed(void)
{
	outcome.printed = true;
}

void ctl_print_error(int code)
{
	if (outcome.printed || !outcome.text.text[0])
		return;
	json_t *error =
		json_pack("{s:{s:i, s:s}}", "error", "code", code, "text", outcome.text.text);
	if (!error)
		return;
	(void)json_dumpf(error, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	(void)putchar('\n');
	json_decref(error);
}

/* Byte by byte: what stands behind the line belongs to somebody else. */
int ctl_read_secret(int fd, struct mtls_buf *secret)
{
	for (;;) {
		char c;
		ssize_t n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || c == '\n')
			return 0;
		int r = mtls_buf_append_byte(secret, (uint8_t)c);
		explicit_bzero(&c, sizeof(c));
		if (r < 0)
			return r;
	}
}

static int ask(char *answer, size_t size)
{
	if (!isatty(STDIN_FILENO) || !fgets(answer, (int)size, stdin)) {
		(void)fputc('\n', stderr);
		return -ENOTTY;
	}
	answer[strcspn(answer, "\n")] = '\0';
	return 0;
}

int ctl_ask_number(const char *question, size_t count)
{
	char answer[ANSWER_MAX];
	uint32_t number;

	(void)fprintf(stderr, "%s (1-%zu)? ", question, count);
	int r = ask(answer, sizeof(answer));
	if (r < 0)
		return r;
	if (mtls_parse_u32(answer, &number) < 0 || number < 1 || number > count)
		return -EINVAL;
	return (int)number - 1;
}

int ctl_ask_yes(const char *question)
{
	char answer[ANSWER_MAX];

	(void)fflush(stdout);
	(void)fprintf(stderr, "%s [y/N] ", question);
	int r = ask(answer, sizeof(answer));
	return r < 0 ? r : mtls_streq(answer, "y") || mtls_streq(answer, "yes");
}

/* A signal that came while the terminal was silent; raised again when it is not any more. */
static volatile sig_atomic_t caught;

static void remember(int number)
{
	caught = number;
}

/*
 * Waits for a line. Signals are blocked but for the time of ppoll(), so that none can slip in
 * between looking at `caught` and waiting.
 */
static int wait_line(int tty, const sigset_t *unblocked)
{
	struct pollfd poll = { .fd = tty, .events = POLLIN };

	for (;;) {
		int n = ppoll(&poll, 1, NULL, unblocked);
		if (caught)
			return -EINTR;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			return 0;
	}
}

static int ask_silently(int tty, const char *prompt, const sigset_t *unblocked,
			struct mtls_buf *secret)
{
	struct termios before, silent;

	if (tcgetattr(tty, &before) < 0)
		return -errno;
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	if (tcsetattr(tty, TCSAFLUSH, &silent) < 0)
		return -errno;
	int r = mtls_fd_write_all(tty, prompt, strlen(prompt));
	if (r >= 0)
		r = wait_line(tty, unblocked);
	if (r >= 0)
		r = ctl_read_secret(tty, secret);
	(void)tcsetattr(tty, TCSAFLUSH, &before);
	(void)mtls_fd_write_all(tty, "\n", 1);
	return r;
}

int ctl_ask_secret(const char *prompt, struct mtls_buf *secret)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	struct sigaction old[MTLS_COUNT(signals)];
	struct sigaction action = { .sa_handler = remember };
	sigset_t blocked, unblocked;

	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0)
		return -ENOTTY;
	caught = 0;
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < MTLS_COUNT(signals); i++)
		(void)sigaddset(&blocked, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	for (size_t i = 0; i < MTLS_COUNT(signals); i++)
		(void)sigaction(signals[i], &action, &old[i]);
	int r = ask_silently(tty, prompt, &unblocked, secret);
	for (size_t i = 0; i < MTLS_COUNT(signals); i++)
		(void)sigaction(signals[i], &old[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &unblocked, NULL);
	if (caught)
		(void)raise(caught);
	caught = 0;
	return r;
}
