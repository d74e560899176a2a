/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Generations of the snapshot, shared by all threads of a process.
 *
 * The publisher renames a new accounts.cdb into place and then counts accounts.gen up. A lookup
 * compares that counter, through a mapping of its own, with the value it had before the current
 * file was opened. A process whose counter file is missing or was replaced is healed by the
 * backstop: a stat of the file, at most once a second of the coarse clock.
 *
 * There is no lock, so nothing can be held across fork(). Each generation has a count: 0 free,
 * CLAIMED while one thread fills or empties it, else one for being current plus one a pin. A count
 * only grows from a non-zero value, so a generation that died cannot be pinned; objects are reused
 * but never freed, so a thread that comes late finds a count and not freed memory. Whoever finds
 * the file changed loads it and swaps `current`; of several that do so at once, the others use
 * theirs once. A child of fork() inherits the pins of threads that it does not have: such a
 * generation stays mapped there, which costs address space and nothing else.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "nss_mtls/db.h"

#define CLAIMED        (1U << 31)
#define BACKSTOP_NS    1000000000LL
#define NS_OF_A_SECOND 1000000000LL

struct nss_gen {
	struct nss_gen *next; /* in nss_db.all; constant */
	uint32_t number;      /* 1, 2, ... in the order of making; constant */
	_Atomic uint32_t count;
	_Atomic int64_t checked; /* coarse clock, ns, of the last stat */
	/* Written while CLAIMED, constant while the count lives. */
	struct mtls_acctdb snapshot;
	const _Atomic uint64_t *counter; /* our mapping of accounts.gen; NULL: there is none */
	uint64_t counted;                /* the counter's value before the file was opened */
	struct stat file;
};

static int64_t coarse_now(void)
{
	struct timespec ts;
	if (clock_gettime(CLOCK_MONOTONIC_COARSE, &ts) < 0)
		return 0;
	return ts.tv_sec * NS_OF_A_SECOND + ts.tv_nsec;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The change time tells of chown and chmod too. */
static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

static bool try_pin(struct nss_gen *gen)
{
	uint32_t count = atomic_load_explicit(&gen->count, memory_order_relaxed);
	do {
		if (count == 0 || (count & CLAIMED))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&gen->count, &count, count + 1, memory_order_acquire, memory_order_relaxed));
	return true;
}

/* The caller has claimed @gen. */
static void empty(struct nss_gen *gen)
{
	mtls_acctdb_close(&gen->snapshot);
	if (gen->counter) {
		union {
			const _Atomic uint64_t *in;
			void *out;
		} page = { .in = gen->counter };
		(void)munmap(page.out, MTLS_ACCTDB_GEN_SIZE);
		gen->counter = NULL;
	}
	atomic_store_explicit(&gen->count, 0, memory_order_release);
}

/* The last one out claims the generation, so that nobody else can, and unmaps it. */
void nss_db_unpin(struct nss_gen *gen)
{
	uint32_t count = atomic_load_explicit(&gen->count, memory_order_relaxed);
	uint32_t less;
	do {
		less = count == 1 ? CLAIMED : count - 1;
	} while (!atomic_compare_exchange_weak_explicit(
		&gen->count, &count, less, memory_order_acq_rel, memory_order_relaxed));
	if (less == CLAIMED)
		empty(gen);
}

/* A free object, or a new one; claimed. NULL when memory is short. */
static struct nss_gen *claim(struct nss_db *db)
{
	struct nss_gen *gen = atomic_load_explicit(&db->all, memory_order_acquire);
	for (; gen; gen = gen->next) {
		uint32_t none = 0;
		if (atomic_compare_exchange_strong_explicit(&gen->count, &none, CLAIMED,
							    memory_order_acquire,
							    memory_order_relaxed))
			return gen;
	}
	gen = calloc(1, sizeof(*gen));
	if (!gen)
		return NULL;
	atomic_init(&gen->count, CLAIMED);
	gen->next = atomic_load_explicit(&db->all, memory_order_acquire);
	do
		gen->number = gen->next ? gen->next->number + 1 : 1;
	while (!atomic_compare_exchange_weak_explicit(&db->all, &gen->next, gen,
						      memory_order_acq_rel, memory_order_acquire));
	return gen;
}

