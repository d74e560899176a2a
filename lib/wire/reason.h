/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The closed enumeration of reasons: why a login was allowed or refused, for the verdict, the audit
 * record and the person. One table: number (never reused), token (audit, tests), what the person
 * reads, what an administrator may do. PROTOCOL.md has the same table; a test compares them.
 *
 * Numbers: 0 allowed; 1-9 exchange states; 10-39 the certificate; 40-59 mapping and account; 60-79
 * the daemon; 80-99 seen by the client (TLS, server identity); 100-119 the module's own checks of a
 * verdict; 120-149 key, signer, person.
 */
#ifndef MTLS_WIRE_REASON_H
#define MTLS_WIRE_REASON_H

/* clang-format off */
#define MTLS_REASONS(X) \
	X(ALLOWED,            0, "allowed",            "Access granted.", "") \
	X(CHOOSE,             1, "choose",             "Several accounts belong to this certificate.", "name the account at the prompt") \
	X(CERT_EXPIRED,      10, "cert-expired",       "Your certificate has expired.", "issue a new certificate") \
	X(CERT_NOT_YET,      11, "cert-not-yet-valid", "Your certificate is not valid yet.", "check the clock of both machines") \
	X(CERT_REVOKED,      12, "cert-revoked",       "Your certificate has been revoked.", "issue a new certificate and key") \
	X(CRL_UNUSABLE,      13, "crl-unusable",       "It cannot be checked whether your certificate is revoked.", "install a current CRL of the issuer named in the audit record") \
	X(EKU_MISSING,       14, "eku-missing",        "Your certificate is not meant for logging in.", "the certificate has no extendedKeyUsage: issue it with clientAuth") \
	X(EKU_WRONG,         15, "eku-wrong",          "Your certificate is not meant for logging in.", "extendedKeyUsage lacks clientAuth and smart-card logon") \
	X(KU_WRONG,          16, "ku-wrong",           "Your certificate is not meant for signing.", "keyUsage lacks digitalSignature") \
	X(CERT_WEAK,         17, "cert-weak",          "Your certificate uses an outdated algorithm or a short key.", "use P-256, Ed25519 or RSA of 2048 bits and more, SHA-256") \
	X(CHAIN_DEPTH,       18, "chain-depth",        "Too many authorities stand between your certificate and one that is accepted here.", "see max_depth in authd.conf") \
	X(CERT_SHAPE,        19, "cert-shape",         "Your certificate is not a person's certificate.", "it is a CA or has an extension that is not understood; see the audit record") \
	X(CERT_IDENTITY,     20, "cert-identity",      "A name in your certificate is malformed.", "control characters, NUL or invalid UTF-8 in subject or SAN") \
	X(CERT_ROLE,         21, "cert-role",          "This certificate is not one for people.", "it comes from the CA for hosts") \
	X(UNMAPPED,          40, "unmapped",           "No account belongs to this certificate.", "mtlsctl bind add USER KEY, with a key from the audit record") \
	X(MAPPED_OTHER,      41, "mapped-to-other",    "This certificate belongs to another account.", "the account asked for is not among those bound to the certificate") \
	X(ACCOUNT_UNKNOWN,   42, "account-unknown",    "The account of this certificate does not exist.", "the bound name is in no account source: getent passwd NAME") \
	X(ACCOUNT_REFUSED,   43, "account-refused",    "This account cannot be used with a certificate.", "uid 0 and ids below min_uid cannot be bound") \
	X(ACCOUNT_PEER,      44, "account-not-peer",   "From here only your own account can be unlocked.", "an unprivileged program asks for an account with another uid") \
	X(BAD_CHOICE,        45, "bad-choice",         "That was not one of the choices.", "") \
	X(ROLE,              60, "role",               "This request is not allowed from here.", "see the table of roles in PROTOCOL.md") \
	X(BAD_REQUEST,       61, "bad-request",        "The authentication service did not understand the request.", "do the versions of pam_mtls and mtls-authd match?") \
	X(VERSION,           62, "version",            "The versions of this machine and the authentication service do not match.", "update the older one") \
	X(LOOKUP_TIMEOUT,    63, "lookup-timeout",     "Looking up the account took too long.", "an NSS service hangs: time getent passwd NAME") \
	X(LOOKUP_FAILED,     64, "lookup-failed",      "The account could not be looked up.", "see the log of mtls-authd") \
	X(BUSY,              65, "busy",               "The authentication service is busy. Try again.", "see the limits in authd.conf") \
	X(INTERNAL,          66, "internal",           "The authentication service failed.", "see the log of mtls-authd") \
	X(CHOICE_TIMEOUT,    67, "choice-timeout",     "The choice took too long.", "") \
	X(PENALTY,           68, "penalty",            "Too many logins from there have failed. Wait a minute and try again.", "the audit records say why they failed; see penalty in authd.conf") \
	X(UNREACHABLE,       80, "unreachable",        "The authentication service cannot be reached.", "is mtls-authd running? see servers in pam_mtls.conf") \
	X(TIMEOUT,           81, "timeout",            "The authentication service does not answer.", "mtls-authd hangs or the network drops packets") \
	X(SERVER_UNTRUSTED,  82, "server-untrusted",   "The authentication service could not be trusted.", "its certificate is not from server_ca of pam_mtls.conf") \
	X(SERVER_NAME,       83, "server-name",        "The authentication service could not be trusted.", "its certificate does not carry server_name of pam_mtls.conf") \
	X(SERVER_EXPIRED,    84, "server-expired",     "The certificate of the authentication service has expired.", "renew the server certificate; check the clock") \
	X(SERVER_NOT_YET,    85, "server-not-yet-valid", "The certificate of the authentication service is not valid yet.", "check the clock of both machines") \
	X(SERVER_PURPOSE,    86, "server-purpose",     "The authentication service could not be trusted.", "its certificate lacks extendedKeyUsage serverAuth") \
	X(ISSUER_UNTRUSTED,  87, "issuer-untrusted",   "Your certificate's issuer is not accepted here.", "add the issuer to user_ca of authd.conf if it should be") \
	X(BAD_SIGNATURE,     88, "bad-signature",      "Your key does not belong to your certificate.", "certificate and private key do not match") \
	X(CERT_REQUIRED,     89, "certificate-required", "A certificate is needed here, and none was used.", "the key's type may not fit TLS 1.3") \
	X(CERT_REFUSED,      90, "certificate-refused", "Your certificate was refused.", "see the audit record of mtls-authd") \
	X(HANDSHAKE,         91, "handshake",          "The secure connection could not be established.", "see the log of mtls-authd") \
	X(PROTOCOL,          92, "protocol",           "The authentication service gave an unexpected answer.", "is another service listening there?") \
	X(CERT_BOUNDS,       93, "certificate-bounds", "Your certificate is larger than allowed.", "number, size or key size of the chain is over the bounds") \
	X(NONCE,            100, "nonce-mismatch",     "The authentication service's answer does not belong to this login.", "the server replayed or mixed up answers: treat it as compromised") \
	X(NAME_GRAMMAR,     101, "name-grammar",       "The authentication service named an account that cannot exist.", "the server names an account outside the grammar") \
	X(NAME_MISMATCH,    102, "name-mismatch",      "The authentication service answered about another account.", "the server allowed another account than the one asked for") \
	X(LOCAL_UNKNOWN,    103, "local-unknown",      "The account does not exist on this machine.", "getent passwd NAME finds nothing here") \
	X(LOCAL_UID,        104, "local-uid",          "The account has another number on this machine.", "uid differs between server and this machine") \
	X(MIN_UID,          105, "min-uid",            "This account cannot be entered with a certificate.", "uid is below min_uid of pam_mtls.conf") \
	X(ROOT,             106, "root",               "The root account cannot be entered with a certificate.", "uid 0 needs allow_root here and a mapping rule there") \
	X(USER_CHANGED,     107, "user-changed",       "The account was changed after the login was verified.", "a module in the stack changed PAM_USER") \
	X(NO_CREDENTIAL,    120, "no-credential",      "No certificate was found.", "mtlsctl try shows where it is looked for, mtlsctl enroll makes one") \
	X(KEY_UNPROTECTED,  121, "key-unprotected",    "The key works without a passphrase or PIN, which is not enough here.", "protect the key with a passphrase or PIN, or see presence in pam_mtls.conf") \
	X(SECRET_WRONG,     122, "secret-wrong",       "Wrong passphrase.", "") \
	X(SECRET_EMPTY,     123, "secret-empty",       "No passphrase or PIN was given.", "") \
	X(SIGNER_FAILED,    124, "signer-failed",      "The key could not be used.", "mtls-signer ended or gave a wrong answer") \
	X(SIGNER_TIMEOUT,   125, "signer-timeout",     "The key did not answer in time.", "mtls-signer was stopped at its deadline") \
	X(KEY_UNUSABLE,     126, "key-unusable",       "The key cannot be used.", "it is damaged, or of a type that is not supported") \
	X(NOT_PERSON,       127, "not-person",         "You cannot unlock another person's account here.", "an unprivileged program asks for another user than the one who runs it") \
	X(NOT_LOCAL,        128, "not-local",          "Keys of this machine are for people in front of it.", "see local_ttys in pam_mtls.conf") \
	X(CONFIG,           129, "config",             "Certificate login is not set up correctly.", "see the system log; mtlsctl check") \
	X(CONVERSATION,     130, "conversation",       "There is no way to ask you for a passphrase or PIN here.", "the program has no conversation, or it fails, as that of sudo -n") \
	X(KEYLOG,           131, "keylog",             "This program is told to write the secrets of its connections to a file.", "SSLKEYLOGFILE is set in a program that honours it") \
	X(NO_SOURCE,        132, "no-source",          "No key can be used with this program.", "no credential source fits this kind of host program") \
	X(USER_UNKNOWN,     133, "user-unknown",       "Unknown account.", "PAM_USER is in no account source") \
	X(NO_TOKEN,         134, "no-token",           "No card was found.", "is it inserted? see pkcs11_modules and pkcs11_uri in pam_mtls.conf") \
	X(TOKEN_GONE,       135, "token-gone",         "The card was removed.", "it was taken out, or its reader lost it, between the choice and the signature") \
	X(PIN_WRONG,        136, "pin-wrong",          "Wrong PIN.", "") \
	X(PIN_LOCKED,       137, "pin-locked",         "The PIN is locked.", "mtlsctl pin unblock, with the card's SO PIN or PUK") \
	X(READER_REFUSED,   138, "reader-refused",     "The card reader may not be used from here.", "pcscd refuses the signer: see the polkit rule of pam-mtls in mtls-signer(8)") \
	X(MODULE_FAILED,    139, "module-failed",      "The card's driver failed.", "a module of pkcs11_modules cannot be loaded or answers wrongly; see the system log") \
	X(AGENT_MISSING,    140, "agent-missing",      "No key agent answers.", "is it running, and is SSH_AUTH_SOCK its socket? ssh -A forwards one") \
	X(AGENT_REFUSED,    141, "agent-refused",      "Your key agent refused to sign.", "it is locked, its question was answered with no, or the key may not be used here (ssh-add -h)") \
	X(SOCKET_UNTRUSTED, 142, "socket-untrusted",   "That socket is not your own.", "the socket of an agent or of p11-kit belongs to somebody else, or is none")
/* clang-format on */

enum mtls_reason {
#define MTLS_REASON_ENUM(name, number, token, text, advice) MTLS_REASON_##name = (number),
	MTLS_REASONS(MTLS_REASON_ENUM)
#undef MTLS_REASON_ENUM
};

/* All return NULL for a number that is not in the table; no allocation, any thread. */
const char *mtls_reason_token(int reason);
const char *mtls_reason_text(int reason);
const char *mtls_reason_advice(int reason);

/* The reason with this token, or -1. */
int mtls_reason_from_token(const char *token);

/* Iteration for tables and tests: the reason at @index in table order, -1 behind the end. */
int mtls_reason_at(unsigned int index);

#endif
