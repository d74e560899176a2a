/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests of the store: a folder of their own, and what a store holds as text. */
#ifndef TESTS_UNIT_STORE_HELP_H
#define TESTS_UNIT_STORE_HELP_H

#include <stdbool.h>

#include "accountd/store.h"

#define HELP_MIN 2000200001U
#define HELP_MAX 2000299999U

/* What must work: OK(store_begin(store, WHY)). */
extern struct mtls_diag help_diag;
#define WHY      (&help_diag)
#define OK(call) help_ok(#call, (call))
void help_ok(const char *call, int r);

/* A new folder; @help_remove() removes it with what is in it. */
char *help_folder(void);
void help_remove(char *folder);
/* "FOLDER/NAME", static storage (8 at once). */
const char *help_path(const char *folder, const char *name);

/* The window above, and 5000-5999 foreign. */
struct store_options help_options(const char *path);
/* Opens FOLDER/store.db; fails the test with the sentence if that fails. */
struct store *help_open(const char *folder);

/*
 * What a walk gives, a line an item, after checking order and counts as lib/acctdb/item.h has
 * them. NULL: the walk failed with @ret_error. The caller frees.
 */
char *help_dump(struct store *store, int *ret_error);
/* The same of a store that must be fine, without BEGIN's generation if @plain. */
char *help_text(struct store *store, bool plain);

/* What is published of the store, opened; mtls_acctdb_close() it. */
void help_snapshot(struct store *store, struct mtls_acctdb *ret);

/* Content of a file; NULL if there is none. The caller frees. */
char *help_read(const char *path, size_t *ret_len);
void help_write(const char *path, const void *data, size_t len);
void help_copy(const char *from, const char *to);

#endif
