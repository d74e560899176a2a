/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages: C structs <-> canonical DER of mtls.asn, with all limits. Used by client, daemon,
 * signer.
 *
 * On the wire a message is one DER SEQUENCE with the implicit tag [APPLICATION n], n its
 * type: self-delimiting, so DER is the frame, and type and length are known from the first bytes.
 * Every text is valid UTF-8 without control characters (and so without NUL); decoding refuses
 * others.
 */
#ifndef MTLS_WIRE_MSG_H
#define MTLS_WIRE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/wire/reason.h"

#define MTLS_PROTOCOL_VERSION 1
#define MTLS_ALPN             "mtls-auth/1"
#define MTLS_NONCE_LEN        32

#define MTLS_CHAIN_MAX        8     /* certificates in a chain */
#define MTLS_CERT_MAX         16384 /* bytes of a certificate */
#define MTLS_CHAIN_BYTES_MAX  65536 /* bytes of a chain */
#define MTLS_CANDIDATES_MAX   32    /* accounts offered by a `choose` verdict */
#define MTLS_SECRET_MAX       512   /* bytes of a PIN or passphrase */
#define MTLS_SIGN_CONTENT_MAX 1024  /* bytes of a CertificateVerify content */
#define MTLS_SIGNATURE_MAX    2048  /* bytes of a signature */
#define MTLS_CREDENTIALS_MAX  32    /* credentials that a signer may list */

/*
 * Type numbers are final. `max` is the limit of the whole encoded message in bytes. Types marked
 * reserved are numbered for later versions; decoding refuses them like unknown ones.
 */
/* clang-format off */
#define MTLS_MSG_TYPES(X) \
	X(AUTH_REQUEST,       1, "AuthRequest",        8192) \
	X(AUTH_REPLY,         2, "AuthReply",         16384) \
	X(AUTH_CHOICE,        3, "AuthChoice",         1024) \
	X(SIGNER_LIST,       16, "SignerList",           64) \
	X(SIGNER_CREDENTIAL, 17, "SignerCredential",  73728) \
	X(SIGNER_END,        18, "SignerEnd",          1024) \
	X(SIGNER_UNLOCK,     19, "SignerUnlock",       1024) \
	X(SIGNER_UNLOCKED,   20, "SignerUnlocked",     1024) \
	X(SIGNER_SIGN,       21, "SignerSign",         2048) \
	X(SIGNER_SIGNATURE,  22, "SignerSignature",    4096) \
	X(SIGNER_QUIT,       23, "SignerQuit",           64) \
	X(CONTROL_REQUEST,   24, "ControlRequest",    65536) \
	X(CONTROL_ITEM,      25, "ControlItem",       65536) \
	X(CONTROL_END,       26, "ControlEnd",        16384)

#define MTLS_MSG_TYPES_RESERVED(X) \
	X(ACCOUNT_QUERY,      4, "AccountQuery",       4096) \
	X(ACCOUNT_REPLY,      5, "AccountReply",       8192) \
	X(KEYS_QUERY,         6, "KeysQuery",          4096) \
	X(KEYS_ITEM,          7, "KeysItem",          16384) \
	X(KEYS_END,           8, "KeysEnd",            1024) \
	X(RELAY_OPEN,         9, "RelayOpen",          8192) \
	X(RELAY_DATA,        10, "RelayData",         32768) \
	X(RELAY_CLOSE,       11, "RelayClose",         1024) \
	X(SESSION_OPEN,      12, "SessionOpen",        4096) \
	X(SESSION_CLOSE,     13, "SessionClose",       1024) \
	X(SESSION_REPLY,     14, "SessionReply",       4096)
/* clang-format on */

enum mtls_msg_type {
#define MTLS_MSG_ENUM(name, number, text, max) MTLS_MSG_##name = (number),
	MTLS_MSG_TYPES(MTLS_MSG_ENUM)
#undef MTLS_MSG_ENUM
};

#define MTLS_MSG_MAX 73728 /* the largest of the maxima in use */

struct mtls_bytes {
	uint8_t *data; /* owned by the message; an uncounted NUL stands behind the last byte */
	size_t len;
};

/*
 * Absent text fields are NULL; encoding takes an optional text that is "" as absent. An absent
 * number is said by its has_ flag or by a value of its own. Mandatory texts hold at least one byte,
 * but for names that come from a certificate, which may be "".
 */
struct mtls_auth_request {
	uint32_t version;
	char *service;     /* PAM service, at most 64 bytes */
	char *account;     /* optional: PAM_USER; 256 (the grammar is the server's check) */
	uint32_t uid;      /* who runs the host program: getuid() */
	char *tty;         /* optional, 64 */
	char *remote_host; /* optional, 255 */
	char *remote_user; /* optional, 256 */
	char *host_name;   /* optional, 255 */
	char *target;      /* optional, 255: relay */
	uint8_t nonce[MTLS_NONCE_LEN];
};

enum mtls_verdict {
	MTLS_VERDICT_DENIED = 0,
	MTLS_VERDICT_ALLOWED = 1,
	MTLS_VERDICT_CHOOSE = 2,
};

