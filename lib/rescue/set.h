/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A set of rescue codes, hashed, as its file has it:
 *
 *	mtls-rescue 1
 *	made 1796083200
 *	users root,bob
 *	setting $y$j9T$2v...
 *	code 1 - $y$j9T$2v...$Ts...
 *	code 2 1796169600 $y$j9T$2v...$9e...
 *	end 2
 *
 * "-" is a code that was not used, else there is the time of its use, by the machine's clock of
 * then. Used codes keep their hash, so that a second use is told from a wrong code. Times are for
 * people only; nothing is decided by them.
 */
#ifndef MTLS_RESCUE_SET_H
#define MTLS_RESCUE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/rescue/hash.h"

#define MTLS_RESCUE_CODES_MAX 100
#define MTLS_RESCUE_USERS_MAX 1024 /* bytes of the line of names, with the NUL */
#define MTLS_RESCUE_FILE_MAX  65536

struct mtls_rescue_entry {
	struct mtls_rescue_hash hash;
	bool used;
	uint64_t used_at; /* seconds since 1970; 0 while unused */
};

/* 27 KiB: on the heap. Entry i is code number i + 1. */
struct mtls_rescue_set {
	uint64_t made_at;
	char users[MTLS_RESCUE_USERS_MAX]; /* names with ',' between them */
	struct mtls_rescue_hash setting;
	struct mtls_rescue_entry entry[MTLS_RESCUE_CODES_MAX];
	size_t count;
};

void mtls_rescue_set_free(struct mtls_rescue_set *set);
MTLS_DEFINE_CLEANUP(struct mtls_rescue_set *, mtls_rescue_set_free)

/*
 * Names with ',' between them: each a valid account name, none twice, at least one, all within
 * MTLS_RESCUE_USERS_MAX.
 */
bool mtls_rescue_users_valid(const char *users);

/*
 * Reads the file's @len bytes, strictly: whatever is not exactly of the form above is
 * MTLS_E_CORRUPT, a later version MTLS_E_VERSION; @diag has the line. @ret on success only.
 */
int mtls_rescue_set_parse(const uint8_t *data, size_t len, struct mtls_rescue_set **ret,
			  struct mtls_diag *diag);

/* Appends the file's text to @out. 0, -ENOMEM, MTLS_E_LIMIT. */
int mtls_rescue_set_format(const struct mtls_rescue_set *set, struct mtls_buf *out);

bool mtls_rescue_set_has_user(const struct mtls_rescue_set *set, const char *user);
size_t mtls_rescue_set_unused(const struct mtls_rescue_set *set);

/*
 * The index of the code with @hash, used or not; -1 if there is none. Looks at all of them,
 * whatever it finds.
 */
int mtls_rescue_set_find(const struct mtls_rescue_set *set, const struct mtls_rescue_hash *hash);

#endif
