/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The grammar of account names. Grades:
 *
 * - *valid*: what any source may call an account that a verdict can name: a letter or '_', then
 *   letters, digits, '_', '.', '-', '@'; at most MTLS_ACCOUNT_NAME_MAX bytes; not "." or "..".
 * - *ownable*: what we may create: as useradd(8) has it, [a-z_][a-z0-9_-]*, at most 32 bytes, and
 *   not reserved (root, nobody, names of Debian's base-passwd, `_*`, `systemd-*`).
 * - *packaged*: ownable, but packages name the users of their daemons so. New accounts do not get
 *   such a name; one that has it keeps working, and `mtlsctl check` warns.
 *
 * Exact bytes, no folding, no locale.
 */
#ifndef MTLS_NAME_ACCOUNT_H
#define MTLS_NAME_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#define MTLS_ACCOUNT_NAME_MAX  64
#define MTLS_OWNED_NAME_MAX    32
#define MTLS_ACCOUNT_PATH_MAX  255
#define MTLS_ACCOUNT_GECOS_MAX 255

bool mtls_account_name_valid(const char *name, size_t len);
bool mtls_account_name_ownable(const char *name, size_t len);

/*
 * A fixed list and patterns (no name at all is reserved); files such as /etc/passwd are the
 * caller's business. The list is frozen: readers refuse what is in it, so that a name added here
 * would make accounts vanish; new names go to the packaged ones.
 */
bool mtls_account_name_reserved(const char *name, size_t len);

/* What new accounts do not get besides: a list that may grow, and `mtls-*`. */
bool mtls_account_name_packaged(const char *name, size_t len);
/* The list itself, in its order; NULL behind its end. */
const char *mtls_account_name_packaged_at(size_t i);

/*
 * Fields of an owned account: absolute path, valid UTF-8, at most 255 bytes, without a component
 * "..", without "//", ':' or control characters.
 */
bool mtls_account_path_valid(const char *path, size_t len);
/* gecos: valid UTF-8 without ':' and control characters, at most 255 bytes. */
bool mtls_account_gecos_valid(const char *gecos, size_t len);

#endif
