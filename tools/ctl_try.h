/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run of `mtlsctl try`: what it is told, and the keys that it finds. Inside of try only. */
#ifndef MTLS_TOOLS_CTL_TRY_H
#define MTLS_TOOLS_CTL_TRY_H

#include <jansson.h>

#include "lib/settings/pam_mtls.h"
#include "lib/wire/msg.h"
#include "signer/client.h"
#include "signer/start.h"

/* The source that is asked just now. */
struct try_keys {
	enum mtls_source_kind kind;
	struct signer_process process;
	struct signer_client *client; /* owned */
	bool secret_required;
};

struct
try {
	const char *service, *user, *conf;
	const char *key_file;              /* NULL: the files in ~/.config/mtls */
	const char *source, *uri, *socket; /* NULL: as the settings and the environment say */
	int passphrase_fd;                 /* -1: asked */
	bool json;

	struct mtls_settings_pam *settings;
	const char *home;
	struct try_keys keys;
	const struct mtls_signer_credential *credential;
	enum mtls_reason sign_reason; /* of the last signature that failed */
	struct mtls_diag sign_diag;
	struct mtls_msg *reply;
	struct mtls_diag diag;
	json_t *steps;
};

/* One line of what happened, at once or for the JSON object. */
void try_step(struct try *t, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Asks one source after the other, until one has a key that can be used; sets t->credential. */
enum mtls_reason try_keys_find(struct try *t);
/* Asks for the secret, if one is needed, and gives it to the signer. */
enum mtls_reason try_keys_unlock(struct try *t);
/* Milliseconds that a signature may take: a person may have to touch or to confirm. */
uint32_t try_keys_patience(const struct try *t);
void try_keys_done(struct try *t);

#endif
