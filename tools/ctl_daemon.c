/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One question to mtls-authd or mtls-accountd. Blocking; one thread. */
#include <config.h>

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/control/accounts.h"
#include "lib/settings/accountd.h"
#include "lib/settings/authd.h"
#include "tools/ctl_daemon.h"

/* Where it listens and who it is; a copy of the socket's path. */
static char *find_authd(uid_t *ret_owner)
{
	_cleanup_(mtls_settings_authd_freep) struct mtls_settings_authd *settings = NULL;
	const struct passwd *user;

	(void)mtls_settings_authd_load(MTLS_AUTHD_CONF, &settings, NULL);
	user = getpwnam(settings ? settings->user : "mtls-authd");
	*ret_owner = user ? user->pw_uid : 0;
	return strdup(settings ? settings->control_socket : MTLS_RUNDIR "/authd-control.sock");
}

static char *find_accountd(uid_t *ret_owner)
{
	_cleanup_(mtls_settings_accountd_freep) struct mtls_settings_accountd *settings = NULL;
	const struct passwd *user;

	(void)mtls_settings_accountd_load(MTLS_ACCOUNTD_CONF, &settings, NULL);
	user = getpwnam(settings ? settings->user : "mtls-accountd");
	*ret_owner = user ? user->pw_uid : 0;
	return strdup(settings ? settings->control_socket : MTLS_RUNDIR "/accountd-control.sock");
}

static const struct {
	const char *name;
	char *(*find)(uid_t *ret_owner);
	const char *with_systemd, *without;
} daemons[CTL_DAEMONS] = {
	[CTL_AUTHD] = { "mtls-authd", find_authd, "systemctl start mtls-authd", "mtls-authd &" },
	[CTL_ACCOUNTD] = { "mtls-accountd", find_accountd, "systemctl start mtls-accountd",
			   "mtls-accountd &" },
};

static int send_request(struct mtls_control *control, const char *verb, struct mtls_diag *diag)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = mtls_msg_new(MTLS_MSG_CONTROL_REQUEST);

	if (!request)
		return -ENOMEM;
	request->u.control_request.version = MTLS_CONTROL_VERSION;
	int r = mtls_msg_set_text(&request->u.control_request.verb, verb);
	return r < 0 ? r : mtls_control_send(control, request, diag);
}

static int keep(struct ctl_daemon *daemon, struct mtls_msg **item)
{
	if (daemon->count == CTL_ITEMS_MAX)
		return MTLS_E_LIMIT;
	struct mtls_msg **grown =
		reallocarray(daemon->items, daemon->count + 1, sizeof(*daemon->items));
	if (!grown)
		return -ENOMEM;
	daemon->items = grown;
	grown[daemon->count++] = MTLS_TAKE(*item);
	return 0;
}

static int receive_all(struct ctl_daemon *daemon, struct mtls_control *control)
{
	for (;;) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
		int r = mtls_control_receive(control, &msg, &daemon->diag);
		if (r < 0)
			return r;
		if (msg->type == MTLS_MSG_CONTROL_END) {
			daemon->end = MTLS_TAKE(msg);
			return 0;
		}
		r = keep(daemon, &msg);
		if (r < 0)
			return r;
	}
}

/* A refusal of the daemon as a sentence: it is an answer, and says nothing of its state. */
static int converse(struct ctl_daemon *daemon, uid_t owner, const char *verb, uint32_t patience_ms)
{
	_cleanup_(mtls_control_freep) struct mtls_control *control = NULL;

	if (!daemon->socket)
		return -ENOMEM;
	int r = mtls_control_connect(daemon->socket, owner, patience_ms, &control, &daemon->diag);
	if (r >= 0)
		r = send_request(control, verb, &daemon->diag);
	/* Who closed may have said why. */
	return r < 0 && r != MTLS_E_CLOSED ? r : receive_all(daemon, control);
}

void ctl_daemon_ask(struct ctl_daemon *daemon, enum ctl_daemon_kind kind, const char *verb,
		    uint32_t patience_ms)
{
	uid_t owner = 0;

	daemon->kind = kind;
	daemon->name = daemons[kind].name;
	daemon->socket = daemons[kind].find(&owner);
	daemon->err = converse(daemon, owner, verb, patience_ms);
	if (daemon->err == 0)
		daemon->state = CTL_DAEMON_ANSWERED;
	else if (daemon->err == -ENOENT || daemon->err == -ECONNREFUSED)
		daemon->state = CTL_DAEMON_DOWN;
	if (daemon->err && !daemon->diag.text[0])
		(void)mtls_diag_set(&daemon->diag, 0, "%s", mtls_strerror(daemon->err));
}

void ctl_daemon_done(struct ctl_daemon *daemon)
{
	for (size_t i = 0; i < daemon->count; i++)
		mtls_msg_free(daemon->items[i]);
	free(daemon->items);
	free(daemon->socket);
	mtls_msg_free(daemon->end);
	*daemon = (struct ctl_daemon){ 0 };
}

const struct mtls_control_fields *ctl_daemon_item(const struct ctl_daemon *daemon, const char *kind,
						  size_t *cursor)
{
	while (*cursor < daemon->count) {
		const struct mtls_control_item *item = &daemon->items[(*cursor)++]->u.control_item;
		if (mtls_streq(item->kind, kind))
			return &item->fields;
	}
	return NULL;
}

const char *ctl_field(const struct mtls_control_fields *fields, const char *name)
{
	const char *value = mtls_control_get(fields, name);

	return value ? value : "";
}

uint64_t ctl_field_u64(const struct mtls_control_fields *fields, const char *name)
{
	uint64_t number = 0;

	return mtls_parse_u64(ctl_field(fields, name), &number) < 0 ? 0 : number;
}

uint32_t ctl_field_u32(const struct mtls_control_fields *fields, const char *name)
{
	uint64_t number = ctl_field_u64(fields, name);

	return number > UINT32_MAX ? 0 : (uint32_t)number;
}

const char *ctl_start_command(enum ctl_daemon_kind kind)
{
	bool systemd = access("/run/systemd/system", F_OK) == 0;

	return systemd ? daemons[kind].with_systemd : daemons[kind].without;
}
