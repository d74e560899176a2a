/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Service files of Linux-PAM (/etc/pam.d): read without loss, understood or not, and changed by
 * marked blocks that can be taken out again. Pure: texts in, texts out.
 *
 * The reader takes less than libpam does: what libpam would read in a surprising way (a comment
 * behind a continued line, which swallows the line after it; a line of over 1024 bytes, which ends
 * the file) is an error here, because a file that is misread must not be changed.
 */
#ifndef MTLS_PAMSTACK_H
#define MTLS_PAMSTACK_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define MTLS_STACK_FILE_MAX    (64 * 1024)
#define MTLS_STACK_LINES_MAX   1024
#define MTLS_STACK_LINE_MAX    1000 /* bytes, with its continuations; libpam 1.5 has 1024 */
#define MTLS_STACK_WORDS_MAX   128
#define MTLS_STACK_DEPTH_MAX   8  /* files that include files */
#define MTLS_STACK_FILES_MAX   64 /* that one line brings */
#define MTLS_STACK_SERVICE_MAX 64

#define MTLS_STACK_MODULE "pam_mtls.so"

enum mtls_stack_type {
	MTLS_STACK_AUTH,
	MTLS_STACK_ACCOUNT,
	MTLS_STACK_PASSWORD,
	MTLS_STACK_SESSION,
	MTLS_STACK_TYPES,
};

enum mtls_stack_kind {
	MTLS_STACK_EMPTY,      /* blank, or a comment */
	MTLS_STACK_CALL,       /* a module */
	MTLS_STACK_INCLUDE,    /* "auth include FILE": its lines of this type */
	MTLS_STACK_SUBSTACK,   /* "auth substack FILE": likewise, a stack of its own */
	MTLS_STACK_AT_INCLUDE, /* "@include FILE": its lines of all types */
};

/* One line with those that continue it. */
struct mtls_stack_line {
	size_t start, len;   /* its bytes in the text, newlines and all */
	unsigned int number; /* of its first line, from 1 */
	enum mtls_stack_kind kind;
	enum mtls_stack_type type; /* but for EMPTY and AT_INCLUDE */
	const char *control;       /* CALL: "required", or "[...]" with the brackets; borrowed */
	const char *target;        /* the module or file; borrowed. NULL for EMPTY */
	char **words;              /* owned; all words, those in brackets without them */
	char *const *args;         /* CALL: the module's arguments; borrowed, ends with NULL */
};

struct mtls_stack {
	char *text; /* owned, NUL-terminated */
	size_t len;
	struct mtls_stack_line *lines; /* owned */
	size_t count;
};

void mtls_stack_free(struct mtls_stack *stack);
MTLS_DEFINE_CLEANUP(struct mtls_stack *, mtls_stack_free)

/* Reads a whole file. @ret on success only. 0, -ENOMEM, MTLS_E_LIMIT, MTLS_E_SYNTAX with the line.
 */
int mtls_stack_parse(const void *text, size_t len, struct mtls_stack **ret, struct mtls_diag *diag);

/* True for [a-z0-9._-], not with '.' first: libpam lowers what programs ask for. */
bool mtls_stack_service_valid(const char *service);

/* True if @target, a path or a name, is the module @name. */
bool mtls_stack_is_module(const char *target, const char *name);

const char *mtls_stack_type_name(enum mtls_stack_type type);

/* How far a result of this line jumps: the greatest number in its brackets; 0 for none. */
unsigned int mtls_stack_jump(const struct mtls_stack_line *line);

/* True if a result of this line can end the stack as a success. */
bool mtls_stack_may_admit(const struct mtls_stack_line *line);

/* --- what is generated --- */

enum mtls_stack_mode {
	/* certificate-or-password: a certificate is enough, all else goes on as before */
	MTLS_STACK_SUFFICIENT,
	/* certificate-only with root console rescue: a certificate; for root at a console also the
	   password, and rescue codes where pam_mtls_rescue has them */
	MTLS_STACK_REQUIRED,
	MTLS_STACK_MODES,
};

/* "sufficient", "required"; and the names above. */
const char *mtls_stack_mode_name(enum mtls_stack_mode mode);
const char *mtls_stack_mode_kind(enum mtls_stack_mode mode);

/* Gives another file of the folder. 0, -ENOMEM, or an error with @diag. */
typedef int mtls_stack_load_fn(void *ctx, const char *name, struct mtls_stack **ret,
			       struct mtls_diag *diag);

#define MTLS_STACK_NOWHERE ((size_t)-1)

/* Where the blocks go: before these lines. */
struct mtls_stack_plan {
	enum mtls_stack_mode mode;
	size_t at[MTLS_STACK_TYPES]; /* MTLS_STACK_NOWHERE: none of this type */
	size_t skipped;              /* a line of auth behind the password, 0: none */
	/*
	 * The service, where its people shall be asked for rescue codes too; the caller sets it,
	 * borrowed. NULL: pam_mtls_rescue is left out, because codes that do not exist are no way.
	 */
	const char *rescue;
};

/* The lines of one type, without marks; @absent: with modules that are not there, for trials. */
int mtls_stack_lines(const struct mtls_stack_plan *plan, enum mtls_stack_type type, bool absent,
		     struct mtls_buf *out);

/*
 * Whether the stack is of a shape that we know: exactly where a password is asked for, and that
 * lines above that place change nothing of what stands there. 0, -ENOMEM, MTLS_E_EXISTS (pam_mtls
 * is there already), MTLS_E_UNSUPPORTED; @diag says why not, in a sentence for the administrator.
 */
int mtls_stack_understand(const struct mtls_stack *stack, enum mtls_stack_mode mode,
			  mtls_stack_load_fn *load, void *ctx, struct mtls_stack_plan *ret,
			  struct mtls_diag *diag);

/* The whole text with the blocks in their places. 0, -ENOMEM, MTLS_E_LIMIT. */
int mtls_stack_compose(const struct mtls_stack *stack, const struct mtls_stack_plan *plan,
		       bool absent, struct mtls_buf *out);

/* True if there is a mark of ours, whole or not. */
bool mtls_stack_marked(const struct mtls_stack *stack);

/*
 * The text without our blocks; all other bytes stay. 0, -ENOMEM, MTLS_E_NOTFOUND (no marks), or
 * MTLS_E_CORRUPT: a mark has no partner, or somebody else's line stands between two; @diag names
 * it.
 */
int mtls_stack_strip(const struct mtls_stack *stack, struct mtls_buf *out, struct mtls_diag *diag);

/*
 * What has to be said to do it by hand: the lines and where they go, as far as it is known. For
 * stacks that are not understood, and @stack may be NULL.
 */
int mtls_stack_advice(const struct mtls_stack *stack, enum mtls_stack_mode mode,
		      struct mtls_buf *out);

#endif
