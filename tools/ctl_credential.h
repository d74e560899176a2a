/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A person's new key and certificate from the CA of `init`, in the form in which they are kept. */
#ifndef MTLS_TOOLS_CTL_CREDENTIAL_H
#define MTLS_TOOLS_CTL_CREDENTIAL_H

#include "lib/cert/cert.h"
#include "tools/ctl_action.h"
#include "tools/ctl_ca.h"
#include "tools/ctl_person.h"

#define CTL_DAYS_DEFAULT 365
#define CTL_DAYS_MAX     3650
#define CTL_DAY          86400
#define CTL_CLOCK_SLACK  300 /* seconds that another machine's clock may be behind */

enum ctl_format { CTL_FORMAT_PEM, CTL_FORMAT_PKCS12 };

/* "pem", "p12": how the file's name ends. */
const char *ctl_format_suffix(enum ctl_format format);

struct ctl_credential_plan {
	const char *dir, *user, *cn;
	uint32_t days;
	enum ctl_format format;
	gnutls_pubkey_t key; /* the person's own; NULL: a new one */
};

struct ctl_credential {
	struct mtls_cert *cert; /* owned */
	struct mtls_buf file;   /* the encrypted key and the certificate; of a given key the latter
				   alone, PEM */
};

/* What a command line says of it; NULL where it says nothing. */
struct ctl_credential_words {
	const char *format, *days, *cn, *passphrase_fd, *dir;
};

/*
 * The plan for @user and where the passphrase comes from (-1: it is asked for). CTL_OK, or
 * CTL_USAGE after saying what is wrong.
 */
int ctl_credential_parse(const struct ctl_action *action, const struct ctl_credential_words *words,
			 const char *user, struct ctl_credential_plan *plan,
			 int *ret_passphrase_fd);

/*
 * Makes it. The CA's key is in memory only meanwhile. @secret is not needed with a given key.
 * 0 or an error; -ENOENT: there is no CA in @dir.
 */
int ctl_credential_make(const struct ctl_credential_plan *plan, struct mtls_buf *secret,
			struct ctl_credential *ret, struct mtls_diag *diag);
void ctl_credential_done(struct ctl_credential *credential);

/* A certificate, parsed; what ctl_x509.h makes for what the rest of us reads. */
int ctl_cert_of(gnutls_x509_crt_t crt, struct mtls_cert **ret, struct mtls_diag *diag);

/* "spki-sha256:HEX": what holds as long as the key. Appended to @out. */
int ctl_cert_binding(const struct mtls_cert *cert, struct mtls_buf *out);

/*
 * The passphrase of a new key: from descriptor @fd, or for -1 asked twice. Never empty; text that
 * other programs can type. @command is for the warning that it is short.
 */
int ctl_new_passphrase(const char *command, int fd, struct mtls_buf *secret,
		       struct mtls_diag *diag);

/* Puts a new file into the person's folder, as the person; an existing one is kept: -EEXIST. */
int ctl_deliver(const struct ctl_person *person, const char *path, const struct mtls_buf *content,
		struct mtls_diag *diag);

#endif
