/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random accounts and groups as a test sees them, and three ways to a snapshot: by hand in format 1
 * or 2 (tests/nss/raw.h), and through the builder. The same seed makes the same accounts.
 */
#ifndef TESTS_NSS_MODEL_H
#define TESTS_NSS_MODEL_H

#include "tests/nss/raw.h"

#define MODEL_USERS    80
#define MODEL_GROUPS   12
#define MODEL_BINDINGS 12
#define MODEL_BOUND    4 /* names of a binding */
#define MODEL_TEXT     256

enum model_way { MODEL_FORMAT_1, MODEL_FORMAT_2, MODEL_BUILDER, MODEL_WAYS };

struct model_user {
	uint32_t uid, gid;
	char name[MTLS_OWNED_NAME_MAX + 1];
	char gecos[MODEL_TEXT], home[MODEL_TEXT], shell[MODEL_TEXT];
};

struct model_group {
	uint32_t gid;
	char name[MTLS_OWNED_NAME_MAX + 1];
	bool member[MODEL_USERS];
};

struct model_binding {
	char key[MODEL_TEXT];
	const char *names[MODEL_BOUND]; /* ascending */
	size_t count;
};

/* Users, groups and bindings ascend by name and key. */
struct model {
	struct model_user users[MODEL_USERS];
	struct model_group groups[MODEL_GROUPS]; /* no private ones */
	struct model_binding bindings[MODEL_BINDINGS];
	size_t user_count, group_count, binding_count;
	bool no_enumeration;
};

/* A small generator of its own, so that a seed means the same everywhere. */
uint32_t model_random(uint32_t *seed, uint32_t below);

void model_make(struct model *model, uint32_t seed);
/* Appends the bytes of the snapshot to @out. Format 1 cannot forbid enumeration. */
void model_write(const struct model *model, enum model_way way, struct mtls_buf *out);

#endif
