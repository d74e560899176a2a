/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * free() and realloc() of the signers, for all libraries and modules in them: what is given back is
 * cleared. Everybody who sees a PIN or passphrase (GnuTLS, libunistring, PKCS#11 modules) makes
 * copies, and not all of them clear theirs; tests/e2e/pin_memory.py found them. Memory still comes
 * from the C library. Any thread.
 */
#include <config.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void __libc_free(void *ptr);

/* Libraries find these before the C library's. */
#define FOR_ALL __attribute__((visibility("default")))

FOR_ALL void free(void *ptr)
{
	if (!ptr)
		return;
	explicit_bzero(ptr, malloc_usable_size(ptr));
	__libc_free(ptr);
}

/* Never moved by the C library, which would leave the old content where it was. */
FOR_ALL void *realloc(void *ptr, size_t size)
{
	if (!ptr)
		return malloc(size);
	if (size == 0) {
		free(ptr);
		return NULL;
	}
	size_t had = malloc_usable_size(ptr);
	if (size <= had)
		return ptr;
	void *more = malloc(size);
	if (!more)
		return NULL;
	memcpy(more, ptr, had);
	free(ptr);
	return more;
}
