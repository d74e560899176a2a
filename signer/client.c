/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host program's side of the signer protocol. The signer runs under the person's uid, so
 * everything it says is outside data: one deadline a call, one answer a question, and after the
 * first surprise nothing is read any more. Owns the socket and the list; one thread.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/cleanup.h"
#include "lib/base/stream.h"
#include "lib/wire/frame.h"
#include "signer/client.h"

#define READ_CHUNK 4096

struct signer_client {
	int fd;
	bool broken;                     /* the stream is of no further use */
	signer_client_notice_fn *notice; /* NULL: nobody wants to know */
	void *notice_ctx;
	mtls_deadline notice_at;
	struct mtls_frame frame;
	struct mtls_msg *credentials[MTLS_CREDENTIALS_MAX]; /* owned */
	size_t count;
};

/* A list as it arrives, before it is believed. */
struct listing {
	struct mtls_msg *credentials[MTLS_CREDENTIALS_MAX]; /* owned */
	size_t count;
};

static void listing_done(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		mtls_msg_free(listing->credentials[i]);
	listing->count = 0;
}

struct signer_client *signer_client_new(int fd)
{
	struct signer_client *client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->fd = fd;
	mtls_frame_init(&client->frame, true);
	return client;
}

/* Every failure of the stream ends here: it is given a reason, and the stream is given up. */
static enum mtls_reason give_up(struct signer_client *client, int err, struct mtls_diag *diag,
				const char *what)
{
	struct mtls_diag inner = { 0 };

	client->broken = true;
	if (diag)
		inner = *diag;
	(void)mtls_diag_set(diag, err, "mtls-signer: %s: %.400s", what,
			    mtls_diag_text(&inner, err));
	return err == -ETIMEDOUT ? MTLS_REASON_SIGNER_TIMEOUT : MTLS_REASON_SIGNER_FAILED;
}

static int send_msg(struct signer_client *client, const struct mtls_msg *msg,
		    mtls_deadline deadline, struct mtls_diag *diag)
{
	_cleanup_free_ uint8_t *der = NULL;
	size_t len = 0;
	if (client->broken)
		return mtls_diag_set(diag, MTLS_E_CLOSED, "it failed before");
	/* An answer that nobody asked for could be taken for the answer to this. */
	if (mtls_frame_pending(&client->frame))
		return mtls_diag_set(diag, MTLS_E_PROTOCOL, "it spoke without being asked");
	int r = mtls_msg_encode(msg, &der, &len, diag);
	if (r < 0)
		return r;
	r = mtls_stream_send(client->fd, der, len, deadline);
	explicit_bzero(der, len);
	return r;
}

/* Waits for bytes; says so, once, where that takes long. */
static int wait_answer(struct signer_client *client, mtls_deadline deadline)
{
	if (client->notice) {
		int r = mtls_wait_fd(client->fd, POLLIN,
				     mtls_deadline_min(deadline, client->notice_at));
		if (r != -ETIMEDOUT || mtls_deadline_left_ms(deadline) == 0)
			return r;
		signer_client_notice_fn *notice = MTLS_TAKE(client->notice);
		notice(client->notice_ctx);
	}
	return mtls_wait_fd(client->fd, POLLIN, deadline);
}

