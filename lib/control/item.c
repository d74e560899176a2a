/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making of items: what a daemon tells comes from files and causes, so any byte may be in it. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/control/item.h"

const char *mtls_control_number(struct mtls_control_number *out, uint64_t value)
{
	(void)snprintf(out->text, sizeof(out->text), "%llu", (unsigned long long)value);
	return out->text;
}

/* A copy that a message can carry, or NULL when memory is short. */
static char *sendable(const char *text, size_t max)
{
	char *copy = strndup(text, max);

	if (!copy)
		return NULL;
	size_t len = strlen(copy);
	if (mtls_utf8_valid((const uint8_t *)copy, len) &&
	    !mtls_has_control((const uint8_t *)copy, len))
		return copy;
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	return copy;
}

int mtls_control_item_new(const char *kind, const struct mtls_control_pair *pairs, size_t count,
			  struct mtls_msg **ret)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_CONTROL_ITEM);
	if (!msg)
		return -ENOMEM;
	struct mtls_control_item *item = &msg->u.control_item;
	int r = mtls_msg_set_text(&item->kind, kind);
	for (size_t i = 0; r >= 0 && i < count; i++) {
		if (!pairs[i].value)
			continue;
		_cleanup_free_ char *value = sendable(pairs[i].value, MTLS_CONTROL_VALUE_MAX);
		r = value ? mtls_control_add(&item->fields, pairs[i].name, value) : -ENOMEM;
	}
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(msg);
	return 0;
}

int mtls_control_set_sentence(char **field, const char *text)
{
	_cleanup_free_ char *copy = sendable(text, MTLS_CONTROL_TEXT_MAX);

	return copy ? mtls_msg_set_text(field, copy) : -ENOMEM;
}
