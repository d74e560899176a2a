/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * logind's sessions, through libsystemd: the files in /run/systemd are its own, and only it may
 * read them. It brings a handful of libraries along, so it is no dependency of this module: it is
 * opened by a login that a card could serve and whose terminal proves nothing, and stays open, as
 * the TLS half does. Where it is missing, nobody sits in front of this machine. The host's thread;
 * blocks on nothing but those files.
 */
#include <config.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "pam_mtls/seat.h"

/*
 * Without a folder: programs that are setuid ignore LD_LIBRARY_PATH, and what root's programs load
 * their libc from is good enough for this.
 */
#define LIBRARY "libsystemd.so.0"

static enum person_seat judge_session(const struct seat_ops *ops, const char *session)
{
	_cleanup_free_ char *seat = NULL;
	int remote = ops->session_is_remote(session);
	int active = ops->session_is_active(session);

	if (remote < 0 || active < 0)
		return PERSON_SEAT_UNKNOWN;
	if (remote > 0 || active == 0)
		return PERSON_SEAT_REMOTE;
	/* Sessions of ssh, cron and virtual displays have none. */
	if (ops->session_get_seat(session, &seat) < 0 || !seat || !*seat)
		return PERSON_SEAT_UNKNOWN;
	return PERSON_SEAT_LOCAL;
}

/* A local X display, ":0" or ":1.0"; with a host in front of the colon it is elsewhere. */
static bool is_display(const char *tty)
{
	return tty && tty[0] == ':' && tty[1] >= '0' && tty[1] <= '9';
}

/* Is @display that of the session which a seat shows now? */
static bool shows(const struct seat_ops *ops, const char *seat, const char *display)
{
	_cleanup_free_ char *session = NULL, *its_display = NULL;

	if (ops->seat_get_active(seat, &session, NULL) < 0 || !session)
		return false;
	if (ops->session_get_display(session, &its_display) < 0 || !its_display)
		return false;
	return strcmp(its_display, display) == 0 &&
	       judge_session(ops, session) == PERSON_SEAT_LOCAL;
}

/*
 * A display manager has no session itself, and ":1" may be a VNC server's as well as a screen's. So
 * its word is not enough: a seat must show that display now, which is the greeter's or that of a
 * session which is being unlocked.
 */
static enum person_seat judge_display(const struct seat_ops *ops, const char *display)
{
	_cleanup_(mtls_strv_freep) char **seats = NULL;
	enum person_seat found = PERSON_SEAT_UNKNOWN;

	if (ops->get_seats(&seats) < 0)
		return PERSON_SEAT_UNKNOWN;
	for (char **seat = seats; seat && *seat; seat++)
		if (shows(ops, *seat, display))
			found = PERSON_SEAT_LOCAL;
	return found;
}

enum person_seat seat_judge(const struct seat_ops *ops, const char *tty)
{
	_cleanup_free_ char *session = NULL;
	uid_t owner;

	if (ops->pid_get_session(getpid(), &session) >= 0 && session)
		return judge_session(ops, session);
	/*
	 * What the user's service manager started is in no session, and desktops let it start
	 * terminals and programs: the person's screen, if they have one, stands for it. The owner
	 * is read from the control group, which the caller cannot leave for another user's.
	 */
	if (ops->pid_get_owner_uid(getpid(), &owner) >= 0) {
		if (ops->uid_get_display(owner, &session) < 0 || !session)
			return PERSON_SEAT_UNKNOWN;
		return judge_session(ops, session);
	}
	return is_display(tty) ? judge_display(ops, tty) : PERSON_SEAT_UNKNOWN;
}

enum person_seat seat_ask(const char *tty)
{
	struct seat_ops ops;
	const struct {
		const char *name;
		void *function; /* a pointer to a function; as POSIX wants dlsym() to be used */
	} symbols[] = {
		{ "sd_pid_get_session", &ops.pid_get_session },
		{ "sd_pid_get_owner_uid", &ops.pid_get_owner_uid },
		{ "sd_uid_get_display", &ops.uid_get_display },
		{ "sd_session_get_seat", &ops.session_get_seat },
		{ "sd_session_is_active", &ops.session_is_active },
		{ "sd_session_is_remote", &ops.session_is_remote },
		{ "sd_session_get_display", &ops.session_get_display },
		{ "sd_get_seats", &ops.get_seats },
		{ "sd_seat_get_active", &ops.seat_get_active },
	};
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!library)
		return PERSON_SEAT_UNKNOWN;
	for (size_t i = 0; i < MTLS_COUNT(symbols); i++) {
		void *symbol = dlsym(library, symbols[i].name);
		if (!symbol)
			return PERSON_SEAT_UNKNOWN;
		memcpy(symbols[i].function, &symbol, sizeof(symbol));
	}
	return seat_judge(&ops, tty);
}
