/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters in memory shared between supervisor and workers. A slot is an array of cells: the
 * counters, then the reasons of verdicts, then for each duration its buckets and its sum.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "authd/counters.h"
#include "authd/shmem.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define VERDICTS_NAME "mtls_authd_verdicts_total"
#define VERDICTS_HELP "Audit records, by the reason of their verdict."
#define LINE_MAX_LOG  1024 /* after so much a line of the log ends */

#define COUNT_ONE(...) +1
enum {
	BUCKETS = 0 COUNTER_BUCKETS(COUNT_ONE) + 1, /* the last is +Inf */
	VERDICTS = 0 MTLS_REASONS(COUNT_ONE),
	CELLS_DURATION = BUCKETS + 1, /* and the sum, in microseconds */
	FIRST_VERDICT = COUNTER_COUNT,
	FIRST_DURATION = FIRST_VERDICT + VERDICTS,
	CELLS = FIRST_DURATION + COUNTER_DURATION_COUNT * CELLS_DURATION,
};
#undef COUNT_ONE

struct counters {
	_Atomic uint64_t cell[CELLS];
};

struct counter_set {
	struct shmem shmem;
	uint64_t total[CELLS]; /* of workers that have ended */
};

enum family {
#define FAMILY_ENUM(id, type, name, label, help) FAMILY_##id,
	COUNTER_FAMILIES(FAMILY_ENUM)
#undef FAMILY_ENUM
};

static const struct {
	enum counter_type type;
	const char *name, *label, *help;
} families[] = {
#define FAMILY_ROW(id, type, name, label, help)                                                    \
	[FAMILY_##id] = { COUNTER_TYPE_##type, (name), (label), (help) },
	COUNTER_FAMILIES(FAMILY_ROW)
#undef FAMILY_ROW
};

static const struct {
	enum family family;
	const char *value;
} counters[] = {
#define COUNTER_ROW(id, family, value) [COUNTER_##id] = { FAMILY_##family, (value) },
	COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
};

static const struct {
	const char *bucket, *sum, *count, *help;
} durations[] = {
#define DURATION_ROW(id, name, help) { name "_bucket", name "_sum", name "_count", (help) },
	COUNTER_DURATIONS(DURATION_ROW)
#undef DURATION_ROW
};

static const struct {
	int64_t us;
	const char *text;
} buckets[BUCKETS] = {
#define BUCKET_ROW(us, text) { (us), (text) },
	COUNTER_BUCKETS(BUCKET_ROW)
#undef BUCKET_ROW
		{ INT64_MAX, "+Inf" },
};

int counter_set_new(size_t slots, struct counter_set **ret)
{
	_cleanup_(counter_set_freep) struct counter_set *set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	int r = shmem_map(&set->shmem, slots, sizeof(struct counters));
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(set);
	return 0;
}

void counter_set_free(struct counter_set *set)
{
	if (!set)
		return;
	shmem_unmap(&set->shmem);
	free(set);
}

struct counters *counter_set_slot(const struct counter_set *set, size_t slot)
{
	return shmem_row(&set->shmem, slot);
}

int counter_set_keep(const struct counter_set *set, size_t slot)
{
	return shmem_keep(&set->shmem, slot);
}

static bool is_gauge(size_t cell)
{
	return cell < COUNTER_COUNT && families[counters[cell].family].type == COUNTER_TYPE_GAUGE;
}

static uint64_t load(const struct counter_set *set, size_t slot, size_t cell)
{
	return atomic_load_explicit(&counter_set_slot(set, slot)->cell[cell], memory_order_relaxed);
}

void counter_set_reap(struct counter_set *set, size_t slot)
{
	for (size_t cell = 0; cell < CELLS; cell++)
		if (!is_gauge(cell))
			set->total[cell] += load(set, slot, cell);
	shmem_clear(&set->shmem, slot);
}

uint64_t counter_value(const struct counter_set *set, size_t slot, enum counter counter)
{
	return load(set, slot, counter);
}

uint64_t counter_connections(const struct counter_set *set, size_t slot)
{
	uint64_t sum = 0;

	for (size_t cell = 0; cell < COUNTER_COUNT; cell++)
		if (counters[cell].family == FAMILY_CONNECTIONS)
			sum += load(set, slot, cell);
	return sum;
}

static uint64_t sum_of(const struct counter_set *set, size_t cell)
{
	uint64_t sum = set->total[cell];

	for (size_t slot = 0; slot < set->shmem.count; slot++)
		sum += load(set, slot, cell);
	return sum;
}

const char *counter_type_name(enum counter_type type)
{
	static const char *const names[] = {
		[COUNTER_TYPE_COUNTER] = "counter",
		[COUNTER_TYPE_GAUGE] = "gauge",
		[COUNTER_TYPE_HISTOGRAM] = "histogram",
	};
	return names[type];
}

/* ------------------------------------------------------------------------------- reading */

struct reader {
	const struct counter_set *set;
	int (*each)(void *ctx, const struct counter_sample *sample);
	void *ctx;
};

static int give(const struct reader *reader, struct counter_sample sample, uint64_t value)
{
	(void)snprintf(sample.value, sizeof(sample.value), "%" PRIu64, value);
	return reader->each(reader->ctx, &sample);
}

static int read_counters(const struct reader *reader)
{
	int r = 0;

	for (size_t cell = 0; r >= 0 && cell < COUNTER_COUNT; cell++) {
		enum family family = counters[cell].family;
		r = give(reader,
			 (struct counter_sample){ .name = families[family].name,
						  .type = families[family].type,
						  .help = families[family].help,
						  .label = families[family].label,
						  .label_value = counters[cell].value },
			 sum_of(reader->set, cell));
	}
	return r;
}

static int read_verdicts(const struct reader *reader)
{
	int r = 0;

	for (unsigned int i = 0; r >= 0 && i < VERDICTS; i++)
		r = give(reader,
			 (struct counter_sample){ .name = VERDICTS_NAME,
						  .type = COUNTER_TYPE_COUNTER,
						  .help = VERDICTS_HELP,
						  .label = "reason",
						  .label_value =
							  mtls_reason_token(mtls_reason_at(i)) },
			 sum_of(reader->set, FIRST_VERDICT + i));
	return r;
}

static int read_duration(const struct reader *reader, size_t duration)
{
	size_t cell = FIRST_DURATION + duration * CELLS_DURATION;
	struct counter_sample sample = { .name = durations[duration].bucket,
					 .type = COUNTER_TYPE_HISTOGRAM,
					 .help = durations[duration].help,
					 .label = "le" };
	uint64_t count = 0;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < BUCKETS; i++) {
		count += sum_of(reader->set, cell + i);
		sample.label_value = buckets[i].text;
		r = give(reader, sample, count);
	}
	if (r < 0)
		return r;
	sample.label = sample.label_value = NULL;
	sample.name = durations[duration].count;
	r = give(reader, sample, count);
	if (r < 0)
		return r;
	uint64_t us = sum_of(reader->set, cell + BUCKETS);
	sample.name = durations[duration].sum;
	(void)snprintf(sample.value, sizeof(sample.value), "%" PRIu64 ".%06" PRIu64, us / 1000000,
		       us % 1000000);
	return reader->each(reader->ctx, &sample);
}

