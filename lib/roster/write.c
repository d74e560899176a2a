/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries as lines of passwd(5), group(5), CSV: what the readers read again to the same. */
#include <config.h>

#include <string.h>

#include "lib/base/err.h"
#include "lib/roster/roster.h"

int mtls_roster_write_passwd(const struct mtls_roster_user *user, struct mtls_buf *out)
{
	if (user->uid == MTLS_ROSTER_NO_ID || user->gid == MTLS_ROSTER_NO_ID || !user->home ||
	    !user->shell)
		return MTLS_E_SYNTAX;
	return mtls_buf_printf(out, "%s:*:%u:%u:%s:%s:%s\n", user->name, user->uid, user->gid,
			       user->gecos ? user->gecos : "", user->home, user->shell);
}

int mtls_roster_write_group(const struct mtls_roster_group *group, struct mtls_buf *out)
{
	if (group->gid == MTLS_ROSTER_NO_ID)
		return MTLS_E_SYNTAX;
	(void)mtls_buf_printf(out, "%s:*:%u:", group->name, group->gid);
	for (size_t i = 0; i < group->member_count; i++) {
		if (i)
			(void)mtls_buf_append_byte(out, ',');
		(void)mtls_buf_append_str(out, group->members[i]);
	}
	return mtls_buf_append_byte(out, '\n');
}

int mtls_roster_write_csv_header(struct mtls_buf *out)
{
	return mtls_buf_append_str(out, "name,uid,gid,gecos,home,shell,groups\r\n");
}

static void put_text(const char *text, struct mtls_buf *out)
{
	if (!text || !*text)
		return;
	if (!strpbrk(text, ",\"")) {
		(void)mtls_buf_append_str(out, text);
		return;
	}
	(void)mtls_buf_append_byte(out, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"')
			(void)mtls_buf_append_byte(out, '"');
		(void)mtls_buf_append_byte(out, (uint8_t)*p);
	}
	(void)mtls_buf_append_byte(out, '"');
}

static void put_id(uint32_t id, struct mtls_buf *out)
{
	if (id != MTLS_ROSTER_NO_ID)
		(void)mtls_buf_printf(out, "%u", id);
}

int mtls_roster_write_csv(const struct mtls_roster_user *user, struct mtls_buf *out)
{
	(void)mtls_buf_printf(out, "%s,", user->name);
	put_id(user->uid, out);
	(void)mtls_buf_append_byte(out, ',');
	put_id(user->gid, out);
	const char *const texts[] = { user->gecos, user->home, user->shell };
	for (size_t i = 0; i < MTLS_COUNT(texts); i++) {
		(void)mtls_buf_append_byte(out, ',');
		put_text(texts[i], out);
	}
	(void)mtls_buf_append_byte(out, ',');
	for (size_t i = 0; user->groups && user->groups[i]; i++) {
		if (i)
			(void)mtls_buf_append_byte(out, ';');
		(void)mtls_buf_append_str(out, user->groups[i]);
	}
	return mtls_buf_append_str(out, "\r\n");
}
