/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TLS server for tests of the client: one connection in a child process, which behaves as a
 * script says, well or badly.
 */
#ifndef TESTS_TEST_SERVER_H
#define TESTS_TEST_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/wire/msg.h"
#include "tests/unit/certgen.h"

enum server_act {
	ACT_ALLOW = 0,     /* the right answer */
	ACT_DENY,          /* with @reason */
	ACT_CHOOSE,        /* offers alice and bob, then allows who was chosen */
	ACT_CHOOSE_TWICE,  /* offers them again */
	ACT_CHOOSE_OTHER,  /* allows who was not chosen */
	ACT_CHOOSE_EARLY,  /* offers them and does not wait */
	ACT_PATCHED,       /* the right answer with @verdict and @reason written over its own */
	ACT_NONCE,         /* one bit of the nonce */
	ACT_VERSION,       /* version 2 */
	ACT_TWO,           /* the answer twice, two records at once */
	ACT_TWO_IN_ONE,    /* the answer twice in one record */
	ACT_TRAILING,      /* one byte behind the answer */
	ACT_PIECES,        /* the right answer, a record for each byte */
	ACT_OVERSIZED,     /* a header that announces more than the maximum */
	ACT_OTHER_TYPE,    /* a request as an answer */
	ACT_NOISE,         /* no DER */
	ACT_CUT,           /* half an answer, then the end */
	ACT_CLOSE,         /* the end instead of an answer */
	ACT_ALERT,         /* @alert instead of an answer */
	ACT_ALERT_EARLY,   /* @alert when its flight is out, then the end; reads nothing more */
	ACT_SILENT,        /* accepts and says nothing */
	ACT_SILENT_LATER,  /* handshake, then nothing */
	ACT_CLOSE_AT_ONCE, /* accepts and closes */
	ACT_CLOSE_MIDDLE,  /* closes after its flight */
	ACT_NOT_TLS,       /* greets in another protocol */
};

struct server_script {
	enum server_act act;
	enum mtls_reason reason;
	enum mtls_verdict verdict;
	int alert;
	const char *priority; /* NULL: the project's */
	const char *alpn;     /* NULL: ours; "": none */
	bool tickets;
	bool want_no_cert; /* does not ask for a certificate */
	bool forged;       /* has no key: its signature is 0x5a.. of its key's size */
};

/* What the child saw: bits of its exit status. */
#define SERVER_SAW_CERT    1  /* a certificate whose signature and chain are right */
#define SERVER_SAW_REQUEST 2  /* a well-formed request */
#define SERVER_SAW_RETRY   4  /* it sent a HelloRetryRequest */
#define SERVER_FAILED      8  /* the handshake failed */
#define SERVER_SAW_OTHER   16 /* a certificate of another CA than @client_ca; answered by @alert */

/*
 * Listens on unix socket @path and forks the child. @cert is the server's, @client_ca the CA of
 * people. Returns its pid; server_wait() gives the bits above, or -1 if it crashed.
 */
pid_t server_start(const char *path, const struct server_script *script, struct certgen *cert,
		   struct certgen *client_ca);
int server_wait(pid_t pid);

#endif