int counter_set_each(const struct counter_set *set,
		     int (*each)(void *ctx, const struct counter_sample *sample), void *ctx)
{
	const struct reader reader = { .set = set, .each = each, .ctx = ctx };

	int r = read_counters(&reader);
	if (r >= 0)
		r = read_verdicts(&reader);
	for (size_t i = 0; r >= 0 && i < COUNTER_DURATION_COUNT; i++)
		r = read_duration(&reader, i);
	return r < 0 ? r : 0;
}

/* ------------------------------------------------------------------------------- writing */

static void add(struct counters *slot, size_t cell, uint64_t amount)
{
	(void)atomic_fetch_add_explicit(&slot->cell[cell], amount, memory_order_relaxed);
}

void counters_add(struct counters *slot, enum counter counter)
{
	add(slot, counter, 1);
}

void counters_subtract(struct counters *slot, enum counter gauge)
{
	(void)atomic_fetch_sub_explicit(&slot->cell[gauge], 1, memory_order_relaxed);
}

void counters_verdict(struct counters *slot, enum mtls_reason reason)
{
	for (unsigned int i = 0; i < VERDICTS; i++)
		if (mtls_reason_at(i) == (int)reason)
			add(slot, FIRST_VERDICT + i, 1);
}

void counters_observe(struct counters *slot, enum counter_duration duration, int64_t us)
{
	size_t cell = FIRST_DURATION + duration * CELLS_DURATION;
	size_t bucket = 0;

	while (us > buckets[bucket].us)
		bucket++;
	add(slot, cell + bucket, 1);
	add(slot, cell + BUCKETS, us > 0 ? (uint64_t)us : 0);
}

/* ----------------------------------------------------------------------------------- log */

static void flush(struct mtls_buf *line)
{
	const char *text = mtls_buf_cstr(line);

	mtls_log(MTLS_LOG_NOTICE, "counters: %s", text && *text ? text : "nothing has happened");
	mtls_buf_reset(line);
}

static int log_one(void *ctx, const struct counter_sample *sample)
{
	struct mtls_buf *line = ctx;
	size_t prefix = sizeof("mtls_authd_") - 1;

	/* Durations are for those who draw them. */
	if (sample->type == COUNTER_TYPE_HISTOGRAM || mtls_streq(sample->value, "0"))
		return 0;
	if (line->len > LINE_MAX_LOG)
		flush(line);
	(void)mtls_buf_printf(line, "%s%s", line->len ? ", " : "", sample->name + prefix);
	if (sample->label)
		(void)mtls_buf_printf(line, " %s", sample->label_value);
	return mtls_buf_printf(line, " %s", sample->value);
}

void counter_set_log(const struct counter_set *set)
{
	_cleanup_buf_ struct mtls_buf line = MTLS_BUF(2 * LINE_MAX_LOG);

	(void)counter_set_each(set, log_one, &line);
	flush(&line);
}