/* Waits for bytes and hands them to the frame. */
static int receive(struct signer_client *client, mtls_deadline deadline)
{
	uint8_t chunk[READ_CHUNK];
	int r = wait_answer(client, deadline);
	if (r < 0)
		return r;
	ssize_t n = recv(client->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return MTLS_E_CLOSED;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return mtls_frame_push(&client->frame, chunk, (size_t)n);
}

/* The next message, which must be one of @types (MTLS_EXPECT). */
static int receive_msg(struct signer_client *client, uint64_t types, mtls_deadline deadline,
		       struct mtls_msg **ret_msg, struct mtls_diag *diag)
{
	mtls_frame_expect(&client->frame, types);
	for (;;) {
		int r = mtls_frame_next(&client->frame, ret_msg, diag);
		if (r != 0)
			return r < 0 ? r : 0;
		/* Also a signer that sends without end is over at the deadline. */
		r = mtls_deadline_left_ms(deadline) > 0 ? receive(client, deadline) : -ETIMEDOUT;
		if (r < 0)
			return r;
	}
}

/* Only these make sense from a signer; another one would be shown to the person as the truth. */
static bool reason_fits(enum mtls_reason reason)
{
	static const enum mtls_reason known[] = {
		MTLS_REASON_ALLOWED,          MTLS_REASON_SECRET_WRONG,  MTLS_REASON_SECRET_EMPTY,
		MTLS_REASON_KEY_UNUSABLE,     MTLS_REASON_NO_CREDENTIAL, MTLS_REASON_BAD_REQUEST,
		MTLS_REASON_SIGNER_FAILED,    MTLS_REASON_NO_TOKEN,      MTLS_REASON_TOKEN_GONE,
		MTLS_REASON_PIN_WRONG,        MTLS_REASON_PIN_LOCKED,    MTLS_REASON_READER_REFUSED,
		MTLS_REASON_MODULE_FAILED,    MTLS_REASON_AGENT_MISSING, MTLS_REASON_AGENT_REFUSED,
		MTLS_REASON_SOCKET_UNTRUSTED,
	};
	for (size_t i = 0; i < MTLS_COUNT(known); i++)
		if (known[i] == reason)
			return true;
	return false;
}

/* A well-formed refusal: the stream stays usable. */
static enum mtls_reason refused(struct signer_client *client, enum mtls_reason reason,
				struct mtls_diag *diag)
{
	if (!reason_fits(reason))
		return give_up(client, MTLS_E_PROTOCOL, diag, "unexpected reason");
	(void)mtls_diag_set(diag, 0, "%s", ""); /* the reason says it all */
	return reason;
}

/* The bounds of one credential that reach beyond its own message. */
static bool credential_fits(const struct listing *listing, const struct mtls_signer_credential *new)
{
	size_t total = 0;

	if (listing->count >= MTLS_CREDENTIALS_MAX)
		return false;
	if (new->chain_count > MTLS_CHAIN_MAX || (new->chain_count == 0 && !new->needs_secret))
		return false;
	for (size_t i = 0; i < new->chain_count; i++) {
		if (new->chain[i].len == 0 || new->chain[i].len > MTLS_CERT_MAX)
			return false;
		total += new->chain[i].len;
	}
	for (size_t i = 0; i < listing->count; i++)
		if (listing->credentials[i]->u.signer_credential.id == new->id)
			return false;
	return total <= MTLS_CHAIN_BYTES_MAX;
}

/* Asks for a list and reads it to its end mark. *@ret_end is set on success. */
static int read_list(struct signer_client *client, mtls_deadline deadline, struct listing *listing,
		     struct mtls_msg **ret_end, struct mtls_diag *diag)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = mtls_msg_new(MTLS_MSG_SIGNER_LIST);
	if (!request)
		return -ENOMEM;
	request->u.signer_list.version = MTLS_PROTOCOL_VERSION;
	int r = send_msg(client, request, deadline, diag);
	while (r >= 0) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
		r = receive_msg(client, MTLS_EXPECT(SIGNER_CREDENTIAL) | MTLS_EXPECT(SIGNER_END),
				deadline, &msg, diag);
		if (r < 0)
			return r;
		if (msg->type == MTLS_MSG_SIGNER_END) {
			*ret_end = MTLS_TAKE(msg);
			return 0;
		}
		if (!credential_fits(listing, &msg->u.signer_credential))
			return mtls_diag_set(diag, MTLS_E_LIMIT, "a credential is over the bounds");
		listing->credentials[listing->count++] = MTLS_TAKE(msg);
	}
	return r;
}

static void forget(struct signer_client *client)
{
	for (size_t i = 0; i < client->count; i++)
		mtls_msg_free(client->credentials[i]);
	client->count = 0;
}

