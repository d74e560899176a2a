/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The logger. State: the sink and the level (set at start), a prefix per thread. */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/str.h"

static void write_stderr(void *ctx, enum mtls_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)fprintf(stderr, "%s\n", line);
}

static struct {
	mtls_log_sink *sink;
	void *ctx;
	enum mtls_log_level level;
} state = { .sink = write_stderr, .level = MTLS_LOG_INFO };

static _Thread_local char prefix[64];

void mtls_log_set_sink(mtls_log_sink *sink, void *ctx)
{
	state.sink = sink ? sink : write_stderr;
	state.ctx = ctx;
}

void mtls_log_set_level(enum mtls_log_level level)
{
	state.level = level;
}

void mtls_log_set_id(const char *id)
{
	if (!id || mtls_strcopy(prefix, sizeof(prefix), id) < 0)
		prefix[0] = '\0';
}

void mtls_log(enum mtls_log_level level, const char *fmt, ...)
{
	char line[MTLS_LOG_MAX];
	size_t used = 0;
	va_list ap;

	if (level > state.level)
		return;
	if (prefix[0])
		used = (size_t)snprintf(line, sizeof(line), "[%s] ", prefix);
	va_start(ap, fmt);
	if (vsnprintf(line + used, sizeof(line) - used, fmt, ap) < 0)
		line[used] = '\0';
	va_end(ap);
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	state.sink(state.ctx, level, line);
}
