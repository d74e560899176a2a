/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One transaction from request to verdict: role, policy, mapping, account. Knows no socket and no
 * clock: messages and lookup answers are handed in, the next step comes out. The result starts as
 * denied; one line in request.c sets it to allowed.
 */
#ifndef AUTHD_REQUEST_H
#define AUTHD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "authd/peer.h"
#include "authd/roles.h"
#include "lib/base/err.h"
#include "lib/mapping/mapper.h"
#include "lib/mapping/query.h"
#include "lib/verify/verify.h"
#include "lib/wire/msg.h"

#define AUDIT_ID_MAX 64

/* What all transactions share; borrowed, constant. */
struct request_env {
	const struct mtls_anchors *anchors;
	struct mtls_verify_bounds bounds;
	uint32_t min_uid;
};

enum request_state {
	REQUEST_NEW = 0,
	REQUEST_MAPPING,  /* waits for the answer of kind x509 */
	REQUEST_CHOOSING, /* waits for an AuthChoice */
	REQUEST_ACCOUNT,  /* waits for the answer of kind accounts */
	REQUEST_DONE,
};

/* What the caller does next. */
enum request_step {
	REQUEST_LOOKUP, /* send request_query() to a lookup of request->lookup_kind */
	REQUEST_OFFER,  /* send request_reply(), then wait for an AuthChoice */
	REQUEST_REPLY,  /* send request_reply(): the verdict */
};

/* Whether there is room and patience for a request; asked before anything costly. */
struct request_gate {
	/* ALLOWED, or why not, with @detail for the record. */
	enum mtls_reason (*judge)(void *ctx, const struct mtls_auth_request *request,
				  struct mtls_diag *detail);
	void *ctx;
};

struct request {
	struct request_gate gate;      /* of the caller; judge NULL: everybody may */
	const struct request_env *env; /* borrowed, as are peer and path */
	const struct peer *peer;
	const struct mtls_path *path; /* the verified path */
	char audit_id[AUDIT_ID_MAX + 1];

	enum request_state state;
	struct mtls_msg *msg; /* owned: the AuthRequest */
	enum role_grant grant;
	struct mtls_mapper mapper;
	const struct mtls_mapper_name *chosen; /* in mapper */
	enum mtls_lookup_kind lookup_kind;

	enum mtls_verdict verdict;
	enum mtls_reason reason;
	struct mtls_diag detail; /* for the record, not for the person */
	bool has_account;        /* the account was found; uid and gid are set */
	uint32_t uid;
	uint32_t gid;
};

/* @request is zeroed by the caller. Reason INTERNAL until something is known. */
void request_init(struct request *request, const struct request_env *env, const struct peer *peer,
		  const struct mtls_path *path, const char *audit_id);
void request_done(struct request *request);

/* Takes @msg, the first message. @now: seconds since 1970. */
enum request_step request_begin(struct request *request, struct mtls_msg *msg, int64_t now);

/* The question for the lookup process; only after REQUEST_LOOKUP. */
void request_query(const struct request *request, struct mtls_lookup_query *query);

/* The answer, or MTLS_LOOKUP_FAILED/MTLS_LOOKUP_TIMEOUT in answer->status. */
enum request_step request_answer(struct request *request, const struct mtls_lookup_answer *answer);

/* The message after an offer; not taken. */
enum request_step request_choice(struct request *request, const struct mtls_msg *msg);

/* Ends the transaction as refused for @reason, with @detail for the record (NULL: none). */
enum request_step request_deny(struct request *request, enum mtls_reason reason,
			       const char *detail);

/* The reply as it stands: offer or verdict. 0 or -ENOMEM; *@ret is the caller's. */
int request_reply(const struct request *request, struct mtls_msg **ret);

#endif
