/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One logger with a replaceable sink. Libraries do not log (debug level excepted); programs log
 * once, where the decision is made. Text from outside is quoted by the caller as '%s'; control
 * characters in the finished line become '?', so no record can be forged.
 */
#ifndef MTLS_BASE_LOG_H
#define MTLS_BASE_LOG_H

/* The values are those of syslog(3). */
enum mtls_log_level {
	MTLS_LOG_ERROR = 3,
	MTLS_LOG_WARNING = 4,
	MTLS_LOG_NOTICE = 5,
	MTLS_LOG_INFO = 6,
	MTLS_LOG_DEBUG = 7,
};

#define MTLS_LOG_MAX 2048 /* bytes of one line; longer ones are cut */

typedef void mtls_log_sink(void *ctx, enum mtls_log_level level, const char *line);

/* NULL restores the default, which writes to standard error. Not thread-safe: set it at start. */
void mtls_log_set_sink(mtls_log_sink *sink, void *ctx);

/* Lines above @level are dropped. The default is MTLS_LOG_INFO. */
void mtls_log_set_level(enum mtls_log_level level);

/* A prefix such as a request id for all lines until the next call; NULL or "" for none. Per thread.
 */
void mtls_log_set_id(const char *id);

void mtls_log(enum mtls_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
