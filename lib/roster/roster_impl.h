/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside lib/roster: pieces of a text, lines, messages, and the one way by which entries are
 * checked and added.
 */
#ifndef MTLS_ROSTER_IMPL_H
#define MTLS_ROSTER_IMPL_H

#include "lib/roster/roster.h"

/* Borrowed, not NUL-terminated; data NULL: there is none. */
struct mtls_roster_span {
	const char *data;
	size_t len;
};

struct mtls_roster_list {
	struct mtls_roster_span *items; /* owned array of borrowed spans */
	size_t count, room;
};

/* Where a message points to. */
struct mtls_roster_place {
	const char *file;
	unsigned int line;
	struct mtls_diag *diag; /* may be NULL */
};

/* A text that is read line by line; place.line is the number of the line read last. */
struct mtls_roster_text {
	struct mtls_roster_place place;
	const char *data;
	size_t len, at;
	bool csv; /* CR LF ends a line too, and the last one needs no end */
};

/*
 * The next line that is neither empty nor a comment, without its end: 1; 0 at the end of the text;
 * MTLS_E_LIMIT, MTLS_E_SYNTAX (NUL, CR, no newline).
 */
int mtls_roster_next_line(struct mtls_roster_text *text, struct mtls_roster_span *ret);

/* "FILE:LINE: found WHAT 'FOUND', expected EXPECTED"; @found without data is left out. */
int mtls_roster_wrong(const struct mtls_roster_place *place, const char *what,
		      struct mtls_roster_span found, const char *expected);
int mtls_roster_nomem(const struct mtls_roster_place *place);

/* Decimal, below MTLS_ROSTER_NO_ID. */
int mtls_roster_parse_id(const struct mtls_roster_place *place, const char *what,
			 struct mtls_roster_span text, uint32_t *ret);

/* Counts @password if it can be a hash. */
void mtls_roster_count_hash(struct mtls_roster *roster, struct mtls_roster_span password);

int mtls_roster_list_add(const struct mtls_roster_place *place, struct mtls_roster_list *list,
			 struct mtls_roster_span item);
void mtls_roster_list_done(struct mtls_roster_list *list);

enum mtls_roster_field {
	MTLS_ROSTER_NAME,
	MTLS_ROSTER_GECOS,
	MTLS_ROSTER_HOME,
	MTLS_ROSTER_SHELL,
	MTLS_ROSTER_FIELDS,
};

/* An entry before it is checked: a user with gid and groups, or a group with gid and members. */
struct mtls_roster_draft {
	struct mtls_roster_span fields[MTLS_ROSTER_FIELDS];
	struct mtls_roster_list list; /* owned by whoever made the draft */
	uint32_t uid, gid;
};

int mtls_roster_put_user(const struct mtls_roster_place *place,
			 const struct mtls_roster_draft *draft, struct mtls_roster *roster);
int mtls_roster_put_group(const struct mtls_roster_place *place,
			  const struct mtls_roster_draft *draft, struct mtls_roster *roster);

#endif
