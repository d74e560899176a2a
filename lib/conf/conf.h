/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration by typed tables: one grammar and one set of rules for files (read by libConfuse)
 * and for module arguments (`key=value`). A table says for each key its section, type, range,
 * default, unit and help; the loader fills a struct, the dump and the manual pages come from the
 * same rows.
 *
 * The grammar of a file, UTF-8, at most MTLS_CONF_FILE_MAX bytes:
 *
 *	# a comment, to the end of the line
 *	key = value
 *	key = "a value with any character", or 'one with \ in it'
 *	list = { a, "b", 'c' }
 *	section TITLE { key = value }
 *
 * A value without quotes has letters, digits and _ - . : @ / [ ] ? only. There are no variables, no
 * includes, no `+=`, no line breaks and no escapes in strings but \\ and the quote itself. A key,
 * and a section with one title, may appear once.
 *
 * Any thread; libConfuse has global state, so files are parsed one at a time in a process.
 */
#ifndef MTLS_CONF_CONF_H
#define MTLS_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define MTLS_CONF_FILE_MAX   (256 * 1024) /* bytes of a file */
#define MTLS_CONF_VALUE_MAX  4096         /* bytes of one value */
#define MTLS_CONF_LIST_MAX   64           /* values in a list */
#define MTLS_CONF_TITLE_MAX  64           /* bytes of a section's title */
#define MTLS_CONF_TITLES_MAX 256          /* sections of one kind in a file */

enum mtls_conf_type {
	MTLS_CONF_BOOL,     /* bool: yes no true false on off, or two words */
	MTLS_CONF_U32,      /* uint32_t, from min to max */
	MTLS_CONF_DURATION, /* uint32_t milliseconds, from min to max; "500ms", "5s", "2min" */
	MTLS_CONF_STRING,   /* char * */
	MTLS_CONF_PATH,     /* char *: absolute, no "..", no "//" */
	MTLS_CONF_WORD,     /* an enum of the size of int: one of words */
	MTLS_CONF_STRINGS,  /* char **, NULL-terminated */
	MTLS_CONF_PATHS,    /* char **, NULL-terminated */
};

struct mtls_conf_word {
	const char *word;
	int value;
};

/* One key. Everything is borrowed and constant. */
struct mtls_conf_item {
	const char *key;
	enum mtls_conf_type type;
	size_t offset; /* of the field in the settings (or the section's element) */
	/*
	 * As it would stand in a module argument: lists separated by commas. NULL: the key has no
	 * default; the field stays NULL, 0 or false.
	 */
	const char *def;
	const char *help;
	bool required; /* must be given; for keys without a default */
	uint32_t min;  /* U32, DURATION */
	uint32_t max;
	const struct mtls_conf_word *words; /* WORD, maybe BOOL: ends with { NULL, 0 } */
	/* STRING, STRINGS: a further check of each value, and what it expects, in words. */
	bool (*valid)(const char *value);
	const char *expected;
};

/*
 * A kind of titled section. With element_size 0 its items belong to the settings themselves and
 * only the section whose title the caller chose counts (`service NAME`); the others are checked
 * and dropped. Else each section is one element of an array.
 */
struct mtls_conf_section {
	const char *name;
	const struct mtls_conf_item *items;
	size_t item_count;
	const char *help;
	size_t element_size;
	size_t array_offset; /* of the pointer to the elements in the settings */
	size_t count_offset; /* of their size_t count */
	size_t title_offset; /* of the char * title in the element */
	size_t min_count;    /* sections that must be there */
};

struct mtls_conf_table {
	const char *name; /* the file's usual name, for documents */
	size_t size;      /* of the settings */
	const struct mtls_conf_item *items;
	size_t item_count;
	const struct mtls_conf_section *sections;
	size_t section_count;
};

/* Where settings come from. All borrowed. */
struct mtls_conf_source {
	const char *name;    /* of the file, for messages */
	const uint8_t *data; /* its content; NULL: there is no file, only defaults and arguments */
	size_t len;
	const char *title; /* the chosen section; NULL: none */
	int argc;          /* module arguments, which go last */
	const char *const *argv;
};

/*
 * Fills the zeroed @settings (table->size bytes): defaults, then the file, then the chosen
 * section, then the arguments. Returns 0, -ENOMEM, MTLS_E_BUSY (another thread parses since long),
 * or MTLS_E_CONFIG with @diag "FILE:LINE: found X, expected Y" or "argument 'X': ...". After a
 * failure @settings is zeroed again.
 */
int mtls_conf_parse_buffer(const struct mtls_conf_table *table,
			   const struct mtls_conf_source *source, void *settings,
			   struct mtls_diag *diag);

/*
 * Reads @path, which must be owned by root and writable by nobody else, into @buf. A missing file
 * is an error, or with @optional a success that leaves @buf empty. Returns 1 if there was a file, 0
 * if not, -errno, MTLS_E_UNTRUSTED, MTLS_E_LIMIT.
 */
int mtls_conf_read(const char *path, bool optional, struct mtls_buf *buf, struct mtls_diag *diag);

/* Releases what mtls_conf_parse_buffer() stored in @settings and zeroes it; not @settings itself.
 */
void mtls_conf_release(const struct mtls_conf_table *table, void *settings);

/*
 * Appends every key with its value and where that comes from ("default", "FILE:LINE", "argument"),
 * in the grammar of the file. Returns as mtls_conf_parse_buffer().
 */
int mtls_conf_dump(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
		   struct mtls_buf *out, struct mtls_diag *diag);

/* What a key expects, in words ("a number from 1 to 64"), for messages and documents. */
void mtls_conf_describe(const struct mtls_conf_item *item, char *out, size_t size);

#endif
