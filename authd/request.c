/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transaction. Pure: no descriptor, no clock, no log; single-threaded. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "authd/request.h"
#include "lib/base/str.h"
#include "lib/mapping/account.h"

void request_init(struct request *request, const struct request_env *env, const struct peer *peer,
		  const struct mtls_path *path, const char *audit_id)
{
	*request = (struct request){
		.env = env,
		.peer = peer,
		.path = path,
		.state = REQUEST_NEW,
		.verdict = MTLS_VERDICT_DENIED,
		.reason = MTLS_REASON_INTERNAL,
	};
	(void)mtls_strcopy(request->audit_id, sizeof(request->audit_id), audit_id);
}

void request_done(struct request *request)
{
	mtls_msg_free(request->msg);
	request->msg = NULL;
	mtls_mapper_done(&request->mapper);
}

enum request_step request_deny(struct request *request, enum mtls_reason reason, const char *detail)
{
	request->state = REQUEST_DONE;
	request->verdict = MTLS_VERDICT_DENIED;
	request->reason = reason == MTLS_REASON_ALLOWED ? MTLS_REASON_INTERNAL : reason;
	if (detail)
		(void)mtls_diag_set(&request->detail, 0, "%s", detail);
	return REQUEST_REPLY;
}

static const struct mtls_auth_request *auth_request(const struct request *request)
{
	return &request->msg->u.auth_request;
}

static enum request_step ask(struct request *request, enum request_state state,
			     enum mtls_lookup_kind kind)
{
	request->state = state;
	request->lookup_kind = kind;
	return REQUEST_LOOKUP;
}

static enum mtls_reason ask_gate(const struct request *request, struct mtls_diag *diag)
{
	if (!request->gate.judge)
		return MTLS_REASON_ALLOWED;
	return request->gate.judge(request->gate.ctx, auth_request(request), diag);
}

enum request_step request_begin(struct request *request, struct mtls_msg *msg, int64_t now)
{
	struct mtls_diag diag = { 0 };

	mtls_msg_free(request->msg);
	request->msg = msg;
	if (request->state != REQUEST_NEW || msg->type != MTLS_MSG_AUTH_REQUEST)
		return request_deny(request, MTLS_REASON_BAD_REQUEST, "not an AuthRequest");
	if (auth_request(request)->version != MTLS_PROTOCOL_VERSION)
		return request_deny(request, MTLS_REASON_VERSION, NULL);

	struct role_verdict role = roles_decide(request->peer->transport, request->peer->uid,
						request->path->role, msg->type);
	request->grant = role.grant;
	if (role.grant == ROLE_DENIED)
		return request_deny(request, role.reason, NULL);

	enum mtls_reason reason = ask_gate(request, &diag);
	if (reason != MTLS_REASON_ALLOWED)
		return request_deny(request, reason, diag.text);
	reason = mtls_verify_policy(request->env->anchors, &request->env->bounds, request->path,
				    now, &diag);
	if (reason != MTLS_REASON_ALLOWED)
		return request_deny(request, reason, diag.text[0] ? diag.text : NULL);

	if (mtls_mapper_keys(&request->mapper, request->path->certs[0]) < 0)
		return request_deny(request, MTLS_REASON_INTERNAL, "the certificate gives no keys");
	return ask(request, REQUEST_MAPPING, MTLS_LOOKUP_X509);
}

void request_query(const struct request *request, struct mtls_lookup_query *query)
{
	query->count = 0;
	if (request->state == REQUEST_MAPPING)
		mtls_mapper_query(&request->mapper, query);
	else if (request->state == REQUEST_ACCOUNT)
		(void)mtls_lookup_query_add(query, request->chosen->text,
					    strlen(request->chosen->text));
}

static enum request_step account_wanted(struct request *request,
					const struct mtls_mapper_name *name)
{
	request->chosen = name;
	return ask(request, REQUEST_ACCOUNT, MTLS_LOOKUP_ACCOUNTS);
}

static enum request_step mapped(struct request *request, const struct mtls_lookup_answer *answer)
{
	const struct mtls_mapper_name *name = NULL;

	if (mtls_mapper_add(&request->mapper, answer) < 0)
		return request_deny(request, MTLS_REASON_LOOKUP_FAILED,
				    "service x509 named an account outside the grammar of names");
	enum mtls_reason reason =
		mtls_mapper_decide(&request->mapper, auth_request(request)->account, &name);
	if (reason == MTLS_REASON_CHOOSE) {
		request->state = REQUEST_CHOOSING;
		request->verdict = MTLS_VERDICT_CHOOSE;
		request->reason = MTLS_REASON_CHOOSE;
		return REQUEST_OFFER;
	}
	if (reason != MTLS_REASON_ALLOWED)
		return request_deny(request, reason, NULL);
	return account_wanted(request, name);
}

/* Why the account found may not be entered from here; ALLOWED if nothing speaks against it. */
static enum mtls_reason judge_account(const struct request *request,
				      const struct mtls_lookup_answer *answer)
{
	enum mtls_reason reason =
		mtls_mapping_judge_account(answer, request->chosen->text, request->env->min_uid);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	if (request->grant == ROLE_UNPRIVILEGED && answer->uid != request->peer->uid)
		return MTLS_REASON_ACCOUNT_PEER;
	return MTLS_REASON_ALLOWED;
}

