/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ownership on the line of declaration:
 *
 *	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
 *	...
 *	*ret_msg = MTLS_TAKE(msg);
 */
#ifndef MTLS_BASE_CLEANUP_H
#define MTLS_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(func) __attribute__((cleanup(func)))

/* The value of pointer variable @p; the variable becomes NULL. */
#define MTLS_TAKE(p)                                                                               \
	({                                                                                         \
		__typeof__(p) p_ = (p);                                                            \
		(p) = NULL;                                                                        \
		p_;                                                                                \
	})

/* Defines FUNCp(), for _cleanup_, from a destructor FUNC(type). */
#define MTLS_DEFINE_CLEANUP(type, func)                                                            \
	static inline void func##p(type *p)                                                        \
	{                                                                                          \
		if (*p)                                                                            \
			func(*p);                                                                  \
	}

static inline void mtls_freep(void *p)
{
	free(*(void **)p);
}

static inline void mtls_closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void mtls_fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

#define _cleanup_free_   _cleanup_(mtls_freep)
#define _cleanup_close_  _cleanup_(mtls_closep)
#define _cleanup_fclose_ _cleanup_(mtls_fclosep)

/* The descriptor in @fd (an int variable), which becomes -1. */
#define MTLS_TAKE_FD(fd)                                                                           \
	({                                                                                         \
		int fd_ = (fd);                                                                    \
		(fd) = -1;                                                                         \
		fd_;                                                                               \
	})

#define MTLS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