/* The counter is an optimisation: without a file that we may believe, the backstop serves. */
static const _Atomic uint64_t *map_counter(const struct nss_db *db)
{
	const struct mtls_file_trust trust = { .owner = db->owner };
	_cleanup_close_ int fd = -1;
	struct stat st;
	if (mtls_file_open_trusted(db->gen_path, &trust, &fd, NULL) < 0 || fstat(fd, &st) < 0 ||
	    st.st_size < MTLS_ACCTDB_GEN_SIZE)
		return NULL;
	void *page = mmap(NULL, MTLS_ACCTDB_GEN_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	return page == MAP_FAILED ? NULL : page;
}

/* Counter first, file second: a file that is newer than our counter is only loaded once more. */
static int fill(const struct nss_db *db, struct nss_gen *gen)
{
	const struct mtls_file_trust trust = { .owner = db->owner };
	_cleanup_close_ int fd = -1;

	gen->counter = map_counter(db);
	gen->counted = gen->counter ? atomic_load_explicit(gen->counter, memory_order_acquire) : 0;
	atomic_store_explicit(&gen->checked, coarse_now(), memory_order_relaxed);
	int r = mtls_file_open_trusted(db->path, &trust, &fd, NULL);
	if (r < 0)
		return r;
	if (fstat(fd, &gen->file) < 0)
		return -errno;
	return mtls_acctdb_open_fd(&gen->snapshot, fd);
}

/*
 * Loads what is there now and makes it current in place of @old, which the caller has pinned (so
 * its address cannot come back meanwhile) or which is NULL. @ret_gen is pinned.
 */
static int reload(struct nss_db *db, struct nss_gen *old, struct nss_gen **ret_gen)
{
	struct nss_gen *gen = claim(db);
	if (!gen)
		return -ENOMEM;
	int r = fill(db, gen);
	if (r < 0) {
		empty(gen);
		return r;
	}
	/* One for the caller, one for being current. */
	atomic_store_explicit(&gen->count, 2, memory_order_release);
	struct nss_gen *expected = old;
	bool won = atomic_compare_exchange_strong_explicit(
		&db->current, &expected, gen, memory_order_acq_rel, memory_order_relaxed);
	if (!won)
		nss_db_unpin(gen);
	else if (old)
		nss_db_unpin(old);
	*ret_gen = gen;
	return 0;
}

/*
 * Nothing else here is a cancellation point, but open() and close() are: a thread that ends in one
 * would leave its claim, its pins and a descriptor behind for good.
 */
static int reload_undisturbed(struct nss_db *db, struct nss_gen *old, struct nss_gen **ret_gen)
{
	int state;
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	int r = reload(db, old, ret_gen);
	(void)pthread_setcancelstate(state, NULL);
	return r;
}

static bool is_newest(const struct nss_db *db, struct nss_gen *gen)
{
	if (gen->counter &&
	    atomic_load_explicit(gen->counter, memory_order_acquire) != gen->counted)
		return false;
	int64_t now = coarse_now();
	if (now - atomic_load_explicit(&gen->checked, memory_order_relaxed) < BACKSTOP_NS)
		return true;
	/*
	 * Whoever comes now looks, and says so afterwards: if one did it for the others, they would
	 * go on with an old file for as long as that one is not scheduled.
	 */
	struct stat st;
	if (stat(db->path, &st) < 0 || !same_file(&st, &gen->file))
		return false;
	atomic_store_explicit(&gen->checked, now, memory_order_relaxed);
	return true;
}

int nss_db_pin(struct nss_db *db, struct nss_gen **ret_gen, const struct mtls_acctdb **ret_db)
{
	struct nss_gen *gen, *old;
	for (;;) {
		old = atomic_load_explicit(&db->current, memory_order_acquire);
		if (!old || try_pin(old))
			break;
		/* It died between the load and the pin: there is another current one by now. */
	}
	if (old && is_newest(db, old)) {
		*ret_gen = old;
		*ret_db = &old->snapshot;
		return 0;
	}
	int r = reload_undisturbed(db, old, &gen);
	if (old)
		nss_db_unpin(old);
	if (r < 0)
		return r;
	*ret_gen = gen;
	*ret_db = &gen->snapshot;
	return 0;
}

uint32_t nss_db_number(const struct nss_gen *gen)
{
	return gen->number;
}

static struct nss_gen *by_number(const struct nss_db *db, uint32_t number)
{
	struct nss_gen *gen = atomic_load_explicit(&db->all, memory_order_acquire);
	while (gen && gen->number != number)
		gen = gen->next;
	return gen;
}

struct nss_gen *nss_db_pin_number(const struct nss_db *db, uint32_t number,
				  const struct mtls_acctdb **ret_db)
{
	struct nss_gen *gen = by_number(db, number);
	if (!gen || !try_pin(gen))
		return NULL;
	*ret_db = &gen->snapshot;
	return gen;
}

void nss_db_unpin_number(const struct nss_db *db, uint32_t number)
{
	struct nss_gen *gen = by_number(db, number);
	if (gen)
		nss_db_unpin(gen);
}

void nss_db_close(struct nss_db *db)
{
	struct nss_gen *gen = atomic_exchange(&db->current, NULL);
	if (gen)
		nss_db_unpin(gen);
	for (gen = atomic_exchange(&db->all, NULL); gen;) {
		struct nss_gen *next = gen->next;
		free(gen);
		gen = next;
	}
}
