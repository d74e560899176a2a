/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is the person in front of this machine, by what logind says of the session that this process is
 * in? For host programs without a terminal that would prove it: sudo in a terminal window, a screen
 * locker, a display manager.
 */
#ifndef PAM_MTLS_SEAT_H
#define PAM_MTLS_SEAT_H

#include <sys/types.h>

#include "pam_mtls/person.h"

/* The functions of libsystemd that are used, as sd-login(3) has them. */
struct seat_ops {
	int (*pid_get_session)(pid_t pid, char **session);
	int (*pid_get_owner_uid)(pid_t pid, uid_t *uid);
	int (*uid_get_display)(uid_t uid, char **session);
	int (*session_get_seat)(const char *session, char **seat);
	int (*session_is_active)(const char *session);
	int (*session_is_remote)(const char *session);
	int (*session_get_display)(const char *session, char **display);
	int (*get_seats)(char ***seats);
	int (*seat_get_active)(const char *seat, char **session, uid_t *uid);
};

/*
 * @tty: PAM_TTY of a host program that runs as root, which may name the display of a greeter; NULL
 * where the host program is the caller's, who could write anything there. Whatever cannot be found
 * out is PERSON_SEAT_UNKNOWN.
 */
enum person_seat seat_judge(const struct seat_ops *ops, const char *tty);

/* Likewise with libsystemd, which is opened by the first call that needs it. */
enum person_seat seat_ask(const char *tty);

#endif
