/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /etc/pam.d as mtlsctl enable and disable see it. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <gnutls/crypto.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_pam_dir.h"

#define CONTEXT 3 /* lines of a diff around a change */

void ctl_pam_file_done(struct ctl_pam_file *file)
{
	mtls_buf_done(&file->text);
}

static int path_of(const char *service, char out[PATH_MAX], struct mtls_diag *diag)
{
	if (!mtls_stack_service_valid(service))
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "'%s' is no name of a service: small letters, digits, '.', "
				     "'_', '-'",
				     service);
	(void)snprintf(out, PATH_MAX, CTL_PAM_DIR "/%s", service);
	return 0;
}

/* A link leads to another service's file, or to one that another program looks after. */
static int check_kind(const char *path, struct stat *st, struct mtls_diag *diag)
{
	if (lstat(path, st) < 0)
		return errno == ENOENT ? mtls_diag_set(diag, -ENOENT, "'%s' is not there", path)
				       : mtls_diag_set(diag, -errno, "'%s': %s", path,
						       strerrordesc_np(errno));
	if (S_ISLNK(st->st_mode))
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "'%s' is a link: enable the service that it leads to, or "
				     "what looks after that file",
				     path);
	if (S_ISREG(st->st_mode) && st->st_nlink > 1)
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "'%s' has a second name, which would keep the old content",
				     path);
	return 0;
}

int ctl_pam_read(const char *service, struct ctl_pam_file *ret, struct mtls_diag *diag)
{
	static const struct mtls_file_trust roots = { .owner = 0 };
	char path[PATH_MAX];
	struct stat st;

	int r = path_of(service, path, diag);
	if (r >= 0)
		r = check_kind(path, &st, diag);
	if (r >= 0)
		r = mtls_file_read(path, &roots, &ret->text, diag);
	if (r < 0)
		return r;
	ret->uid = st.st_uid;
	ret->gid = st.st_gid;
	ret->mode = st.st_mode & 07777;
	return 0;
}

int ctl_pam_write(const char *service, const struct mtls_buf *text, const struct ctl_pam_file *like,
		  struct mtls_diag *diag)
{
	const struct mtls_file_mode mode = { .mode = like->mode,
					     .uid = like->uid,
					     .gid = like->gid };
	char path[PATH_MAX];

	int r = path_of(service, path, diag);
	return r < 0 ? r : mtls_file_replace(path, text->data, text->len, &mode, diag);
}

int ctl_pam_load(void *ctx, const char *name, struct mtls_stack **ret, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_STACK_FILE_MAX);
	struct mtls_diag why = { 0 };
	char path[PATH_MAX];

	(void)ctx;
	int n = snprintf(path, sizeof(path), "%s%s", *name == '/' ? "" : CTL_PAM_DIR "/", name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return mtls_diag_set(diag, -ENAMETOOLONG, "the name of a file is too long");
	/* Not ours to judge, and links are usual here: read it however it is. */
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	int r = f ? mtls_fd_read_all(fileno(f), &text) : -errno;
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s' cannot be read: %s", path, mtls_strerror(r));
	r = mtls_stack_parse(text.data, text.len, ret, &why);
	return r < 0 ? mtls_diag_set(diag, r, "'%s', %s", path, mtls_diag_text(&why, r)) : 0;
}

int ctl_pam_hash(const struct mtls_buf *text, char out[CTL_PAM_HASH_MAX])
{
	uint8_t digest[32];

	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text->data, text->len, digest) < 0)
		return MTLS_E_CRYPTO;
	mtls_hex_encode(digest, sizeof(digest), out);
	return 0;
}

/* --- who includes it --- */

/* 1 if @stack includes @service, 0, or MTLS_E_UNSUPPORTED. */
static int includes(const struct mtls_stack *stack, const char *name, const char *service,
		    struct mtls_diag *diag)
{
	unsigned int jump = 0; /* the line */

