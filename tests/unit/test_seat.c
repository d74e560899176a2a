/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who sits in front of the machine, by a logind of the test's own. tests/e2e/seat.py asks the real
 * library.
 */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pam_mtls/seat.h"

#define NODATA (-61)

/* What logind knows. NULL, or a negative number: it does not. */
struct logind {
	const char *session; /* of this process */
	int owner;           /* of its control group: who */
	const char *screen;  /* the session of their display */
	const char *shown;   /* the active session of each of two seats: seat0 none, seat1 this */
	/* Of every session: */
	const char *seat;
	int active, remote;
	const char *display;
};

static const struct logind *logind;

static int give(const char *text, char **ret)
{
	if (!text)
		return NODATA;
	*ret = strdup(text);
	return *ret ? 1 : -12;
}

static int pid_get_session(pid_t pid, char **ret)
{
	(void)pid;
	return give(logind->session, ret);
}

static int pid_get_owner_uid(pid_t pid, uid_t *ret)
{
	(void)pid;
	if (logind->owner < 0)
		return NODATA;
	*ret = (uid_t)logind->owner;
	return 0;
}

static int uid_get_display(uid_t uid, char **ret)
{
	assert_int_equal(uid, logind->owner);
	return give(logind->screen, ret);
}

static int session_get_seat(const char *session, char **ret)
{
	(void)session;
	return give(logind->seat, ret);
}

static int session_is_active(const char *session)
{
	(void)session;
	return logind->active;
}

static int session_is_remote(const char *session)
{
	(void)session;
	return logind->remote;
}

static int session_get_display(const char *session, char **ret)
{
	(void)session;
	return give(logind->display, ret);
}

static int get_seats(char ***ret)
{
	char **seats = calloc(3, sizeof(*seats));
	assert_non_null(seats);
	seats[0] = strdup("seat0");
	seats[1] = strdup("seat1");
	*ret = seats;
	return 2;
}

static int no_seats(char ***ret)
{
	*ret = NULL;
	return 0;
}

static int seat_get_active(const char *seat, char **ret, uid_t *uid)
{
	assert_null(uid);
	return give(strcmp(seat, "seat1") == 0 ? logind->shown : NULL, ret);
}

static struct seat_ops ops = {
	.pid_get_session = pid_get_session,
	.pid_get_owner_uid = pid_get_owner_uid,
	.uid_get_display = uid_get_display,
	.session_get_seat = session_get_seat,
	.session_is_active = session_is_active,
	.session_is_remote = session_is_remote,
	.session_get_display = session_get_display,
	.get_seats = get_seats,
	.seat_get_active = seat_get_active,
};

#define LOCAL   PERSON_SEAT_LOCAL
#define REMOTE  PERSON_SEAT_REMOTE
#define UNKNOWN PERSON_SEAT_UNKNOWN

