/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text to entries, by libConfuse; the only user of libConfuse. Every key is declared to it as a
 * string, because the same rules of types must hold for module arguments. Its lexer is global, so
 * one mutex serialises all parsing of the process; `current` is what its callbacks work on.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <confuse.h>

#include "lib/base/str.h"
#include "lib/conf/internal.h"

/* A child of fork() in which another thread's parsing stopped for ever must not hang. */
#define LOCK_WAIT_S 5

struct parse {
	const struct mtls_conf_table *table;
	const char *name;
	struct conf_doc *doc;
	struct mtls_diag *diag;
	int err; /* the first failure; its sentence is in diag */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct parse *current; /* guarded by lock */

__attribute__((format(printf, 3, 4))) static void fail(int err, const cfg_t *cfg, const char *fmt,
						       ...)
{
	char text[MTLS_DIAG_MAX];
	va_list ap;

	if (current->err)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	current->err = mtls_diag_set(current->diag, err, "%s:%d: %s", current->name, cfg->line,
				     n < 0 ? "" : text);
}

static const struct mtls_conf_section *section_of(cfg_t *cfg)
{
	const char *title = cfg_title(cfg);

	for (size_t i = 0; title && i < current->table->section_count; i++)
		if (mtls_streq(current->table->sections[i].name, cfg_name(cfg)))
			return &current->table->sections[i];
	return NULL;
}

static const struct mtls_conf_item *items_of(cfg_t *cfg, size_t *ret_count)
{
	const struct mtls_conf_section *section = section_of(cfg);

	*ret_count = section ? section->item_count : current->table->item_count;
	return section ? section->items : current->table->items;
}

static void unknown_key(cfg_t *cfg, const char *key)
{
	_cleanup_buf_ struct mtls_buf known = MTLS_BUF(MTLS_DIAG_MAX);
	size_t count;
	const struct mtls_conf_item *items = items_of(cfg, &count);

	for (size_t i = 0; i < count; i++)
		(void)mtls_buf_printf(&known, " %s", items[i].key);
	for (size_t i = 0; !section_of(cfg) && i < current->table->section_count; i++)
		(void)mtls_buf_printf(&known, " %s", current->table->sections[i].name);
	const char *list = mtls_buf_cstr(&known);
	fail(MTLS_E_CONFIG, cfg, "found '%.64s', expected one of:%s", key,
	     list ? list : " the known keys");
}

/*
 * libConfuse's errors in our words. A text that is not in the table (a translated one, or of
 * another version) is passed on as it is. Never to standard error.
 */
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	/* clang-format off */
	static const struct { const char *theirs, *before, *after; } words[] = {
		{ "unexpected token '%s'", "found '", "', expected 'key = value', a list or a section" },
		{ "missing equal sign after option '%s'", "found no '=' behind '", "', expected 'key = value'" },
		{ "found duplicate title '%s'", "found a second section '", "', expected each title once" },
		{ "missing title for section '%s'", "found no title behind '", "', expected a word" },
		{ "missing opening brace for section '%s'", "found no '{' behind the title of '", "', expected '{'" },
	};
	/* clang-format on */
	va_list args;
	char text[256];

	va_copy(args, ap);
	if (mtls_streq(fmt, "no such option '%s'")) {
		unknown_key(cfg, va_arg(args, const char *));
		va_end(args);
		return;
	}
	for (size_t i = 0; i < MTLS_COUNT(words); i++)
		if (mtls_streq(fmt, words[i].theirs))
			fail(MTLS_E_CONFIG, cfg, "%s%.64s%s", words[i].before,
			     va_arg(args, const char *), words[i].after);
	va_end(args);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
#pragma GCC diagnostic pop
	fail(MTLS_E_CONFIG, cfg, "found %s, expected a correct file", text);
}

static struct conf_entry *entry_for(cfg_t *cfg, const cfg_opt_t *opt,
				    const struct mtls_conf_item *item)
{
	const struct mtls_conf_section *section = section_of(cfg);
	const char *title = cfg_title(cfg);
	/* Also found for the second and later values of one list. */
	struct conf_entry *entry = conf_doc_find(current->doc, section, title, item);
	bool first_value = opt->nvalues <= 1;

	if (!entry) {
		struct conf_entry *added =
			conf_doc_add(current->doc, section, title, item, (unsigned int)cfg->line);
		if (!added)
			fail(-ENOMEM, cfg, "out of memory");
		return added;
	}
	if (first_value) {
		fail(MTLS_E_CONFIG, cfg, "found '%s' again (first on line %u), expected it once",
		     item->key, entry->line);
		return NULL;
	}
	return entry;
}

