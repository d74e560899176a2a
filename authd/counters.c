/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters in memory shared between supervisor and workers. */
#include <config.h>

#include <sys/mman.h>

#include "authd/counters.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"

static const char *const names[COUNTER_COUNT] = {
#define COUNTER_NAME(name, text) [COUNTER_##name] = (text),
	COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
};

struct counters *counters_map(size_t slots)
{
	void *p = mmap(NULL, slots * sizeof(struct counters), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

void counters_add(struct counters *slot, enum counter counter)
{
	(void)atomic_fetch_add_explicit(&slot->value[counter], 1, memory_order_relaxed);
}

void counters_reap(struct counters *total, struct counters *slot)
{
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		(void)atomic_fetch_add(&total->value[i], atomic_exchange(&slot->value[i], 0));
}

void counters_log(const struct counters *total, const struct counters *slots, size_t count)
{
	_cleanup_buf_ struct mtls_buf line = MTLS_BUF(1024);

	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		uint64_t sum = atomic_load(&total->value[i]);
		for (size_t slot = 0; slot < count; slot++)
			sum += atomic_load(&slots[slot].value[i]);
		(void)mtls_buf_printf(&line, "%s%s %llu", i ? ", " : "", names[i],
				      (unsigned long long)sum);
	}
	const char *text = mtls_buf_cstr(&line);
	if (text)
		mtls_log(MTLS_LOG_NOTICE, "%s", text);
}
