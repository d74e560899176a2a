/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose key may be used here (design: "the person, not the claimed name"). A signer that ran as the
 * claimed user would prove nothing: who types "bob" at a prompt would log in with bob's file.
 *
 * Pure: everything it looks at is in the facts.
 */
#ifndef PAM_MTLS_PERSON_H
#define PAM_MTLS_PERSON_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/settings/pam_mtls.h"
#include "lib/wire/reason.h"
#include "pam_mtls/user.h"

enum person_host {
	PERSON_HOST_NONE,         /* a kind of process that we do not serve */
	PERSON_HOST_SETUID,       /* sudo, su, pkexec's helper: real uid is the person */
	PERSON_HOST_ROOT,         /* login, display managers, lockers as root, root's own su */
	PERSON_HOST_UNPRIVILEGED, /* lockers that run as the user */
};

/* What logind says about the caller's session; unknown until somebody asks it. */
enum person_seat {
	PERSON_SEAT_UNKNOWN,
	PERSON_SEAT_LOCAL, /* on a seat, active, not remote */
	PERSON_SEAT_REMOTE,
};

/* All pointers are borrowed. */
struct person_facts {
	uid_t ruid, euid;
	const struct user *caller;  /* the account of ruid; NULL: none */
	const char *claimed_name;   /* PAM_USER; NULL or "": not set */
	const struct user *claimed; /* the account of that name; NULL: none */
	const struct user *signer;  /* the system user for key_files; NULL: none */
	const char *rhost, *tty;    /* NULL or "": not set */
	enum person_seat seat;
	const struct mtls_settings_pam *settings;
};

/* A signer that may be started. Borrows from the facts. */
struct person_source {
	const struct user *user; /* whom the signer runs as */
	char *const *files;      /* NULL: the folder .config/mtls in the user's home */
	/*
	 * Its keys count only if a secret typed in this conversation opened them, whatever the
	 * service's presence policy and whatever the signer reports.
	 */
	bool secret_required;
};

#define PERSON_SOURCES_MAX 2

struct person {
	enum person_host host;
	bool local;             /* in front of this machine, positively proven */
	bool presence_required; /* a key that works without anything does not count */
	bool change_user;       /* the signer changes credentials; false: same uid */
	bool needs_name;        /* nobody can be helped before PAM_USER is set: ask, come again */
	struct person_source sources[PERSON_SOURCES_MAX];
	size_t source_count;
};

/*
 * MTLS_REASON_ALLOWED with @ret filled: at least one source, or needs_name. Else why not:
 * NOT_PERSON, NO_SOURCE, USER_UNKNOWN, MIN_UID, CONFIG.
 */
enum mtls_reason person_identify(const struct person_facts *facts, struct person *ret);

/* Locality, as devices (not files) will ask for it. Unknown is remote. */
bool person_is_local(const struct person_facts *facts);

/* "setuid", "root", "unprivileged", for the log. */
const char *person_host_name(enum person_host host);

#endif
