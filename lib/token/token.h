/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PKCS#11 tokens: cards, TPMs, SoftHSM, tokens that p11-kit forwards. Modules are others' code:
 * they are loaded by absolute path only, into a process that runs as the person and nothing else.
 * What they answer is from outside: every length and number has a maximum, every return value is
 * one of the reasons of lib/wire/reason.h. A module that hangs is the caller's alarm's business.
 *
 * One thread. Nothing here may live across fork(2): a TPM counts the second user as an attack.
 */
#ifndef MTLS_TOKEN_TOKEN_H
#define MTLS_TOKEN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/wire/msg.h"
#include "lib/wire/reason.h"

#define MTLS_TOKEN_MODULES_MAX   16
#define MTLS_TOKENS_MAX          32 /* at once, of all modules */
#define MTLS_TOKEN_OBJECTS_MAX   64 /* of one kind on one token; more are not looked at */
#define MTLS_TOKEN_CERT_MAX      MTLS_CERT_MAX /* bytes of a certificate */
#define MTLS_TOKEN_ID_MAX        256           /* bytes of CKA_ID */
#define MTLS_TOKEN_LABEL_MAX     255           /* bytes of an object's label */
#define MTLS_TOKEN_FILTERS_MAX   32
#define MTLS_TOKEN_URI_MAX       1024 /* bytes of a URI */
#define MTLS_TOKEN_PIN_MAX       256
#define MTLS_TOKEN_SPKI_MAX      2200 /* RSA of 16384 bits */
#define MTLS_TOKEN_SIGNATURE_MAX 1024 /* RSA of 8192 bits */

/* Takes one remark about a module or a token; all borrowed for the call. */
typedef void mtls_token_say(void *ctx, const char *what, const char *text);

/* ---- filters: RFC 7512 ---- */

struct mtls_token_filter;

/*
 * A URI that says which tokens and which objects count: token, manufacturer, model, serial, slot-*,
 * library-*; object, id, type (cert, private, public: a key and its certificate are one thing
 * here). 0; MTLS_E_SYNTAX, MTLS_E_LIMIT; MTLS_E_DENIED for pin-value, pin-source, module-path,
 * module-name and any other query, which would say where code comes from or hold a secret; -ENOMEM.
 */
int mtls_token_filter_parse(const char *uri, struct mtls_token_filter **ret,
			    struct mtls_diag *diag);
void mtls_token_filter_free(struct mtls_token_filter *filter);
MTLS_DEFINE_CLEANUP(struct mtls_token_filter *, mtls_token_filter_free)

/* What one of them takes counts; none: everything does. The filters are borrowed. */
struct mtls_token_filters {
	const struct mtls_token_filter *filter[MTLS_TOKEN_FILTERS_MAX];
	size_t count;
};

/* ---- modules and readers ---- */

struct mtls_tokens;
struct mtls_token;

struct mtls_token_info {
	char label[33]; /* printable UTF-8; of a token without one its model; may be empty */
	char manufacturer[33];
	char model[17];
	char serial[17];
	char slot[65];       /* the reader's description */
	const char *module;  /* borrowed: the path that it was loaded from */
	bool initialised;    /* CKF_TOKEN_INITIALIZED */
	bool pin_set;        /* CKF_USER_PIN_INITIALIZED */
	bool login_required; /* CKF_LOGIN_REQUIRED */
	bool pin_pad;        /* CKF_PROTECTED_AUTHENTICATION_PATH: PINs are typed on the reader */
	bool write_protected;
	bool removable;         /* CKF_REMOVABLE_DEVICE of the slot */
	bool pin_to_be_changed; /* CKF_USER_PIN_TO_BE_CHANGED */
	bool so_pin_locked;
	uint32_t tries_left;     /* 0 locked, 1 final try, 2 low, else MTLS_TRIES_UNKNOWN */
	uint32_t so_tries_left;  /* likewise of the SO PIN */
	size_t pin_min, pin_max; /* bytes; 0: not said */
};

/*
 * Loads the modules at @paths (absolute; others are remarked on and not loaded) and initialises
 * them. One that cannot be loaded or does not start is told to @say, the others go on. 0 or
 * -ENOMEM, MTLS_E_LIMIT. Nothing is asked of readers yet.
 */
int mtls_tokens_open(const char *const *paths, size_t count, mtls_token_say *say, void *say_ctx,
		     struct mtls_tokens **ret);
void mtls_tokens_free(struct mtls_tokens *tokens);
MTLS_DEFINE_CLEANUP(struct mtls_tokens *, mtls_tokens_free)

/*
 * Ends the modules and starts them anew: some (SoftHSM, for one) see a token that was inserted only
 * so. Every token is gone then, until a look finds it again. One that does not start again is told
 * to `say`, and counts as failed.
 */
void mtls_tokens_restart(struct mtls_tokens *tokens);

/* How many modules work. */
size_t mtls_tokens_modules(const struct mtls_tokens *tokens);

/*
 * Looks at all readers anew. A token that is still where it was keeps its `struct mtls_token`, with
 * its session and login; one that was taken out is not among them any more (its pointer stays
 * valid, and everything asked of it gives TOKEN_GONE). NO_TOKEN: there is none that a filter takes;
 * MODULE_FAILED: and a module failed; ALLOWED: at least one. Tokens that are not initialised are
 * left out.
 */
enum mtls_reason mtls_tokens_look(struct mtls_tokens *tokens,
				  const struct mtls_token_filters *filters);
size_t mtls_tokens_count(const struct mtls_tokens *tokens);
struct mtls_token *mtls_tokens_at(const struct mtls_tokens *tokens, size_t index);

/*
 * Waits until a reader may have changed, at most @timeout_ms; by slot events where the module has
 * them, else by asking twice a second. 1: mtls_tokens_look() is due; 0: the time is over.
 */
