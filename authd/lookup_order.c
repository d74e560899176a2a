/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking service x509 out of an NSS order. Pure. */
#include <config.h>

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "authd/lookup.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define SPACE " \t"

/* The text behind "database:" in the line at @line, or NULL. */
static const char *line_of(const char *line, const char *database)
{
	size_t len = strlen(database);

	line += strspn(line, SPACE);
	if (strncmp(line, database, len) != 0)
		return NULL;
	line += len;
	line += strspn(line, SPACE);
	return *line == ':' ? line + 1 : NULL;
}

static const char *find_line(const char *text, const char *database)
{
	while (text) {
		const char *found = line_of(text, database);
		if (found)
			return found;
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return NULL;
}

int lookup_order_without_x509(const char *nsswitch, const char *database, char *out, size_t size)
{
	const char *p = find_line(nsswitch, database);
	size_t used = 0;
	bool dropping = false, dropped = false;

	if (!p)
		return 0;
	for (;;) {
		p += strspn(p, SPACE);
		size_t len = *p == '[' ? strcspn(p, "]\n") : strcspn(p, SPACE "[#\n");
		if (*p == '[' && p[len] == ']')
			len++;
		if (len == 0)
			break;
		if (*p != '[')
			dropping = len == 4 && strncmp(p, "x509", 4) == 0;
		dropped = dropped || dropping;
		if (!dropping) {
			if (used + len + 2 > size)
				return MTLS_E_LIMIT;
			memcpy(out + used, p, len);
			used += len;
			out[used++] = ' ';
		}
		p += len;
	}
	out[used ? used - 1 : 0] = '\0';
	return dropped ? 1 : 0;
}
