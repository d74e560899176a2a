/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the settings of all programs share: checks of single values, and the tables themselves. */
#ifndef MTLS_SETTINGS_SETTINGS_H
#define MTLS_SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"

struct mtls_settings_accountd;
struct mtls_settings_authd;
struct mtls_settings_pam;

/* All settings files, for checks, documents and tests. NULL behind the end. */
const struct mtls_conf_table *mtls_settings_table(size_t index);
extern const struct mtls_conf_table mtls_settings_pam_table;
extern const struct mtls_conf_table mtls_settings_authd_table;
extern const struct mtls_conf_table mtls_settings_accountd_table;

/* An absolute path that fits a socket's address: at most 107 bytes. */
bool mtls_settings_socket_valid(const char *path);
/* "unix:/PATH" (at most 107 bytes of path) or "tcp:HOST[:PORT]", HOST a name, IPv4 or [IPv6]. */
bool mtls_settings_server_valid(const char *value);
/* "unix:/PATH" or "tcp:ADDRESS:PORT", ADDRESS IPv4 or [IPv6] in digits. */
bool mtls_settings_listen_valid(const char *value);
/* A DNS host name: labels of letters, digits, '-' and '_' (inside); at most 253 bytes. */
bool mtls_settings_host_valid(const char *value);

/* One of the sources of pam_mtls.conf. */
bool mtls_settings_source_valid(const char *value);
/*
 * A PKCS#11 URI (RFC 7512) without a query part: that one could name a module or a PIN. Whether its
 * path is well-formed is judged by who uses it.
 */
bool mtls_settings_pkcs11_uri_valid(const char *value);

/* NAME=VALUE: an upper-case name of a variable, printable ASCII. */
bool mtls_settings_variable_valid(const char *value);

/* A name that an account can have (lib/name/account.h). */
bool mtls_settings_user_valid(const char *value);

/*
 * Reads the trusted file @path into @text and points name, data and len of @source there; with
 * @optional a missing file leaves data NULL. As mtls_conf_read() otherwise.
 */
int mtls_settings_read(const char *path, bool optional, struct mtls_buf *text,
		       struct mtls_conf_source *source, struct mtls_diag *diag);

/* As mtls_settings_read(); only the file of the usual name may be missing. */
int mtls_settings_accountd_read(const char *path, struct mtls_buf *text,
				struct mtls_conf_source *source, struct mtls_diag *diag);

/*
 * As mtls_settings_*_load() below the file: @source is the content, and what the file's rules say
 * about several keys together is checked too. @ret is set on success only.
 */
int mtls_settings_pam_parse(const struct mtls_conf_source *source, struct mtls_settings_pam **ret,
			    struct mtls_diag *diag);
int mtls_settings_authd_parse(const struct mtls_conf_source *source,
			      struct mtls_settings_authd **ret, struct mtls_diag *diag);
int mtls_settings_accountd_parse(const struct mtls_conf_source *source,
				 struct mtls_settings_accountd **ret, struct mtls_diag *diag);

/* For `--dump-config`: appends every key with its value and source to @out. */
int mtls_settings_pam_dump(const char *path, const char *service, int argc, const char **argv,
			   struct mtls_buf *out, struct mtls_diag *diag);
int mtls_settings_authd_dump(const char *path, struct mtls_buf *out, struct mtls_diag *diag);
int mtls_settings_accountd_dump(const char *path, struct mtls_buf *out, struct mtls_diag *diag);

#endif