/* Called by libConfuse for each value. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct mtls_conf_item *item = NULL;
	size_t count;
	const struct mtls_conf_item *items = items_of(cfg, &count);

	for (size_t i = 0; i < count; i++)
		if (mtls_streq(items[i].key, opt->name))
			item = &items[i];
	if (!item) {
		unknown_key(cfg, opt->name);
		return -1;
	}
	struct conf_entry *entry = entry_for(cfg, opt, item);
	if (!entry)
		return -1;
	if (mtls_strv_count(entry->values) >= MTLS_CONF_LIST_MAX) {
		fail(MTLS_E_CONFIG, cfg, "found a longer list for '%s', expected at most %d values",
		     item->key, MTLS_CONF_LIST_MAX);
		return -1;
	}
	if (mtls_strv_add(&entry->values, value) < 0) {
		fail(-ENOMEM, cfg, "out of memory");
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

static void declare(cfg_opt_t *opts, const struct mtls_conf_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		cfg_flag_t flags = CFGF_NODEFAULT;
		if (conf_is_list(items[i].type))
			flags |= CFGF_LIST;
		opts[i] = (cfg_opt_t)CFG_STR_CB(items[i].key, NULL, flags, on_value);
	}
	opts[count] = (cfg_opt_t)CFG_END();
}

/* libConfuse copies declarations, so they are needed during this call only. */
static cfg_t *make_parser(const struct mtls_conf_table *table)
{
	size_t total = table->item_count + table->section_count + 1;
	for (size_t i = 0; i < table->section_count; i++)
		total += table->sections[i].item_count + 1;
	_cleanup_free_ cfg_opt_t *opts = calloc(total, sizeof(*opts));
	if (!opts)
		return NULL;

	cfg_opt_t *next = opts + table->item_count + table->section_count + 1;
	declare(opts, table->items, table->item_count);
	for (size_t i = 0; i < table->section_count; i++) {
		const struct mtls_conf_section *section = &table->sections[i];
		declare(next, section->items, section->item_count);
		opts[table->item_count + i] = (cfg_opt_t)CFG_SEC(
			section->name, next, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
		next += section->item_count + 1;
	}
	opts[table->item_count + table->section_count] = (cfg_opt_t)CFG_END();
	return cfg_init(opts, CFGF_NONE);
}

static bool title_valid(const char *title)
{
	size_t len = strspn(title, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_.-@");
	return len > 0 && len <= MTLS_CONF_TITLE_MAX && !title[len];
}

static int add_title(const struct mtls_conf_section *section, cfg_t *cfg)
{
	struct conf_doc *doc = current->doc;
	const char *title = cfg_title(cfg);

	if (!title || !title_valid(title)) {
		fail(MTLS_E_CONFIG, cfg,
		     "found the title '%.80s', expected 1 to %d letters, digits or _ . - @",
		     title ? title : "", MTLS_CONF_TITLE_MAX);
		return -1;
	}
	struct conf_title *grown = reallocarray(doc->titles, doc->title_count + 1, sizeof(*grown));
	if (grown)
		doc->titles = grown;
	char *copy = grown ? strdup(title) : NULL;
	if (!copy) {
		fail(-ENOMEM, cfg, "out of memory");
		return -1;
	}
	grown[doc->title_count++] = (struct conf_title){ .section = section, .title = copy };
	return 0;
}

static void collect_titles(cfg_t *cfg)
{
	for (size_t i = 0; i < current->table->section_count; i++) {
		const struct mtls_conf_section *section = &current->table->sections[i];
		unsigned int count = cfg_size(cfg, section->name);
		if (count > MTLS_CONF_TITLES_MAX) {
			fail(MTLS_E_CONFIG, cfg, "found %u sections '%s', expected at most %d",
			     count, section->name, MTLS_CONF_TITLES_MAX);
			return;
		}
		for (unsigned int j = 0; j < count; j++)
			if (add_title(section, cfg_getnsec(cfg, section->name, j)) < 0)
				return;
	}
}

static int parse_locked(const char *text)
{
	cfg_t *cfg = make_parser(current->table);
	if (!cfg)
		return mtls_diag_set(current->diag, -ENOMEM, "out of memory");
	(void)cfg_set_error_function(cfg, on_error);
	int rc = cfg_parse_buf(cfg, text);
	if (rc == CFG_SUCCESS && !current->err)
		collect_titles(cfg);
	/* What fails without a word is a failed allocation. */
	if (rc != CFG_SUCCESS && !current->err)
		fail(-ENOMEM, cfg, "out of memory");
	(void)cfg_free(cfg);
	return current->err;
}

int conf_parse_text(const struct mtls_conf_table *table, const char *name, const char *text,
		    struct conf_doc *doc, struct mtls_diag *diag)
{
	struct parse parse = { .table = table, .name = name, .doc = doc, .diag = diag };
	struct timespec until;

	if (clock_gettime(CLOCK_MONOTONIC, &until) < 0)
		return mtls_diag_set(diag, -errno, "%s: no clock", name);
	until.tv_sec += LOCK_WAIT_S;
	if (pthread_mutex_clocklock(&lock, CLOCK_MONOTONIC, &until) != 0)
		return mtls_diag_set(diag, MTLS_E_BUSY,
				     "%s: another thread is reading its configuration", name);
	current = &parse;
	int r = parse_locked(text);
	current = NULL;
	(void)pthread_mutex_unlock(&lock);
	return r;
}
