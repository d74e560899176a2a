/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bucket of tries in a file of two numbers: what is left, and since when the next one grows. The
 * file is on a tmpfs, so it is written in place and not synced.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "pam_mtls_rescue/tries.h"

#define FILE_NAME "tries"
#define TEXT_MAX  64

struct bucket {
	uint32_t left;
	uint64_t since_ms;
};

uint64_t tries_now_ms(void)
{
	struct timespec now = { 0 };
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int open_file(const char *folder, int *ret_fd, struct mtls_diag *diag)
{
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return mtls_diag_set(diag, -errno, "cannot make '%s': %s", folder,
				     strerrordesc_np(errno));
	_cleanup_close_ int dir = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (dir < 0 || fstat(dir, &st) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", folder, strerrordesc_np(errno));
	if (st.st_uid != 0 || (st.st_mode & (S_IRWXG | S_IRWXO)))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "the folder '%s' is not root's alone (uid %u, mode %04o)",
				     folder, (unsigned int)st.st_uid,
				     (unsigned int)st.st_mode & 07777);
	int fd = openat(dir, FILE_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
			0600);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "'%s/" FILE_NAME "': %s", folder,
				     strerrordesc_np(errno));
	*ret_fd = fd;
	return 0;
}

/* "LEFT SINCE\n". An empty file is a new one. */
static struct bucket understand(const struct mtls_buf *text, const char *words, uint64_t now_ms)
{
	struct bucket full = { .left = TRIES_BURST, .since_ms = now_ms };
	struct bucket empty = { .left = 0, .since_ms = now_ms };
	char left[TEXT_MAX], since[TEXT_MAX];
	int end = 0;
	if (text->len == 0)
		return full;
	if (!words || sscanf(words, "%20[0-9] %20[0-9]%n", left, since, &end) != 2 ||
	    strcmp(words + end, "\n") != 0)
		return empty;
	struct bucket bucket;
	if (mtls_parse_u32(left, &bucket.left) < 0 || bucket.left > TRIES_BURST ||
	    mtls_parse_u64(since, &bucket.since_ms) < 0)
		return empty;
	return bucket;
}

static void refill(struct bucket *bucket, uint64_t now_ms)
{
	/* The file outlived a start of the machine: what grew since is not known. */
	if (bucket->since_ms > now_ms)
		bucket->since_ms = now_ms;
	uint64_t grown = (now_ms - bucket->since_ms) / TRIES_REFILL_MS;
	if (grown >= TRIES_BURST - bucket->left) {
		*bucket = (struct bucket){ .left = TRIES_BURST, .since_ms = now_ms };
		return;
	}
	bucket->left += (uint32_t)grown;
	bucket->since_ms += grown * TRIES_REFILL_MS;
}

static int read_bucket(int fd, uint64_t now_ms, struct bucket *ret)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(TEXT_MAX);
	int r = mtls_fd_read_all(fd, &text);
	if (r < 0 && r != MTLS_E_LIMIT)
		return r;
	if (r == MTLS_E_LIMIT)
		*ret = (struct bucket){ .left = 0, .since_ms = now_ms };
	else
		*ret = understand(&text, mtls_buf_cstr(&text), now_ms);
	refill(ret, now_ms);
	return 0;
}

static int write_bucket(int fd, const struct bucket *bucket)
{
	char text[TEXT_MAX];
	int len = snprintf(text, sizeof(text), "%" PRIu32 " %" PRIu64 "\n", bucket->left,
			   bucket->since_ms);
	if (len < 0 || (size_t)len >= sizeof(text))
		return -EOVERFLOW;
	ssize_t n = pwrite(fd, text, (size_t)len, 0);
	if (n != len)
		return n < 0 ? -errno : -EIO;
	return ftruncate(fd, len) < 0 ? -errno : 0;
}

int tries_take(const char *folder, uint64_t now_ms, bool peek, uint32_t *ret_wait_s,
	       struct mtls_diag *diag)
{
	_cleanup_close_ int fd = -1;
	struct bucket bucket;
	int r = open_file(folder, &fd, diag);
	if (r < 0)
		return r;
	r = read_bucket(fd, now_ms, &bucket);
	bool granted = r == 0 && bucket.left > 0;
	if (granted && !peek)
		bucket.left--;
	/* Always: a count that was not understood starts to grow from now on, not from the next
	 * time it is looked at. */
	if (r == 0)
		r = write_bucket(fd, &bucket);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s/" FILE_NAME "': %s", folder, mtls_strerror(r));
	if (granted)
		return 0;
	*ret_wait_s = (uint32_t)((TRIES_REFILL_MS - (now_ms - bucket.since_ms) + 999) / 1000);
	return mtls_diag_set(diag, MTLS_E_LIMIT, "the next try is in %u s", *ret_wait_s);
}
