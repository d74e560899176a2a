/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "tests/nss/model.h"
#include "tests/nss/people.h"

static const struct mtls_id_window window = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX };

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "model: %s\n", what);
	abort();
}

uint32_t model_random(uint32_t *seed, uint32_t below)
{
	uint32_t z = *seed += 0x9e3779b9U;
	z = (z ^ z >> 16) * 0x85ebca6bU;
	z = (z ^ z >> 13) * 0xc2b2ae35U;
	return (uint32_t)((uint64_t)(z ^ z >> 16) * below >> 32);
}

static void make_name(uint32_t *seed, char out[MTLS_OWNED_NAME_MAX + 1])
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	do {
		size_t len = model_random(seed, 4) ? 1 + model_random(seed, 9)
						   : 1 + model_random(seed, MTLS_OWNED_NAME_MAX);
		out[0] = first[model_random(seed, sizeof(first) - 1)];
		for (size_t i = 1; i < len; i++)
			out[i] = rest[model_random(seed, sizeof(rest) - 1)];
		out[len] = '\0';
	} while (mtls_account_name_reserved(out, strlen(out)));
}

/* Text of at most @max bytes: ASCII, sometimes characters of two to four bytes. */
static void make_text(uint32_t *seed, size_t max, char *out)
{
	static const char *const wide[] = { "\xc2\xa0", "\xc3\xa9", "\xe2\x82\xac",
					    "\xf0\x9f\x98\x80" };
	size_t len = 0, want = model_random(seed, 8) ? model_random(seed, 24) : max;
	bool is_wide = !model_random(seed, 3);
	while (len < want) {
		char one[2] = { (char)(' ' + model_random(seed, 94)), '\0' };
		const char *piece = one;
		if (is_wide && !model_random(seed, 3))
			piece = wide[model_random(seed, MTLS_COUNT(wide))];
		if (*piece == ':' || len + strlen(piece) > max)
			piece = "x";
		memcpy(out + len, piece, strlen(piece));
		len += strlen(piece);
	}
	out[len] = '\0';
}

