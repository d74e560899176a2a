/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A private snapshot for tests of nss_mtls: a folder of its own, made by the real builder. */
#ifndef TESTS_NSS_FIXTURE_H
#define TESTS_NSS_FIXTURE_H

#include "lib/acctdb/place.h"
#include "nss_mtls/lookup.h"
#include "tests/nss/people.h"

#define FIX_KEY_ALICE   "spki-sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define FIX_KEY_TWO     "subject:CN=Two,O=Example" /* alice and bob */
#define FIX_KEY_FOREIGN "subject:CN=Foreign"       /* local.user, which is nobody's of ours */
#define FIX_KEY_MIXED   "subject:CN=Mixed"         /* alice and local.user */

#define FIX_ALICE_UID MTLS_ID_WINDOW_MIN
#define FIX_BOB_UID   (MTLS_ID_WINDOW_MIN + 1)
#define FIX_STAFF_GID (MTLS_ID_WINDOW_MIN + 2)
#define FIX_CREW_GID  (MTLS_ID_WINDOW_MIN + 3)

struct fixture {
	char *folder; /* made for this test; NULL: the installed place */
	char *path, *gen;
	struct people *people; /* as the last fixture_change() left them */
	struct nss_db db;
};

extern const struct mtls_id_window fix_window;

/* Aborts the test program on failure: what it needs is not there. */
struct fixture *fixture_new(void);
/* The place that the installed module looks at: only ever in a private mount name space. */
struct fixture *fixture_installed(void);
void fixture_free(struct fixture *fix);

/* alice (staffers, crew), bob (crew) and the bindings above; nobody else, whoever was there. */
void fixture_populate(struct fixture *fix);

/* @change alters what the snapshot held before; then it is published anew. */
void fixture_change(struct fixture *fix, void (*change)(struct people *people, void *ctx),
		    void *ctx);
/* Publishes fix->people. */
void fixture_publish(struct fixture *fix);
void fixture_add(struct people *people, const char *name, const char *home);

/*
 * Where the value of the record with @key (as in lib/acctdb/record.h) lies in the bytes of a
 * snapshot, and its length without checksum. NULL: there is none.
 */
uint8_t *fixture_find(uint8_t *file, size_t size, const void *key, size_t key_len, size_t *ret_len);
/* Makes the checksum good again after the value was changed. */
void fixture_reseal(const void *key, size_t key_len, uint8_t *value, size_t len);

/* Replaces the snapshot by these bytes, by rename (nothing is synced), and counts up. */
void fixture_replace(struct fixture *fix, const void *data, size_t len);
void fixture_read(struct fixture *fix, struct mtls_buf *out);

#endif
