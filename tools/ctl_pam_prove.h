/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `mtlsctl enable` proves before anything is written. */
#ifndef MTLS_TOOLS_CTL_PAM_PROVE_H
#define MTLS_TOOLS_CTL_PAM_PROVE_H

#include <jansson.h>
#include <stdbool.h>

#include "tools/ctl_pam_dir.h"
#include "tools/ctl_person.h"

/* The person whose certificate enters, and how it is told. */
struct ctl_prove {
	struct ctl_person person;
	const char *key;        /* a file instead of ~/.config/mtls for the exchange; or NULL */
	struct mtls_buf secret; /* the passphrase; empty: the key has none */
	bool json;
	json_t *steps; /* with json: owned by the caller */
};

/* One line of what was done: "NAME  TEXT", or an object of the list. */
void ctl_prove_step(const struct ctl_prove *prove, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Who it is: @user, else who called sudo. Never root. CTL_OK, or an exit code after saying why. */
int ctl_prove_person(const char *user, struct ctl_prove *ret);

/* `mtlsctl check` finds no error. */
int ctl_prove_check(const struct ctl_prove *prove);

/* True if there are rescue codes that would let root in. */
bool ctl_prove_codes(void);

/* Root's password is usable, or @codes: a way in without certificates. */
int ctl_prove_rescue(const struct ctl_prove *prove, bool codes);

/* Something brings an unconfirmed change back at boot; where it is not @needed, a note. */
int ctl_prove_boot(const struct ctl_prove *prove, bool needed);

/* pam_mtls.conf does not make the account phase refuse the other ways in that are promised. */
int ctl_prove_settings(const char *service);

/* `mtlsctl try` as the person: a live exchange that ends in "allowed" for that account. */
int ctl_prove_exchange(const struct ctl_prove *prove, const char *service);

struct ctl_prove_stack {
	const char *service;
	enum mtls_stack_mode mode;
	const struct mtls_buf *before;
	const struct mtls_buf *now;    /* with our lines */
	const struct mtls_buf *absent; /* likewise, as it is when our modules are gone */
};
/* The stack on libpam: what is promised of it, with the certificate and without our modules. */
int ctl_prove_stack(const struct ctl_prove *prove, const struct ctl_prove_stack *stack);

#endif
