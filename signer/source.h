/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where keys come from: one `const struct source_ops` a file; each signer program lists its own
 * (program.h). A source is opened after the sandbox is on.
 */
#ifndef MTLS_SIGNER_SOURCE_H
#define MTLS_SIGNER_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/wire/msg.h"
#include "signer/sandbox.h"

#define SOURCE_DETAIL_MAX 512 /* bytes of detail in an end mark */
#define SOURCE_PATHS_MAX  32

struct source_path {
	const char *path; /* borrowed: argv */
	bool folder;
};

#define SOURCE_TEXTS_MAX 32

/* Borrowed: argv. */
struct source_texts {
	const char *text[SOURCE_TEXTS_MAX];
	size_t count;
};

/* What the command line said. */
struct source_args {
	struct source_path paths[SOURCE_PATHS_MAX];
	size_t path_count;
	const char *certs; /* borrowed: the administrator's folder of certificates; NULL: none */
	struct source_texts modules;     /* absolute paths of PKCS#11 modules */
	struct source_texts environment; /* NAME=VALUE, for modules */
	struct source_texts uris;        /* RFC 7512: which tokens and objects count; none: all */
	const char *socket; /* borrowed: of an agent, or an address of p11-kit; NULL: none */
	uid_t certs_owner;  /* who may own it and its files, besides root */
	uid_t owner;        /* whose files are read, besides root's */
	gid_t group;        /* whose members may read root's key files */
	int64_t now;        /* seconds since 1970: expired credentials are listed last */
};

/*
 * Takes one credential of a list. Everything in @credential is borrowed for the call. 0, or an
 * error that ends the list.
 */
typedef int source_emit(void *ctx, const struct mtls_signer_credential *credential);

struct source_ops {
	const char *name;
	enum sandbox_profile sandbox; /* what it needs; it is opened behind it */
	/* What the command line lacks, as a sentence; NULL: nothing. */
	const char *(*missing)(const struct source_args *args);
	int (*open)(const struct source_args *args, void **ret, struct mtls_diag *diag);
	void (*close)(void *source);
	/*
	 * Emits all credentials, with the same ids each time. @ret_reason is for the end mark
	 * (ALLOWED when something was emitted); @detail gets what was skipped and why.
	 */
	int (*list)(void *source, source_emit *emit, void *emit_ctx, enum mtls_reason *ret_reason,
		    struct mtls_buf *detail);
	/* One try. @ret is complete in every case. */
	void (*unlock)(void *source, const struct mtls_signer_unlock *unlock,
		       struct mtls_signer_unlocked *ret);
	/* ret->signature is set with ALLOWED only, and the caller's. */
	void (*sign)(void *source, const struct mtls_signer_sign *sign,
		     struct mtls_signer_signature *ret);
};

extern const struct source_ops source_file_ops;
extern const struct source_ops source_agent_ops;
extern const struct source_ops source_pkcs11_ops;
extern const struct source_ops source_p11kit_ops;

/* Whether @name, of no hidden file, ends in one of these; NULL behind the last. */
bool source_has_suffix(const char *name, const char *const *suffixes);

/* Whether a file of this name may hold certificates alone. */
bool source_is_certificate(const char *name);

/*
 * Appends @text to @out as it may appear in a message: bytes that are not printable UTF-8 become
 * '?', and what goes beyond out->max is cut.
 */
void source_append_text(struct mtls_buf *out, const char *text);

#endif
