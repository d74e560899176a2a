/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all settings share: checks of single values, reading the file, the list of tables. */
#include <config.h>

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "lib/base/str.h"
#include "lib/name/account.h"
#include "lib/settings/settings.h"

#define HOST_MAX  253
#define LABEL_MAX 63

static bool label_valid(const char *label, size_t len)
{
	if (len == 0 || len > LABEL_MAX || label[0] == '-' || label[len - 1] == '-')
		return false;
	return strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") >=
	       len;
}

bool mtls_settings_host_valid(const char *value)
{
	const char *cursor = value;
	size_t len;

	if (!*value || strlen(value) > HOST_MAX)
		return false;
	for (const char *label; (label = mtls_split_next(&cursor, '.', &len));)
		if (!label_valid(label, len))
			return false;
	return true;
}

bool mtls_settings_socket_valid(const char *path)
{
	return path[0] == '/' && path[1] &&
	       strlen(path) < sizeof((struct sockaddr_un){ 0 }.sun_path);
}

static bool port_valid(const char *text)
{
	uint32_t port;

	return mtls_parse_u32(text, &port) == 0 && port > 0 && port <= 65535;
}

/*
 * Splits "HOST", "HOST:PORT", "[V6]", "[V6]:PORT"; *@ret_port is NULL without a port. False if it
 * has another shape.
 */
static bool split_port(const char *text, char *host, size_t size, bool *ret_v6,
		       const char **ret_port)
{
	*ret_v6 = text[0] == '[';
	size_t skip = *ret_v6 ? 1 : 0;
	size_t len = strcspn(text + skip, *ret_v6 ? "]" : ":");
	const char *rest = text + skip + len;

	if (len >= size)
		return false;
	memcpy(host, text + skip, len);
	host[len] = '\0';
	if (*ret_v6 && *rest++ != ']')
		return false;
	if (*rest && *rest != ':')
		return false;
	*ret_port = *rest ? rest + 1 : NULL;
	return true;
}

static bool ipv6_valid(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET6, text, &address) == 1;
}

bool mtls_settings_server_valid(const char *value)
{
	char host[HOST_MAX + 1];
	const char *port;
	bool v6;

	if (strncmp(value, "unix:", 5) == 0)
		return mtls_settings_socket_valid(value + 5);
	if (strncmp(value, "tcp:", 4) != 0)
		return false;
	if (!split_port(value + 4, host, sizeof(host), &v6, &port) || (port && !port_valid(port)))
		return false;
	return v6 ? ipv6_valid(host) : mtls_settings_host_valid(host);
}

bool mtls_settings_listen_valid(const char *value)
{
	char host[HOST_MAX + 1];
	struct in_addr address;
	const char *port;
	bool v6;

	if (strncmp(value, "unix:", 5) == 0)
		return mtls_settings_socket_valid(value + 5);
	if (strncmp(value, "tcp:", 4) != 0)
		return false;
	if (!split_port(value + 4, host, sizeof(host), &v6, &port) || !port || !port_valid(port))
		return false;
	return v6 ? ipv6_valid(host) : inet_pton(AF_INET, host, &address) == 1;
}

bool mtls_settings_user_valid(const char *value)
{
	return mtls_account_name_valid(value, strlen(value));
}

int mtls_settings_read(const char *path, bool optional, struct mtls_buf *text,
		       struct mtls_conf_source *source, struct mtls_diag *diag)
{
	source->name = path;
	source->data = NULL;
	source->len = 0;
	int r = mtls_conf_read(path, optional, text, diag);
	if (r <= 0)
		return r;
	/* An empty file is not a missing one. */
	source->data = text->data ? text->data : (const uint8_t *)"";
	source->len = text->len;
	return 0;
}

const struct mtls_conf_table *mtls_settings_table(size_t index)
{
	static const struct mtls_conf_table *const all[] = {
		&mtls_settings_pam_table,
		&mtls_settings_authd_table,
		&mtls_settings_accountd_table,
	};

	return index < MTLS_COUNT(all) ? all[index] : NULL;
}

bool mtls_settings_pkcs11_uri_valid(const char *value)
{
	static const char scheme[] = "pkcs11:";
	/* Older readers take these from the path too. */
	static const char *const refused[] = { "pin-value", "pin-source", "module-path",
					       "module-name" };

	if (strncmp(value, scheme, sizeof(scheme) - 1) != 0)
		return false;
	for (const char *c = value; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '?')
			return false;
	for (size_t i = 0; i < MTLS_COUNT(refused); i++)
		if (strcasestr(value, refused[i]))
			return false;
	return true;
}

bool mtls_settings_variable_valid(const char *value)
{
	size_t name = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	if (name == 0 || value[name] != '=' || (value[0] >= '0' && value[0] <= '9'))
		return false;
	for (const char *c = value; *c; c++)
		if (*c < ' ' || *c > '~')
			return false;
	return true;
}