	for (size_t i = 0; i < stack->count; i++) {
		const struct mtls_stack_line *line = &stack->lines[i];
		if (mtls_stack_jump(line))
			jump = line->number;
		if (line->kind == MTLS_STACK_EMPTY || line->kind == MTLS_STACK_CALL ||
		    !mtls_stack_is_module(line->target, service))
			continue;
		if (!jump)
			return 1;
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED,
				     "'%s' takes lines from it, and line %u there jumps: one more "
				     "would change where to",
				     name, jump);
	}
	return 0;
}

int ctl_pam_includers(const char *service, char ***ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_strv_freep) char **names = NULL;
	struct dirent **list = NULL;
	int r = 0;

	int count = scandir(CTL_PAM_DIR, &list, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
		const char *name = list[i]->d_name;
		/* What cannot be read is not ours to judge. */
		if (r >= 0 && mtls_stack_service_valid(name) && !mtls_streq(name, service) &&
		    ctl_pam_load(NULL, name, &stack, NULL) == 0)
			r = includes(stack, name, service, diag);
		if (r > 0)
			r = mtls_strv_add(&names, name);
		free(list[i]);
	}
	free(list);
	if (r >= 0)
		*ret = MTLS_TAKE(names);
	return r < 0 ? r : 0;
}

/* --- the difference --- */

static bool same_line(const struct mtls_stack *a, size_t i, const struct mtls_stack *b, size_t j)
{
	const struct mtls_stack_line *x = &a->lines[i], *y = &b->lines[j];

	return x->len == y->len && memcmp(a->text + x->start, b->text + y->start, x->len) == 0;
}

/* True where the longer file has a line that the shorter one has not. */
struct difference {
	const struct mtls_stack *shorter, *longer;
	bool extra[MTLS_STACK_LINES_MAX];
};

static void compare(struct difference *d)
{
	for (size_t i = 0, j = 0; j < d->longer->count; j++) {
		if (i < d->shorter->count && same_line(d->shorter, i, d->longer, j))
			i++;
		else
			d->extra[j] = true;
	}
}

static bool near_change(const struct difference *d, size_t at)
{
	size_t from = at > CONTEXT ? at - CONTEXT : 0;

	for (size_t i = from; i <= at + CONTEXT && i < d->longer->count; i++)
		if (d->extra[i])
			return true;
	return false;
}

static void print_hunk(const struct difference *d, size_t from, size_t to, size_t before, bool adds)
{
	size_t extra = 0;

	for (size_t i = from; i < to; i++)
		extra += d->extra[i];
	size_t longer = to - from, shorter = longer - extra;
	size_t start_long = from + 1, start_short = from - before + 1;
	(void)printf("@@ -%zu,%zu +%zu,%zu @@\n", adds ? start_short : start_long,
		     adds ? shorter : longer, adds ? start_long : start_short,
		     adds ? longer : shorter);
	for (size_t i = from; i < to; i++) {
		const struct mtls_stack_line *line = &d->longer->lines[i];
		const char *text = d->longer->text + line->start;
		char mark = !d->extra[i] ? ' ' : adds ? '+' : '-';
		/* A continued line is one for us and several for patch(1). */
		for (size_t k = 0; k < line->len; k++) {
			if (k == 0 || text[k - 1] == '\n')
				(void)putchar(mark);
			(void)putchar(text[k]);
		}
		if (text[line->len - 1] != '\n')
			(void)printf("\n\\ No newline at end of file\n");
	}
}

void ctl_pam_print_diff(const char *service, const struct mtls_stack *old,
			const struct mtls_stack *now)
{
	bool adds = now->count >= old->count;
	struct difference d = { .shorter = adds ? old : now, .longer = adds ? now : old };
	size_t extra = 0; /* changes above the hunk */

	compare(&d);
	(void)printf("--- " CTL_PAM_DIR "/%s\n+++ " CTL_PAM_DIR "/%s\n", service, service);
	for (size_t from = 0; from < d.longer->count;) {
		if (!near_change(&d, from)) {
			from++;
			continue;
		}
		size_t to = from;
		while (to < d.longer->count && near_change(&d, to))
			to++;
		print_hunk(&d, from, to, extra, adds);
		for (size_t i = from; i < to; i++)
			extra += d.extra[i];
		from = to;
	}
}
