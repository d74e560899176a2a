/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Client of an ssh-agent (draft-ietf-sshm-ssh-agent): which keys it holds, and signatures by them.
 * The agent is the person's, or stands on another machine; what it says is from outside: one answer
 * a question, every length has a maximum, every wait a deadline. Keys of other kinds than TLS 1.3
 * takes from an agent are counted and passed over: RSA (an agent makes no PSS signatures), FIDO
 * (it signs something else than it is asked to), DSA, SSH certificates. One thread.
 */
#ifndef MTLS_AGENT_AGENT_H
#define MTLS_AGENT_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/wire/msg.h"

#define MTLS_AGENT_MESSAGE_MAX   (256 * 1024) /* bytes of an answer, as OpenSSH has it */
#define MTLS_AGENT_KEYS_MAX      1024         /* identities that are looked at */
#define MTLS_AGENT_COMMENT_MAX   128          /* bytes of a key's comment that are kept */
#define MTLS_AGENT_SPKI_MAX      160          /* bytes of a SubjectPublicKeyInfo: P-521 has 158 */
#define MTLS_AGENT_SIGNATURE_MAX 160          /* bytes of a signature: P-521 has 139 */
#define MTLS_AGENT_DATA_MAX      MTLS_SIGN_CONTENT_MAX /* bytes to be signed */

/* Identities that cannot be used, by what they are. */
enum mtls_agent_other {
	MTLS_AGENT_RSA,
	MTLS_AGENT_FIDO,
	MTLS_AGENT_DSA,
	MTLS_AGENT_SSH_CERT,
	MTLS_AGENT_UNKNOWN, /* of a kind that is not known here */
	MTLS_AGENT_DAMAGED,
	MTLS_AGENT_OTHERS /* how many kinds */
};

struct mtls_agent_key {
	enum mtls_key_type type; /* ECDSA_P256, _P384, _P521 or ED25519 */
	const uint8_t *blob;     /* the agent's name for it; borrowed from the list */
	size_t blob_len;
	const uint8_t *point; /* in it: 04 x y, or the 32 bytes of Ed25519 */
	size_t point_len;
	const uint8_t *comment; /* in the list: any bytes */
	size_t comment_len;
};

struct mtls_agent_keys {
	uint8_t *answer;            /* owned; the keys point into it */
	struct mtls_agent_key *key; /* owned; the usable ones, in the agent's order */
	size_t count;
	size_t other[MTLS_AGENT_OTHERS]; /* how many of each cannot be used */
	size_t total;                    /* how many the agent says it has */
};
void mtls_agent_keys_done(struct mtls_agent_keys *keys);

struct mtls_agent;

/*
 * Connects to the socket @path: a socket that belongs to @owner, at whose other end @owner or root
 * listens. A symbolic link is none. 0; MTLS_E_UNTRUSTED: it is somebody else's, or no socket;
 * -ENOENT, -ECONNREFUSED, -ETIMEDOUT...: nobody is there; MTLS_E_LIMIT: a path too long.
 */
int mtls_agent_connect(const char *path, uid_t owner, mtls_deadline deadline,
		       struct mtls_agent **ret, struct mtls_diag *diag);
/* Takes a connected stream socket instead. NULL without memory; then @fd is the caller's still. */
struct mtls_agent *mtls_agent_new(int fd);
void mtls_agent_free(struct mtls_agent *agent);
MTLS_DEFINE_CLEANUP(struct mtls_agent *, mtls_agent_free)

/*
 * Sends the question for the keys ahead, so that the agent works meanwhile: mtls_agent_list(),
 * which must come next, has the answer. 0 or -ENOMEM; what goes wrong is its to say.
 */
int mtls_agent_ask_ahead(struct mtls_agent *agent, mtls_deadline deadline);

/*
 * Asks for the keys. @ret must be empty. 0; MTLS_E_DENIED: it refuses to say; MTLS_E_PROTOCOL,
 * MTLS_E_LIMIT: the answer is none; MTLS_E_CLOSED, -ETIMEDOUT, -errno: there is none; -ENOMEM.
 * After a failure other than MTLS_E_DENIED the connection is of no further use.
 */
int mtls_agent_list(struct mtls_agent *agent, mtls_deadline deadline, struct mtls_agent_keys *ret,
		    struct mtls_diag *diag);

/*
 * For an agent that lists nothing, which OpenSSH's does while it is locked: 1 if it refuses more
 * than that (it is locked, or not of OpenSSH), 0 if it just has no key, or codes of
 * mtls_agent_list(). The connection is of no use for signatures afterwards.
 */
int mtls_agent_is_locked(struct mtls_agent *agent, mtls_deadline deadline, struct mtls_diag *diag);

/*
 * Has @len bytes signed by @key: the person may have to confirm it first. @ret[@ret_len] is what
 * TLS 1.3 has for this key: DER of r and s, or the 64 bytes of Ed25519. Codes of mtls_agent_list();
 * MTLS_E_DENIED: it does not sign, whether locked, not confirmed, constrained or without this key.
 */
int mtls_agent_sign(struct mtls_agent *agent, const struct mtls_agent_key *key, const void *data,
		    size_t len, mtls_deadline deadline, uint8_t ret[MTLS_AGENT_SIGNATURE_MAX],
		    size_t *ret_len, struct mtls_diag *diag);

/* The key as certificates have it: DER of a SubjectPublicKeyInfo. Returns its length. */
size_t mtls_agent_key_spki(const struct mtls_agent_key *key, uint8_t out[MTLS_AGENT_SPKI_MAX]);

/* The comment as text: what is not printable ASCII becomes '?', the rest is cut. */
void mtls_agent_key_comment(const struct mtls_agent_key *key, char out[MTLS_AGENT_COMMENT_MAX + 1]);

#define MTLS_AGENT_WORDS_MAX 256
/*
 * What cannot be used, as one sentence: "3 keys of the agent cannot be used for certificate login
 * (RSA, FIDO)". "" if all can.
 */
void mtls_agent_words(const struct mtls_agent_keys *keys, char out[MTLS_AGENT_WORDS_MAX]);

#endif