static enum request_step account_found(struct request *request,
				       const struct mtls_lookup_answer *answer)
{
	if (answer->status == MTLS_LOOKUP_NOTFOUND)
		return request_deny(request, MTLS_REASON_ACCOUNT_UNKNOWN, request->chosen->text);
	enum mtls_reason reason = judge_account(request, answer);
	request->has_account = reason != MTLS_REASON_ACCOUNT_UNKNOWN;
	request->uid = answer->uid;
	request->gid = answer->gid;
	if (reason != MTLS_REASON_ALLOWED)
		return request_deny(request, reason, request->chosen->text);

	request->state = REQUEST_DONE;
	request->reason = MTLS_REASON_ALLOWED;
	request->verdict = MTLS_VERDICT_ALLOWED; /* the only place */
	return REQUEST_REPLY;
}

enum request_step request_answer(struct request *request, const struct mtls_lookup_answer *answer)
{
	if (request->state != REQUEST_MAPPING && request->state != REQUEST_ACCOUNT)
		return request_deny(request, MTLS_REASON_INTERNAL, "an answer to no question");
	if (answer->status == MTLS_LOOKUP_TIMEOUT)
		return request_deny(request, MTLS_REASON_LOOKUP_TIMEOUT,
				    mtls_lookup_kind_name(request->lookup_kind));
	if (answer->status == MTLS_LOOKUP_BUSY)
		return request_deny(request, MTLS_REASON_BUSY, "too many lookups wait");
	if (answer->status != MTLS_LOOKUP_FOUND && answer->status != MTLS_LOOKUP_NOTFOUND)
		return request_deny(request, MTLS_REASON_LOOKUP_FAILED,
				    mtls_lookup_kind_name(request->lookup_kind));
	return request->state == REQUEST_MAPPING ? mapped(request, answer)
						 : account_found(request, answer);
}

/* How many names an offer carries: the first ones in byte order. */
static size_t offered(const struct request *request)
{
	size_t count = request->mapper.name_count;
	return count < MTLS_CANDIDATES_MAX ? count : MTLS_CANDIDATES_MAX;
}

enum request_step request_choice(struct request *request, const struct mtls_msg *msg)
{
	if (request->state != REQUEST_CHOOSING || msg->type != MTLS_MSG_AUTH_CHOICE)
		return request_deny(request, MTLS_REASON_BAD_REQUEST, "not an AuthChoice");
	const struct mtls_auth_choice *choice = &msg->u.auth_choice;
	if (memcmp(choice->nonce, auth_request(request)->nonce, MTLS_NONCE_LEN) != 0)
		return request_deny(request, MTLS_REASON_BAD_REQUEST,
				    "the choice carries another nonce than the request");
	request->verdict = MTLS_VERDICT_DENIED;
	request->reason = MTLS_REASON_INTERNAL;
	struct role_verdict role = roles_decide(request->peer->transport, request->peer->uid,
						request->path->role, msg->type);
	if (role.grant != request->grant)
		return request_deny(request, MTLS_REASON_ROLE, NULL);
	for (size_t i = 0; i < offered(request); i++)
		if (mtls_streq(request->mapper.names[i].text, choice->account))
			return account_wanted(request, &request->mapper.names[i]);
	return request_deny(request, MTLS_REASON_BAD_CHOICE, choice->account);
}

static int fill_cert(struct mtls_cert_facts *facts, const struct mtls_cert *cert)
{
	char serial[2 * 20 + 1] = "";
	size_t len = 0;
	const uint8_t *octets = mtls_cert_serial(cert, &len);

	if (len <= 20)
		mtls_hex_encode(octets, len, serial);
	memcpy(facts->sha256, mtls_cert_sha256(cert), sizeof(facts->sha256));
	facts->not_after = mtls_cert_not_after(cert);
	int r = mtls_msg_set_text(&facts->subject, mtls_cert_subject(cert));
	if (r >= 0)
		r = mtls_msg_set_text(&facts->issuer, mtls_cert_issuer(cert));
	if (r >= 0)
		r = mtls_msg_set_text(&facts->serial, serial);
	return r;
}

static int fill_account(const struct request *request, struct mtls_auth_reply *reply)
{
	reply->has_account = true;
	reply->uid = request->uid;
	reply->gid = request->gid;
	int r = mtls_msg_set_text(&reply->account, request->chosen->text);
	if (r >= 0)
		r = mtls_msg_set_text(&reply->rule, mtls_key_kind_name(request->chosen->kind));
	return r;
}

static int fill_candidates(const struct request *request, struct mtls_auth_reply *reply)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < offered(request); i++) {
		r = mtls_msg_set_text(&reply->candidates[i], request->mapper.names[i].text);
		reply->candidate_count = i + 1;
	}
	return r;
}

int request_reply(const struct request *request, struct mtls_msg **ret)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_AUTH_REPLY);
	if (!msg)
		return -ENOMEM;
	struct mtls_auth_reply *reply = &msg->u.auth_reply;
	reply->version = MTLS_PROTOCOL_VERSION;
	reply->verdict = request->verdict;
	reply->reason = request->reason;
	if (request->msg && request->msg->type == MTLS_MSG_AUTH_REQUEST)
		memcpy(reply->nonce, auth_request(request)->nonce, MTLS_NONCE_LEN);
	int r = mtls_msg_set_text(&reply->audit_id, request->audit_id);
	if (r >= 0 && request->verdict == MTLS_VERDICT_ALLOWED)
		r = fill_account(request, reply);
	if (r >= 0 && request->verdict == MTLS_VERDICT_CHOOSE)
		r = fill_candidates(request, reply);
	reply->has_cert = true;
	if (r >= 0)
		r = fill_cert(&reply->cert, request->path->certs[0]);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(msg);
	return 0;
}