int mtls_tokens_wait(struct mtls_tokens *tokens, uint32_t timeout_ms);

const struct mtls_token_info *mtls_token_info(const struct mtls_token *token);
/* Reads the flags again (tries). ALLOWED, TOKEN_GONE, MODULE_FAILED. */
enum mtls_reason mtls_token_reread(struct mtls_token *token, struct mtls_diag *diag);
bool mtls_token_present(const struct mtls_token *token);

/* ---- objects ---- */

enum mtls_token_kind {
	MTLS_TOKEN_CERTIFICATE, /* CKO_CERTIFICATE, X.509 */
	MTLS_TOKEN_PUBLIC_KEY,
	MTLS_TOKEN_PRIVATE_KEY, /* mostly visible after login only */
};

struct mtls_token_object {
	unsigned long handle;
	char *label;          /* owned, printable; may be empty */
	struct mtls_bytes id; /* owned; CKA_ID, may be empty */
	struct mtls_bytes
		data; /* owned: a certificate's DER (not looked into), a public key's SPKI */
	enum mtls_key_type key_type; /* of a key; HIDDEN: of a type that is not supported */
	bool always_authenticate;    /* of a private key: a login for each signature */
};

struct mtls_token_objects {
	struct mtls_token_object item[MTLS_TOKEN_OBJECTS_MAX];
	size_t count;
	size_t skipped; /* objects that are damaged, over a bound, or too many */
};

/*
 * All objects of @kind that a filter takes. ALLOWED (maybe none), TOKEN_GONE, MODULE_FAILED,
 * SIGNER_FAILED (memory). @ret is complete in every case: mtls_token_objects_done().
 */
enum mtls_reason mtls_token_find(struct mtls_token *token, enum mtls_token_kind kind,
				 const struct mtls_token_filters *filters,
				 struct mtls_token_objects *ret, struct mtls_diag *diag);
/* The same of one CKA_ID, so that a key is found among ten thousand. */
enum mtls_reason mtls_token_find_id(struct mtls_token *token, enum mtls_token_kind kind,
				    const struct mtls_bytes *id, struct mtls_token_objects *ret,
				    struct mtls_diag *diag);
void mtls_token_objects_done(struct mtls_token_objects *objects);

/* ---- login, signature ---- */

/*
 * One try of the user's PIN; @pin NULL: it is asked for on the reader (pin_pad). Whoever was logged
 * in before is logged out first, so ALLOWED means that this PIN was right. PIN_WRONG, PIN_LOCKED,
 * SECRET_EMPTY (cancelled on the reader), TOKEN_GONE, KEY_UNUSABLE (no PIN set, or expired),
 * MODULE_FAILED. The info's tries are read again after a failure.
 */
enum mtls_reason mtls_token_login(struct mtls_token *token, const char *pin, size_t len,
				  struct mtls_diag *diag);
void mtls_token_logout(struct mtls_token *token);

/*
 * Signs @content with the private key @handle of type @type, as TLS 1.3 wants it: ECDSA-Sig-Value,
 * PSS, Ed25519. With @always_authenticate the PIN is given again within (@pin NULL: on the reader).
 * *@ret_signature is malloc'ed with ALLOWED only. SECRET_EMPTY: nobody is logged in; KEY_UNUSABLE:
 * the token cannot do it; as login else. What may be signed is the caller's business.
 */
struct mtls_token_sign {
	unsigned long handle;
	enum mtls_key_type type;
	enum mtls_sign_scheme scheme;
	const uint8_t *content;
	size_t content_len;
	bool always_authenticate;
	const char *pin;
	size_t pin_len;
};
enum mtls_reason mtls_token_sign(struct mtls_token *token, const struct mtls_token_sign *sign,
				 struct mtls_bytes *ret_signature, struct mtls_diag *diag);

/* ---- administration: mtlsctl ---- */

/* The PINs are strings of bytes; NULL for both: asked for on the reader. As mtls_token_login(). */
struct mtls_token_pin {
	const char *data;
	size_t len;
};

/* The user's PIN from @old to @new. KEY_UNUSABLE with @diag: the new one is refused (length, too
 * weak). */
enum mtls_reason mtls_token_set_pin(struct mtls_token *token, struct mtls_token_pin old,
				    struct mtls_token_pin new, struct mtls_diag *diag);
/* Logs in as security officer (PUK) and sets the user's PIN anew, which unlocks it. */
enum mtls_reason mtls_token_init_pin(struct mtls_token *token, struct mtls_token_pin so,
				     struct mtls_token_pin new, struct mtls_diag *diag);

struct mtls_token_new_key {
	enum mtls_key_type type; /* RSA: of 3072 bits */
	const char *label;       /* of both objects */
	const uint8_t *id;       /* CKA_ID of both */
	size_t id_len;
};

/*
 * Makes a key pair that never leaves the token; the user must be logged in. *@ret_spki is
 * malloc'ed: its SubjectPublicKeyInfo.
 */
enum mtls_reason mtls_token_generate(struct mtls_token *token, const struct mtls_token_new_key *key,
				     struct mtls_bytes *ret_spki, struct mtls_diag *diag);

/* What a certificate object has to say about itself, DER as it stands in the certificate. */
struct mtls_token_new_certificate {
	const uint8_t *der, *subject, *issuer, *serial; /* serial: the INTEGER with its header */
	size_t der_len, subject_len, issuer_len, serial_len;
	const char *label;
	const uint8_t *id;
	size_t id_len;
};

/* Writes a certificate to the token, beside the key of the same id; an old one of that id is
 * removed. */
enum mtls_reason mtls_token_store(struct mtls_token *token,
				  const struct mtls_token_new_certificate *certificate,
				  struct mtls_diag *diag);

#endif