struct mtls_cert_facts {
	char *subject;      /* canonical DN, 4096 */
	char *issuer;       /* canonical DN, 4096 */
	char *serial;       /* lower-case hex, an even number of digits, 64 */
	uint8_t sha256[32]; /* of the leaf's DER */
	int64_t not_after;  /* seconds since 1970 */
};

struct mtls_auth_reply {
	uint32_t version;
	uint8_t nonce[MTLS_NONCE_LEN];
	enum mtls_verdict verdict;
	enum mtls_reason reason; /* decoding refuses unknown numbers */
	char *text;       /* optional, 512: for the person, instead of the reason's own text */
	bool has_account; /* ALLOWED: always; CHOOSE: never */
	char *account;    /* with has_account; at most 256 bytes */
	uint32_t uid;     /* with has_account */
	uint32_t gid;     /* with has_account */
	char *candidates[MTLS_CANDIDATES_MAX]; /* CHOOSE: at least two */
	size_t candidate_count;
	bool has_cert;
	struct mtls_cert_facts cert;
	char *rule;     /* optional, 128: the key kind of the binding or the rule's name */
	char *audit_id; /* 64: finds the audit record */
};

struct mtls_auth_choice {
	uint8_t nonce[MTLS_NONCE_LEN];
	char *account;
};

enum mtls_key_type {
	MTLS_KEY_TYPE_HIDDEN = 0, /* SignerCredential: not known before it is unlocked */
	MTLS_KEY_TYPE_RSA = 1,
	MTLS_KEY_TYPE_ECDSA_P256 = 2,
	MTLS_KEY_TYPE_ECDSA_P384 = 3,
	MTLS_KEY_TYPE_ECDSA_P521 = 4,
	MTLS_KEY_TYPE_ED25519 = 5,
};

/* TLS SignatureScheme values (RFC 8446 section 4.2.3) that a signer may be asked for. */
enum mtls_sign_scheme {
	MTLS_SIGN_RSA_PSS_RSAE_SHA256 = 0x0804,
	MTLS_SIGN_RSA_PSS_RSAE_SHA384 = 0x0805,
	MTLS_SIGN_RSA_PSS_RSAE_SHA512 = 0x0806,
	MTLS_SIGN_ECDSA_P256_SHA256 = 0x0403,
	MTLS_SIGN_ECDSA_P384_SHA384 = 0x0503,
	MTLS_SIGN_ECDSA_P521_SHA512 = 0x0603,
	MTLS_SIGN_ED25519 = 0x0807,
};

/*
 * Control sockets: a verb with fields, answered by items and an end. Which verbs and fields there
 * are is the daemon's business (PROTOCOL.md, "Control").
 */
#define MTLS_CONTROL_FIELDS_MAX 16
#define MTLS_CONTROL_NAME_MAX   32   /* bytes of a verb, a kind, the name of a field: [a-z0-9-]+ */
#define MTLS_CONTROL_VALUE_MAX  4400 /* bytes of a value */
#define MTLS_CONTROL_TEXT_MAX   1024 /* bytes of the sentence of an end */

struct mtls_control_field {
	char *name;
	char *value; /* may be "" */
};

struct mtls_control_fields {
	struct mtls_control_field field[MTLS_CONTROL_FIELDS_MAX]; /* no name twice */
	size_t count;
};

struct mtls_control_request {
	uint32_t version;
	char *verb;
	struct mtls_control_fields fields;
};

struct mtls_control_item {
	char *kind;
	struct mtls_control_fields fields;
};

enum mtls_control_code {
	MTLS_CONTROL_OK = 0,
	MTLS_CONTROL_FAILED = 1,  /* the daemon could not: disk, memory */
	MTLS_CONTROL_USAGE = 2,   /* unknown verb or field, malformed value */
	MTLS_CONTROL_REFUSED = 3, /* a rule forbids it */
	MTLS_CONTROL_EXISTS = 4,
	MTLS_CONTROL_NOTFOUND = 5,
	MTLS_CONTROL_BUSY = 6,        /* ask again */
	MTLS_CONTROL_UNPUBLISHED = 7, /* stored for good, but no process sees it yet */
};

struct mtls_control_end {
	enum mtls_control_code code;
	char *text; /* optional, 1024: one sentence, what is wrong and what to do */
	struct mtls_control_fields fields;
};

/* How the person proved presence in this conversation; `none`: the key works without anything. */
enum mtls_presence {
	MTLS_PRESENCE_NONE = 0,
	MTLS_PRESENCE_SECRET = 1,
	MTLS_PRESENCE_PIN_PAD = 2,
	MTLS_PRESENCE_TOUCH = 3,
};

/* What the person gives to unlock a key, and where. */
enum mtls_secret_kind {
	MTLS_SECRET_PASSPHRASE = 0,
	MTLS_SECRET_PIN = 1,
	MTLS_SECRET_PIN_PAD = 2, /* a PIN, typed on the reader: SignerUnlock has an empty secret */
};

#define MTLS_TRIES_UNKNOWN UINT32_MAX

struct mtls_signer_list {
	uint32_t version;
};

