/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters: the table as OpenMetrics wants it, sums over workers, what stays of one that ended. */
#include <config.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "authd/counters.h"
#include "authd/shared.h"
#include "lib/base/str.h"

#define SAMPLES_MAX 256

struct samples {
	struct counter_sample row[SAMPLES_MAX];
	size_t count;
};

static int collect(void *ctx, const struct counter_sample *sample)
{
	struct samples *samples = ctx;

	assert_true(samples->count < SAMPLES_MAX);
	samples->row[samples->count++] = *sample;
	return 0;
}

static struct samples *read_all(const struct counter_set *set)
{
	static struct samples samples;

	samples.count = 0;
	assert_int_equal(counter_set_each(set, collect, &samples), 0);
	return &samples;
}

/* The value of the one sample with this name and label value ("": none). */
static const char *value(const struct counter_set *set, const char *name, const char *label_value)
{
	struct samples *samples = read_all(set);
	const char *found = NULL;

	for (size_t i = 0; i < samples->count; i++) {
		struct counter_sample *sample = &samples->row[i];
		if (!mtls_streq(sample->name, name) ||
		    !mtls_streq(sample->label_value ? sample->label_value : "", label_value))
			continue;
		assert_null(found);
		found = sample->value;
	}
	if (!found)
		fail_msg("no sample %s{%s}", name, label_value);
	return found;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len > end_len && mtls_streq(text + len - end_len, end);
}