/* clang-format off */
static const struct {
	const char *name;
	struct logind logind;
	const char *tty;
	enum person_seat want;
} rows[] = {
	/* name                                  session owner screen shown seat      active  remote  display  tty      want */
	{ "a window's terminal",                { "2",   1000, NULL,  NULL, "seat0",  1,      0,      NULL  }, NULL,    LOCAL },
	{ "another session is in front",        { "2",   1000, "3",   NULL, "seat0",  0,      0,      NULL  }, NULL,    REMOTE },
	{ "ssh",                                { "2",   1000, "3",   NULL, NULL,     1,      1,      NULL  }, NULL,    REMOTE },
	{ "ssh says that it has a seat",        { "2",   1000, NULL,  NULL, "seat0",  1,      1,      NULL  }, NULL,    REMOTE },
	{ "a session without a seat",           { "2",   1000, NULL,  NULL, NULL,     1,      0,      NULL  }, NULL,    UNKNOWN },
	{ "a seat without a name",              { "2",   1000, NULL,  NULL, "",       1,      0,      NULL  }, NULL,    UNKNOWN },
	{ "nobody knows if it is active",       { "2",   1000, NULL,  NULL, "seat0",  NODATA, 0,      NULL  }, NULL,    UNKNOWN },
	{ "nobody knows if it is remote",       { "2",   1000, NULL,  NULL, "seat0",  1,      NODATA, NULL  }, NULL,    UNKNOWN },
	{ "logind does not know the session",   { "2",   1000, NULL,  NULL, NULL,     NODATA, NODATA, NULL  }, NULL,    UNKNOWN },
	{ "the user manager, at a screen",      { NULL,  1000, "3",   NULL, "seat0",  1,      0,      NULL  }, NULL,    LOCAL },
	{ "the user manager, screen not shown", { NULL,  1000, "3",   NULL, "seat0",  0,      0,      NULL  }, NULL,    REMOTE },
	{ "the user manager, ssh only",         { NULL,  1000, "3",   NULL, NULL,     1,      1,      NULL  }, NULL,    REMOTE },
	{ "the user manager, nobody there",     { NULL,  1000, NULL,  NULL, "seat0",  1,      0,      NULL  }, NULL,    UNKNOWN },
	{ "it does not get to the greeter",     { NULL,  1000, NULL,  "c1", "seat0",  1,      0,      ":0"  }, ":0",    UNKNOWN },
	{ "a service",                          { NULL,  -1,   "3",   "c1", "seat0",  1,      0,      ":0"  }, NULL,    UNKNOWN },
	{ "the greeter's display",              { NULL,  -1,   NULL,  "c1", "seat1",  1,      0,      ":0"  }, ":0",    LOCAL },
	{ "another display",                    { NULL,  -1,   NULL,  "c1", "seat1",  1,      0,      ":0"  }, ":1",    UNKNOWN },
	{ "a display as a prefix",              { NULL,  -1,   NULL,  "c1", "seat1",  1,      0,      ":0"  }, ":0.0",  UNKNOWN },
	{ "a display of another machine",       { NULL,  -1,   NULL,  "c1", "seat1",  1,      0,      "a:0" }, "a:0",   UNKNOWN },
	{ "no display",                         { NULL,  -1,   NULL,  "c1", "seat1",  1,      0,      ":"   }, ":",     UNKNOWN },
	{ "no number",                          { NULL,  -1,   NULL,  "c1", "seat1",  1,      0,      ":x"  }, ":x",    UNKNOWN },
	{ "a terminal is no display",           { NULL,  -1,   NULL,  "c1", "seat1",  1,      0,      "pts/1" }, "pts/1", UNKNOWN },
	{ "no seat shows anything",             { NULL,  -1,   NULL,  NULL, "seat1",  1,      0,      ":0"  }, ":0",    UNKNOWN },
	{ "what it shows has no display",       { NULL,  -1,   NULL,  "c1", "seat1",  1,      0,      NULL  }, ":0",    UNKNOWN },
	{ "what it shows is remote",            { NULL,  -1,   NULL,  "c1", "seat1",  1,      1,      ":0"  }, ":0",    UNKNOWN },
	{ "what it shows is not active",        { NULL,  -1,   NULL,  "c1", "seat1",  0,      0,      ":0"  }, ":0",    UNKNOWN },
	{ "a greeter in a session",             { "c1",  -1,   NULL,  NULL, "seat0",  0,      0,      ":0"  }, ":0",    REMOTE },
};
/* clang-format on */

static void in_front_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		logind = &rows[i].logind;
		enum person_seat got = seat_judge(&ops, rows[i].tty);
		if (got != rows[i].want)
			fail_msg("%s: %d", rows[i].name, got);
	}
}

static void no_seat_at_all(void **state)
{
	(void)state;
	static const struct logind greeter = {
		.owner = -1, .shown = "c1", .seat = "seat1", .active = 1, .display = ":0"
	};
	logind = &greeter;
	assert_int_equal(seat_judge(&ops, ":0"), LOCAL);
	ops.get_seats = no_seats;
	assert_int_equal(seat_judge(&ops, ":0"), UNKNOWN);
	ops.get_seats = get_seats;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_front_or_not),
		cmocka_unit_test(no_seat_at_all),
	};
	return cmocka_run_group_tests_name("seat", tests, NULL, NULL);
}
