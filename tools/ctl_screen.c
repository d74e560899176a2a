/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The screen of `mtlsctl top`. Signals come through a descriptor, so nothing runs in a handler, and
 * there is no moment in which one could leave the terminal as it should not stay. One thread.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_screen.h"

#define TEXT_MAX     (1024 * 1024)
#define ENTER        "\033[?1049h\033[?25l" /* second screen, no cursor */
#define LEAVE        "\033[?25h\033[?1049l"
#define HOME         "\033[H"
#define CLEAR_LINE   "\033[K"
#define CLEAR_REST   "\033[J"
#define HEIGHT_USUAL 24
#define WIDTH_USUAL  80

static struct {
	bool full;
	int signals;          /* signalfd */
	int caught;           /* the signal that ends us */
	sigset_t mask_before; /* of the process */
	struct termios before;
} screen = { .signals = -1 };

static void write_terminal(const char *text)
{
	(void)mtls_fd_write_all(STDOUT_FILENO, text, strlen(text));
}

static void enter(void)
{
	struct termios raw = screen.before;

	raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	write_terminal(ENTER);
}

static void leave(void)
{
	write_terminal(LEAVE);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &screen.before);
}

int ctl_screen_open(bool full)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < MTLS_COUNT(numbers); i++)
		(void)sigaddset(&mask, numbers[i]);
	screen.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (screen.signals < 0)
		return -errno;
	(void)sigprocmask(SIG_BLOCK, &mask, &screen.mask_before);
	screen.full = full && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
		      tcgetattr(STDIN_FILENO, &screen.before) == 0;
	if (screen.full)
		enter();
	return 0;
}

/* The terminal is given back while others use it. */
static void stop_here(void)
{
	if (screen.full)
		leave();
	(void)raise(SIGSTOP);
	if (screen.full)
		enter();
}

static enum ctl_screen_event take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(screen.signals, &info, sizeof(info)) != sizeof(info))
		return CTL_SCREEN_REDRAW;
	if (info.ssi_signo == SIGTSTP)
		stop_here();
	if (info.ssi_signo == SIGTSTP || info.ssi_signo == SIGWINCH)
		return CTL_SCREEN_REDRAW;
	screen.caught = (int)info.ssi_signo;
	return CTL_SCREEN_QUIT;
}

static bool key_quits(void)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	return n <= 0 || key == 'q' || key == 'Q' || key == '\004';
}

enum ctl_screen_event ctl_screen_wait(mtls_deadline deadline)
{
	struct pollfd polls[] = {
		{ .fd = screen.signals, .events = POLLIN },
		/* Where nothing is drawn, standard input is not ours to read. */
		{ .fd = screen.full ? STDIN_FILENO : -1, .events = POLLIN },
	};

	for (;;) {
		int n = poll(polls, MTLS_COUNT(polls), mtls_deadline_left_ms(deadline));
		if (n == 0)
			return CTL_SCREEN_TIME;
		if (n < 0 && errno != EINTR)
			return CTL_SCREEN_QUIT;
		if (n < 0)
			continue;
		if (polls[0].revents)
			return take_signal();
		if (key_quits())
			return CTL_SCREEN_QUIT;
	}
}

/* One line of at most @width columns; sequences for colours take none. Letters beyond ASCII take
 * one each: what is drawn has no wide ones but in names of others, which may be cut early. */
static size_t cut_line(const char *line, size_t len, size_t width)
{
	size_t columns = 0;

	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\033') {
			while (i < len && line[i] != 'm')
				i++;
			continue;
		}
		columns += ((unsigned char)line[i] & 0xc0) != 0x80;
		if (columns > width)
			return i;
	}
	return len;
}

void ctl_screen_draw(const char *text)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(TEXT_MAX);
	struct winsize size = { 0 };
	const char *cursor = text, *line;
	size_t len;

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	size_t width = size.ws_col ? size.ws_col : WIDTH_USUAL;
	size_t height = size.ws_row ? size.ws_row : HEIGHT_USUAL;
	(void)mtls_buf_append_str(&out, HOME);
	for (size_t row = 0; row < height && (line = mtls_split_next(&cursor, '\n', &len)); row++) {
		/* A newline in the last row would move everything up. */
		(void)mtls_buf_append_str(&out, row ? "\n" : "");
		(void)mtls_buf_append(&out, line, cut_line(line, len, width));
		(void)mtls_buf_append_str(&out, "\033[0m" CLEAR_LINE);
	}
	(void)mtls_buf_append_str(&out, CLEAR_REST);
	const char *all = mtls_buf_cstr(&out);
	if (all)
		write_terminal(all);
}

void ctl_screen_close(void)
{
	if (screen.full)
		leave();
	screen.full = false;
	(void)close(screen.signals);
	screen.signals = -1;
	if (screen.caught)
		(void)signal(screen.caught, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &screen.mask_before, NULL);
	if (screen.caught)
		(void)raise(screen.caught);
}