enum mtls_reason signer_client_list(struct signer_client *client, uint32_t timeout_ms,
				    struct mtls_diag *diag)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	_cleanup_(listing_done) struct listing listing = { 0 };
	struct mtls_diag own = { 0 };

	if (!diag)
		diag = &own;
	int r = read_list(client, mtls_deadline_in_ms(timeout_ms), &listing, &end, diag);
	if (r < 0)
		return give_up(client, r, diag, "list");
	forget(client);
	const struct mtls_signer_end *u = &end->u.signer_end;
	if (u->reason != MTLS_REASON_ALLOWED) {
		enum mtls_reason reason = refused(client, u->reason, diag);
		if (u->detail && !client->broken)
			(void)mtls_diag_set(diag, 0, "%s", u->detail);
		return reason;
	}
	(void)mtls_diag_set(diag, 0, "%s", u->detail ? u->detail : "");
	memcpy(client->credentials, listing.credentials, sizeof(client->credentials));
	client->count = listing.count;
	listing.count = 0;
	return MTLS_REASON_ALLOWED;
}

size_t signer_client_count(const struct signer_client *client)
{
	return client->count;
}

const struct mtls_signer_credential *signer_client_credential(const struct signer_client *client,
							      size_t index)
{
	return index < client->count ? &client->credentials[index]->u.signer_credential : NULL;
}

static struct mtls_msg *find(struct mtls_msg *const *credentials, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++)
		if (credentials[i]->u.signer_credential.id == id)
			return credentials[i];
	return NULL;
}

/*
 * Lists anew and takes over the one credential that was unlocked. The message's content is
 * exchanged, not the message: callers hold pointers to it.
 */
static int refresh(struct signer_client *client, struct mtls_msg *old, mtls_deadline deadline,
		   struct mtls_diag *diag)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	_cleanup_(listing_done) struct listing listing = { 0 };
	int r = read_list(client, deadline, &listing, &end, diag);
	if (r < 0)
		return r;
	struct mtls_msg *new =
		find(listing.credentials, listing.count, old->u.signer_credential.id);
	if (!new || new->u.signer_credential.chain_count == 0)
		return mtls_diag_set(diag, MTLS_E_PROTOCOL, "%s",
				     end->u.signer_end.detail ? end->u.signer_end.detail
							      : "no certificate after unlocking");
	struct mtls_msg swap = *old;
	*old = *new;
	*new = swap;
	return 0;
}

/* One question, one answer of type @answer. */
static int ask(struct signer_client *client, const struct mtls_msg *request, uint64_t answer,
	       mtls_deadline deadline, struct mtls_msg **ret_msg, struct mtls_diag *diag)
{
	if (!request)
		return -ENOMEM;
	int r = send_msg(client, request, deadline, diag);
	return r < 0 ? r : receive_msg(client, answer, deadline, ret_msg, diag);
}

/* Which file it was and why stands in the end mark of a list only. */
static enum mtls_reason unusable(struct signer_client *client, mtls_deadline deadline,
				 struct mtls_diag *diag)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	_cleanup_(listing_done) struct listing listing = { 0 };

	(void)mtls_diag_set(diag, 0, "%s", "");
	int r = read_list(client, deadline, &listing, &end, NULL);
	if (r < 0)
		client->broken = true;
	else if (end->u.signer_end.detail)
		(void)mtls_diag_set(diag, 0, "%s", end->u.signer_end.detail);
	return MTLS_REASON_KEY_UNUSABLE;
}

/* NULL when memory is short. */
static struct mtls_msg *unlock_request(uint32_t id, const uint8_t *secret, size_t len)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = mtls_msg_new(MTLS_MSG_SIGNER_UNLOCK);
	if (!request)
		return NULL;
	request->u.signer_unlock.id = id;
	if (mtls_msg_set_bytes(&request->u.signer_unlock.secret, secret, len) < 0)
		return NULL;
	return MTLS_TAKE(request);
}

static struct mtls_msg *sign_request(uint32_t id, enum mtls_sign_scheme scheme,
				     const uint8_t *content, size_t len)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = mtls_msg_new(MTLS_MSG_SIGNER_SIGN);
	if (!request)
		return NULL;
	request->u.signer_sign.id = id;
	request->u.signer_sign.scheme = scheme;
	if (mtls_msg_set_bytes(&request->u.signer_sign.content, content, len) < 0)
		return NULL;
	return MTLS_TAKE(request);
}