static void the_table_is_openmetrics(void **state)
{
	_cleanup_(counter_set_freep) struct counter_set *set = NULL;

	(void)state;
	assert_int_equal(counter_set_new(1, &set), 0);
	struct samples *samples = read_all(set);
	assert_true(samples->count > 60);
	for (size_t i = 0; i < samples->count; i++) {
		struct counter_sample *a = &samples->row[i];
		print_message("# %s{%s}\n", a->name, a->label_value ? a->label_value : "");
		assert_int_equal(strspn(a->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(a->name));
		assert_int_equal(strncmp(a->name, "mtls_authd_", 11), 0);
		assert_true(a->help[0] && a->help[strlen(a->help) - 1] == '.');
		assert_int_equal(!a->label, !a->label_value);
		assert_int_equal(ends_with(a->name, "_total"), a->type == COUNTER_TYPE_COUNTER);
		for (size_t j = i + 1; j < samples->count; j++) {
			struct counter_sample *b = &samples->row[j];
			if (!mtls_streq(a->name, b->name))
				continue;
			/* One family: in a row, with one help and one label, of other values. */
			assert_string_equal(samples->row[j - 1].name, a->name);
			assert_string_equal(a->help, b->help);
			assert_true(a->label && b->label);
			assert_string_equal(a->label, b->label);
			assert_string_not_equal(a->label_value, b->label_value);
		}
	}
}

static void each_reason_is_counted(void **state)
{
	_cleanup_(counter_set_freep) struct counter_set *set = NULL;

	(void)state;
	assert_int_equal(counter_set_new(1, &set), 0);
	for (unsigned int i = 0; mtls_reason_at(i) >= 0; i++) {
		const char *token = mtls_reason_token(mtls_reason_at(i));
		counters_verdict(counter_set_slot(set, 0), (enum mtls_reason)mtls_reason_at(i));
		assert_string_equal(value(set, "mtls_authd_verdicts_total", token), "1");
	}
	counters_verdict(counter_set_slot(set, 0), (enum mtls_reason)5000); /* none: nothing */
}

static void workers_are_summed(void **state)
{
	_cleanup_(shared_freep) struct shared *shared = NULL;
	const char *accepted = "mtls_authd_connections_accepted_total";
	const char *open = "mtls_authd_connections";

	(void)state;
	assert_int_equal(shared_new(3, &shared), 0);
	struct counter_set *set = shared->counters;
	for (size_t slot = 0; slot < 3; slot++) {
		counters_add(counter_set_slot(set, slot), COUNTER_ACCEPTED_TCP);
		counters_add(counter_set_slot(set, slot), COUNTER_STATE_SIGN);
	}
	counters_add(counter_set_slot(set, 1), COUNTER_STATE_LOOKUP);
	counters_add(counter_set_slot(set, 1), COUNTER_WAITING_X509);
	assert_string_equal(value(set, accepted, "tcp"), "3");
	assert_string_equal(value(set, accepted, "unix"), "0");
	assert_string_equal(value(set, open, "sign"), "3");
	assert_int_equal(counter_connections(set, 1), 2);
	assert_int_equal(counter_value(set, 1, COUNTER_ACCEPTED_TCP), 1);

	/* What happened stays, what is going on ends with it. */
	shared_reap(shared, 1);
	assert_string_equal(value(set, accepted, "tcp"), "3");
	assert_string_equal(value(set, open, "sign"), "2");
	assert_string_equal(value(set, open, "lookup"), "0");
	assert_int_equal(counter_connections(set, 1), 0);
	assert_int_equal(counter_value(set, 1, COUNTER_ACCEPTED_TCP), 0);
	shared_reap(shared, 1);
	assert_string_equal(value(set, accepted, "tcp"), "3");
	counters_subtract(counter_set_slot(set, 0), COUNTER_STATE_SIGN);
	assert_string_equal(value(set, open, "sign"), "1");
}

static void durations_have_buckets(void **state)
{
	static const int64_t observed[] = { -5, 0, 999, 1000, 1001, 2000000, INT64_C(90000000) };
	static const struct {
		const char *le, *want;
	} rows[] = {
		{ "0.001", "4" }, { "0.0025", "5" }, { "1.0", "5" },
		{ "5.0", "6" },   { "30.0", "6" },   { "+Inf", "7" },
	};
	_cleanup_(shared_freep) struct shared *shared = NULL;
	const char *name = "mtls_authd_handshake_duration_seconds";
	char bucket[64], count[64], sum[64];

	(void)state;
	(void)snprintf(bucket, sizeof(bucket), "%s_bucket", name);
	(void)snprintf(count, sizeof(count), "%s_count", name);
	(void)snprintf(sum, sizeof(sum), "%s_sum", name);
	assert_int_equal(shared_new(2, &shared), 0);
	struct counter_set *set = shared->counters;
	for (size_t i = 0; i < MTLS_COUNT(observed); i++)
		counters_observe(counter_set_slot(set, i % 2), COUNTER_DURATION_HANDSHAKE,
				 observed[i]);
	for (int reaped = 0; reaped < 2; reaped++) {
		for (size_t i = 0; i < MTLS_COUNT(rows); i++)
			assert_string_equal(value(set, bucket, rows[i].le), rows[i].want);
		assert_string_equal(value(set, count, ""), "7");
		assert_string_equal(value(set, sum, ""), "92.003000");
		assert_string_equal(value(set, "mtls_authd_verdict_duration_seconds_count", ""),
				    "0");
		shared_reap(shared, 0);
	}
}

/* How a child ends that keeps row 1 and then writes to row @slot. */
static int write_as_worker(struct shared *shared, size_t slot)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
		if (shared_keep(shared, 1) < 0)
			_exit(2);
		counters_add(counter_set_slot(shared->counters, slot), COUNTER_AUDIT_LOST);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_worker_writes_its_own_row_only(void **state)
{
	_cleanup_(shared_freep) struct shared *shared = NULL;

	(void)state;
	assert_int_equal(shared_new(4, &shared), 0);
	assert_int_equal(write_as_worker(shared, 1), 0);
	for (size_t slot = 0; slot < 4; slot++)
		assert_int_equal(write_as_worker(shared, slot) == 0, slot == 1);
	assert_string_equal(value(shared->counters, "mtls_authd_audit_records_lost_total", ""),
			    "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_openmetrics),
		cmocka_unit_test(each_reason_is_counted),
		cmocka_unit_test(workers_are_summed),
		cmocka_unit_test(durations_have_buckets),
		cmocka_unit_test(a_worker_writes_its_own_row_only),
	};
	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