struct mtls_signer_credential {
	uint32_t id;                 /* names the credential in unlock and sign */
	char *source;                /* "file", ... 32 */
	char *label;                 /* for the choice prompt: subject CN or file name, 256 */
	char *issuer;                /* issuer CN or DN, 256 */
	int64_t not_after;           /* seconds since 1970 */
	enum mtls_key_type key_type; /* of the certificate's public key */
	bool needs_secret;           /* unlock with a secret before sign */
	uint32_t tries_left;         /* MTLS_TRIES_UNKNOWN where the source does not count */
	enum mtls_secret_kind secret_kind;
	char *token; /* optional, 256: the label of the card or token that holds the key */
	struct mtls_bytes chain[MTLS_CHAIN_MAX]; /* DER, leaf first: opaque to the client */
	/* 0 only where a secret is needed to see the certificates (PKCS#12); then key_type is
	 * HIDDEN, and a list after the unlocking has the rest. */
	size_t chain_count;
};

struct mtls_signer_end {
	enum mtls_reason reason; /* ALLOWED: the list is complete; NO_CREDENTIAL, ... */
	char *detail;            /* optional, 512: for the log: which file was skipped and why */
};

struct mtls_signer_unlock {
	uint32_t id;
	/* at most MTLS_SECRET_MAX; wiped by mtls_msg_free(); empty for a PIN pad only */
	struct mtls_bytes secret;
};

struct mtls_signer_unlocked {
	enum mtls_reason reason; /* ALLOWED, SECRET_WRONG, KEY_UNUSABLE, ... */
	enum mtls_presence presence;
	uint32_t tries_left;
};

struct mtls_signer_sign {
	uint32_t id;
	enum mtls_sign_scheme scheme;
	struct mtls_bytes content; /* RFC 8446 section 4.4.3, client context string */
};

struct mtls_signer_signature {
	enum mtls_reason reason; /* ALLOWED with a signature, else none */
	/* as CertificateVerify carries it: ECDSA-Sig-Value DER, PSS, Ed25519 */
	struct mtls_bytes signature;
};

struct mtls_msg {
	enum mtls_msg_type type;
	union {
		struct mtls_auth_request auth_request;
		struct mtls_auth_reply auth_reply;
		struct mtls_auth_choice auth_choice;
		struct mtls_signer_list signer_list;
		struct mtls_signer_credential signer_credential;
		struct mtls_signer_end signer_end;
		struct mtls_signer_unlock signer_unlock;
		struct mtls_signer_unlocked signer_unlocked;
		struct mtls_signer_sign signer_sign;
		struct mtls_signer_signature signer_signature;
		struct mtls_control_request control_request;
		struct mtls_control_item control_item;
		struct mtls_control_end control_end;
	} u;
};

/* A zeroed message of @type, or NULL when memory is short (or the type is not in use). Fields that
 * are pointers own malloc'ed memory. */
struct mtls_msg *mtls_msg_new(enum mtls_msg_type type);

/* Frees the message and what its fields own; secrets are cleared. NULL is fine. */
void mtls_msg_free(struct mtls_msg *msg);
MTLS_DEFINE_CLEANUP(struct mtls_msg *, mtls_msg_free)

/*
 * Encodes @msg; @ret_der is malloc'ed and the caller's (clear it if it carries a secret).
 * Returns 0, -ENOMEM, MTLS_E_LIMIT, or MTLS_E_SYNTAX for a field that decoding would refuse.
 */
int mtls_msg_encode(const struct mtls_msg *msg, uint8_t **ret_der, size_t *ret_len,
		    struct mtls_diag *diag);

/*
 * Decodes exactly one message from @der[@len]. @ret_msg is set on success only; the caller frees
 * it. Returns 0, -ENOMEM, MTLS_E_LIMIT, or MTLS_E_SYNTAX when the bytes are not the canonical DER
 * of a known message (trailing bytes, unknown or reserved type, non-minimal length or INTEGER, a
 * text with control characters); then @diag (may be NULL) names the field.
 */
int mtls_msg_decode(const uint8_t *der, size_t len, struct mtls_msg **ret_msg,
		    struct mtls_diag *diag);

/* "AuthRequest", ...; NULL for a number without a name. Reserved types have names. */
const char *mtls_msg_type_name(int type);

/* Limit in bytes of the whole message, 0 for unknown and reserved types. */
size_t mtls_msg_type_max(int type);

/*
 * Adds a field of a control message; both texts are copied. 0, -ENOMEM, MTLS_E_LIMIT (no room), or
 * MTLS_E_EXISTS: a field has that name. What the texts may be is judged when the message is
 * encoded.
 */
int mtls_control_add(struct mtls_control_fields *fields, const char *name, const char *value);
/* The value of the field @name, or NULL. */
const char *mtls_control_get(const struct mtls_control_fields *fields, const char *name);

/* Sets a text field: frees the old value, copies @text (NULL: absent). 0 or -ENOMEM. */
int mtls_msg_set_text(char **field, const char *text);
/* Likewise for bytes; the old value is cleared first. */
int mtls_msg_set_bytes(struct mtls_bytes *field, const void *data, size_t len);

#endif
