/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PAM items. The limits are those of AuthRequest: what does not fit is left out, except for the
 * service, by which rules decide.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <security/pam_ext.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "pam_mtls/items.h"

#define SERVICE_MAX 64
#define TTY_MAX     64
#define RHOST_MAX   255
#define RUSER_MAX   256

static const char *get(pam_handle_t *pamh, int item)
{
	const void *value = NULL;
	if (pam_get_item(pamh, item, &value) != PAM_SUCCESS || !value)
		return NULL;
	const char *text = value;
	return *text ? text : NULL;
}

static bool fits(const char *text, size_t max)
{
	size_t len = strlen(text);
	const uint8_t *bytes = (const uint8_t *)text;
	return len <= max && mtls_utf8_valid(bytes, len) && !mtls_has_control(bytes, len);
}

static int copy(const char *text, char **ret)
{
	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int copy_fit(const char *text, size_t max, char **ret)
{
	return text && fits(text, max) ? copy(text, ret) : 0;
}

int items_read(pam_handle_t *pamh, int flags, struct items *ret)
{
	const char *service = get(pamh, PAM_SERVICE), *rhost = get(pamh, PAM_RHOST);
	const void *conv = NULL;
	struct items items = { .has_rhost = rhost != NULL };
	items.prompt.silent = (flags & PAM_SILENT) != 0;
	if (pam_get_item(pamh, PAM_CONV, &conv) == PAM_SUCCESS)
		items.prompt.conv = conv;
	int rc = service && fits(service, SERVICE_MAX) ? 0 : MTLS_E_SYNTAX;
	if (rc == 0)
		rc = copy(service, &items.service);
	if (rc == 0)
		rc = copy(get(pamh, PAM_USER), &items.user);
	if (rc == 0)
		rc = copy_fit(get(pamh, PAM_TTY), TTY_MAX, &items.tty);
	if (rc == 0)
		rc = copy_fit(rhost, RHOST_MAX, &items.rhost);
	if (rc == 0)
		rc = copy_fit(get(pamh, PAM_RUSER), RUSER_MAX, &items.ruser);
	*ret = items;
	return rc;
}

void items_done(struct items *items)
{
	free(items->service);
	free(items->user);
	free(items->tty);
	free(items->rhost);
	free(items->ruser);
	*items = (struct items){ 0 };
}

int items_ask_user(pam_handle_t *pamh, struct items *items)
{
	if (!prompt_possible(&items->prompt))
		return -EIO;
	const char *name = NULL;
	int rc = pam_get_user(pamh, &name, NULL);
	if (rc == PAM_BUF_ERR)
		return -ENOMEM;
	if (rc != PAM_SUCCESS)
		return -EIO;
	if (!name || !*name)
		return MTLS_E_NOTFOUND;
	free(items->user);
	items->user = NULL;
	return copy(name, &items->user);
}