enum mtls_reason signer_client_unlock(struct signer_client *client, uint32_t id,
				      const uint8_t *secret, size_t len, uint32_t timeout_ms,
				      enum mtls_presence *ret_presence, uint32_t *ret_tries,
				      struct mtls_diag *diag)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = NULL;
	_cleanup_(mtls_msg_freep) struct mtls_msg *answer = NULL;
	struct mtls_msg *credential = find(client->credentials, client->count, id);
	mtls_deadline deadline = mtls_deadline_in_ms(timeout_ms);
	struct mtls_diag own = { 0 };

	if (!diag)
		diag = &own;
	*ret_presence = MTLS_PRESENCE_NONE;
	*ret_tries = MTLS_TRIES_UNKNOWN;
	if (!credential)
		return MTLS_REASON_NO_CREDENTIAL;
	if (len == 0 && credential->u.signer_credential.secret_kind != MTLS_SECRET_PIN_PAD)
		return MTLS_REASON_SECRET_EMPTY;
	if (len > MTLS_SECRET_MAX)
		return MTLS_REASON_SECRET_WRONG;
	request = unlock_request(id, secret, len);
	int r = ask(client, request, MTLS_EXPECT(SIGNER_UNLOCKED), deadline, &answer, diag);
	if (r < 0)
		return give_up(client, r, diag, "unlock");
	const struct mtls_signer_unlocked *u = &answer->u.signer_unlocked;
	*ret_tries = u->tries_left;
	if (u->reason == MTLS_REASON_KEY_UNUSABLE)
		return unusable(client, deadline, diag);
	if (u->reason != MTLS_REASON_ALLOWED)
		return refused(client, u->reason, diag);
	if (credential->u.signer_credential.chain_count == 0) {
		r = refresh(client, credential, deadline, diag);
		if (r < 0)
			return give_up(client, r, diag, "list after unlock");
	}
	*ret_presence = u->presence;
	return MTLS_REASON_ALLOWED;
}

enum mtls_reason signer_client_sign(struct signer_client *client, uint32_t id,
				    enum mtls_sign_scheme scheme, const uint8_t *content,
				    size_t len, uint8_t *sig, size_t *sig_len, uint32_t timeout_ms,
				    struct mtls_diag *diag)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = sign_request(id, scheme, content, len);
	_cleanup_(mtls_msg_freep) struct mtls_msg *answer = NULL;
	struct mtls_diag own = { 0 };

	if (!diag)
		diag = &own;
	int r = ask(client, request, MTLS_EXPECT(SIGNER_SIGNATURE), mtls_deadline_in_ms(timeout_ms),
		    &answer, diag);
	if (r < 0)
		return give_up(client, r, diag, "sign");
	const struct mtls_signer_signature *u = &answer->u.signer_signature;
	if (u->reason != MTLS_REASON_ALLOWED)
		return refused(client, u->reason, diag);
	if (u->signature.len == 0 || u->signature.len > *sig_len)
		return give_up(client, MTLS_E_LIMIT, diag, "signature");
	memcpy(sig, u->signature.data, u->signature.len);
	*sig_len = u->signature.len;
	return MTLS_REASON_ALLOWED;
}

void signer_client_notice(struct signer_client *client, uint32_t after_ms,
			  signer_client_notice_fn *notice, void *ctx)
{
	client->notice = notice;
	client->notice_ctx = ctx;
	client->notice_at = mtls_deadline_in_ms(after_ms);
}

static void say_quit(struct signer_client *client)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *quit = mtls_msg_new(MTLS_MSG_SIGNER_QUIT);

	if (quit && !client->broken)
		(void)send_msg(client, quit, mtls_now_ms(), NULL);
	client->broken = true;
}

void signer_client_quit(struct signer_client *client)
{
	say_quit(client);
	/* The end of the stream ends the signer too, should it not read that. */
	(void)shutdown(client->fd, SHUT_RDWR);
}

void signer_client_free(struct signer_client *client)
{
	if (!client)
		return;
	say_quit(client);
	forget(client);
	mtls_frame_done(&client->frame);
	(void)close(client->fd);
	free(client);
}