static void make_path(uint32_t *seed, char *out)
{
	size_t len = 0, parts = 1 + model_random(seed, 5);
	for (size_t i = 0; i < parts; i++) {
		char text[64];
		make_text(seed, 40, text);
		for (char *c = text; *c; c++)
			if (*c == '/')
				*c = '_';
		if (!*text || strcmp(text, "..") == 0)
			memcpy(text, "p", 2);
		len += (size_t)snprintf(out + len, MODEL_TEXT - len, "/%s", text);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Distinct names for all users and groups, in order within each. */
static void make_names(struct model *model, uint32_t *seed)
{
	char names[MODEL_USERS + MODEL_GROUPS][MTLS_OWNED_NAME_MAX + 1];
	size_t count = model->user_count + model->group_count;
	for (size_t i = 0; i < count;) {
		size_t same = 0;
		make_name(seed, names[i]);
		while (same < i && strcmp(names[same], names[i]) != 0)
			same++;
		i += same == i;
	}
	qsort(names, model->user_count, sizeof(names[0]), by_name);
	qsort(names + model->user_count, model->group_count, sizeof(names[0]), by_name);
	for (size_t i = 0; i < model->user_count; i++)
		memcpy(model->users[i].name, names[i], sizeof(names[i]));
	for (size_t i = 0; i < model->group_count; i++)
		memcpy(model->groups[i].name, names[model->user_count + i], sizeof(names[i]));
}

static void make_bindings(struct model *model, uint32_t *seed)
{
	model->binding_count = model_random(seed, MODEL_BINDINGS + 1);
	for (size_t i = 0; i < model->binding_count; i++) {
		struct model_binding *b = &model->bindings[i];
		char text[64];
		make_text(seed, 60, text);
		(void)snprintf(b->key, sizeof(b->key), "mail:%02zu %s", i, text);
		/* one user, or some in order with somebody else's account behind them */
		size_t at = model_random(seed, (uint32_t)model->user_count);
		b->names[b->count++] = model->users[at].name;
		while (model_random(seed, 2) && ++at < model->user_count &&
		       b->count < MODEL_BOUND - 1)
			b->names[b->count++] = model->users[at].name;
		if (!model_random(seed, 3))
			b->names[b->count++] = "zzzzzzzz.foreign";
	}
}

void model_make(struct model *model, uint32_t seed)
{
	uint32_t *s = &seed;
	*model = (struct model){ .user_count = 1 + model_random(s, MODEL_USERS),
				 .group_count = model_random(s, MODEL_GROUPS + 1) };
	model->no_enumeration = !model_random(s, 6);
	make_names(model, s);
	for (size_t i = 0; i < model->group_count; i++)
		model->groups[i].gid = MTLS_ID_WINDOW_MAX - (uint32_t)i * 7;
	for (size_t i = 0; i < model->user_count; i++) {
		struct model_user *user = &model->users[i];
		user->uid = MTLS_ID_WINDOW_MIN + (uint32_t)((i * 37) % MODEL_USERS);
		user->gid = user->uid;
		if (model->group_count && !model_random(s, 4))
			user->gid =
				model->groups[model_random(s, (uint32_t)model->group_count)].gid;
		make_text(s, MODEL_TEXT - 1, user->gecos);
		make_path(s, user->home);
		make_path(s, user->shell);
		for (size_t g = 0; g < model->group_count; g++)
			model->groups[g].member[i] =
				user->gid != model->groups[g].gid && !model_random(s, 3);
	}
	make_bindings(model, s);
}

/* The values that more than one way needs. */
static void put_gids(const struct model *model, size_t user, struct mtls_buf *list,
		     uint32_t *ret_count)
{
	*ret_count = 0;
	/* gids fall with the index: ascending order is from the end */
	for (size_t g = model->group_count; g-- > 0;) {
		if (!model->groups[g].member[user])
			continue;
		raw_u32(list, model->groups[g].gid);
		++*ret_count;
	}
}

static uint32_t put_members(const struct model *model, const struct model_group *group,
			    struct mtls_buf *list)
{
	uint32_t count = 0;
	for (size_t i = 0; i < model->user_count; i++) {
		if (!group->member[i])
			continue;
		raw_str(list, model->users[i].name);
		count++;
	}
	return count;
}

static void raw_group(struct raw *raw, uint32_t format, uint32_t gid, const char *name,
		      uint32_t count, const struct mtls_buf *members)
{
	_cleanup_buf_ struct mtls_buf value = MTLS_BUF(1 << 20);
	raw_u32(&value, gid);
	if (format > 1)
		raw_u8(&value, 0);
	raw_str(&value, name);
	raw_u32(&value, count);
	if (members)
		must(mtls_buf_append(&value, members->data, members->len) == 0, "memory");
	raw_put_name(raw, MTLS_ACCT_GROUP_NAME, name, &value);
	raw_put_id(raw, MTLS_ACCT_GROUP_ID, gid, &value);
}

static void write_user(const struct model *model, size_t i, uint32_t format, struct raw *raw)
{
	const struct model_user *user = &model->users[i];
	const char *const fields[] = { user->name, user->gecos, user->home, user->shell };
	_cleanup_buf_ struct mtls_buf value = MTLS_BUF(1 << 16);
	_cleanup_buf_ struct mtls_buf gids = MTLS_BUF(1 << 16);
	uint32_t count;
	put_gids(model, i, &gids, &count);
	raw_user(&value, format, user->uid, user->gid, fields);
	raw_put_id(raw, MTLS_ACCT_USER_ID, user->uid, &value);
	if (format == 1) {
		raw_put_name(raw, MTLS_ACCT_USER_NAME, user->name, &value);
		mtls_buf_reset(&value);
	}
	raw_u32(&value, count);
	must(mtls_buf_append(&value, gids.data, gids.len) == 0, "memory");
	raw_put_name(raw, format == 1 ? MTLS_ACCT_USER_GROUPS : MTLS_ACCT_USER_NAME, user->name,
		     &value);
	if (format == 1 && user->gid == user->uid)
		raw_group(raw, format, user->gid, user->name, 0, NULL);
}

static void write_raw(const struct model *model, uint32_t format, struct mtls_buf *out)
{
	struct raw raw;
	raw_start(&raw);
	raw_put_header(&raw, format, &window, model->no_enumeration ? 1 : 0);
	for (size_t i = 0; i < model->user_count; i++)
		write_user(model, i, format, &raw);
	for (size_t g = 0; g < model->group_count; g++) {
		_cleanup_buf_ struct mtls_buf members = MTLS_BUF(1 << 20);
		uint32_t count = put_members(model, &model->groups[g], &members);
		raw_group(&raw, format, model->groups[g].gid, model->groups[g].name, count,
			  &members);
	}
	for (size_t i = 0; i < model->binding_count; i++) {
		const struct model_binding *b = &model->bindings[i];
		_cleanup_buf_ struct mtls_buf value = MTLS_BUF(1 << 16);
		raw_u32(&value, (uint32_t)b->count);
		for (size_t k = 0; k < b->count; k++)
			raw_str(&value, b->names[k]);
		raw_put_name(&raw, MTLS_ACCT_BINDING, b->key, &value);
	}
	raw_finish(&raw, out);
}

static void dropped(void *ctx, const char *sentence)
{
	(void)ctx;
	must(false, sentence);
}

static void build(const struct model *model, struct mtls_buf *out)
{
	struct mtls_diag diag = { "" };
	_cleanup_(people_freep) struct people *people = people_new();
	_cleanup_close_ int fd = memfd_create("model", MFD_CLOEXEC);
	people->dropped = dropped;
	people->no_enumeration = model->no_enumeration;
	for (size_t g = 0; g < model->group_count; g++)
		(void)people_group(people, model->groups[g].name, model->groups[g].gid, 0);
	for (size_t i = 0; i < model->user_count; i++) {
		const struct model_user *u = &model->users[i];
		const struct people_user user = { u->name, u->gecos, u->home, u->shell,
						  u->uid,  u->gid,   0 };
		(void)people_add(people, &user);
		for (size_t g = 0; g < model->group_count; g++)
			if (model->groups[g].member[i])
				people_join(people, model->groups[g].name, u->name);
	}
	for (size_t i = 0; i < model->binding_count; i++)
		for (size_t k = 0; k < model->bindings[i].count; k++)
			people_bind(people, model->bindings[i].key, model->bindings[i].names[k]);
	must(fd >= 0 && people_write(people, fd, &diag) == 0, diag.text);
	must(lseek(fd, 0, SEEK_SET) == 0 && mtls_fd_read_all(fd, out) == 0, "read");
}

void model_write(const struct model *model, enum model_way way, struct mtls_buf *out)
{
	if (way == MODEL_BUILDER)
		build(model, out);
	else
		write_raw(model, way == MODEL_FORMAT_1 ? 1 : 2, out);
}
