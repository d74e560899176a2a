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
	const char *service;        /* PAM_SERVICE; NULL: none */
	const char *claimed_name;   /* PAM_USER; NULL or "": not set */
	const struct user *claimed; /* the account of that name; NULL: none */
	const struct user *signer;  /* the system user for keys of the machine; NULL: none */
	const char *rhost, *tty;    /* NULL or "": not set */
	enum person_seat seat;
	/* Where the person's own agent and forwarded token may be: hints, which prove nothing. */
	const char *agent_socket, *p11_address; /* NULL: unknown */
	const struct mtls_settings_pam *settings;
};

/* A signer that may be started. Borrows from the facts. */
struct person_source {
	enum mtls_source_kind kind;
	const struct user *user; /* whom the signer runs as */
	/*
	 * The folder .config/mtls in the user's home is looked into: for keys (FILE) or for
	 * certificates of keys that are elsewhere.
	 */
	bool home;
	char *const *files;  /* FILE: these, instead of the folder; NULL: none */
	const char *address; /* AGENT, P11_KIT: the hint; NULL: unknown */
	/*
	 * Its keys count only if a secret that was given in this conversation opened them, whatever
	 * the signer reports.
	 */
	bool secret_required;
};

#define PERSON_SOURCES_MAX (MTLS_SOURCES + 1) /* files may be the machine's and the person's */

struct person {
	enum person_host host;
	bool local;       /* in front of this machine, positively proven */
	bool change_user; /* the signer changes credentials; false: same uid */
	bool needs_name;  /* nobody can be helped before PAM_USER is set: ask, come again */
	bool not_local;   /* a device was left out, since nobody is known to sit here */
	/* In the administrator's order; those of one kind follow one another. */
	struct person_source sources[PERSON_SOURCES_MAX];
	size_t source_count;
};

/*
 * MTLS_REASON_ALLOWED with @ret filled: at least one source, or needs_name. Else why not:
 * NOT_PERSON, NO_SOURCE, NOT_LOCAL, USER_UNKNOWN, MIN_UID, CONFIG.
 */
enum mtls_reason person_identify(const struct person_facts *facts, struct person *ret);

/* Locality, as devices at this machine (not files) ask for it. Unknown is remote. */
bool person_is_local(const struct person_facts *facts);

/* "setuid", "root", "unprivileged", for the log. */
const char *person_host_name(enum person_host host);

#endif
