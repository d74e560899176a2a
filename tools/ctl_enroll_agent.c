/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys in the person's agent. Where it listens is only a hint, wherever it comes from: a child that
 * is the person connects, and only to a socket that is the person's.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "lib/agent/agent.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_enroll_agent.h"
#include "tools/ctl_proc.h"

#define VARIABLE    "SSH_AUTH_SOCK="
#define ENVIRON_MAX (1024 * 1024)
#define PATIENCE_MS 10000
#define DIGEST_LEN  32

/* --- where it listens --- */

static bool take(const char *value, char out[PATH_MAX])
{
	return value && *value == '/' && !mtls_has_control((const uint8_t *)value, strlen(value)) &&
	       mtls_strcopy(out, PATH_MAX, value) >= 0;
}

/* sudo and su clean their environment: that of the shell behind them has it. */
static bool take_of(pid_t pid, char out[PATH_MAX])
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF_SECRET(ENVIRON_MAX);
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || mtls_fd_read_all(fd, &text) < 0)
		return false;
	const char *block = mtls_buf_cstr(&text);
	for (size_t at = 0; block && at < text.len; at += strlen(block + at) + 1)
		if (strncmp(block + at, VARIABLE, strlen(VARIABLE)) == 0)
			return take(block + at + strlen(VARIABLE), out);
	return false;
}

void enroll_key_agent_socket(char out[PATH_MAX])
{
	struct ctl_proc ancestors[CTL_PROC_MAX];
	const size_t count = ctl_proc_ancestors(ancestors);

	*out = '\0';
	if (take(getenv("SSH_AUTH_SOCK"), out))
		return;
	for (size_t i = 0; i < count; i++)
		if (take_of(ancestors[i].pid, out))
			return;
}

/* --- in the child --- */

struct visit {
	const struct enroll_key *key;
	uid_t owner;
};

/* As ssh-add -l shows it. */
static bool set_fingerprint(struct enroll_found *found, const struct mtls_agent_key *agent_key)
{
	uint8_t digest[DIGEST_LEN];
	const gnutls_datum_t data = { digest, sizeof(digest) };
	gnutls_datum_t text = { NULL, 0 };

	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, agent_key->blob, agent_key->blob_len, digest) < 0 ||
	    gnutls_base64_encode2(&data, &text) < 0)
		return false;
	size_t len = text.size;
	while (len && text.data[len - 1] == '=')
		len--;
	(void)snprintf(found->fingerprint, sizeof(found->fingerprint), "SHA256:%.*s", (int)len,
		       (const char *)text.data);
	gnutls_free(text.data);
	return true;
}

static bool is_meant(const struct enroll_key_words *words, const struct enroll_found *found)
{
	return (!words->comment || mtls_streq(words->comment, found->label)) &&
	       (!words->fingerprint || mtls_streq(words->fingerprint, found->fingerprint));
}

static void add(const struct visit *v, const struct mtls_agent_key *agent_key, struct mtls_buf *out)
{
	struct enroll_found found = { .id_len = 0 };
	char comment[MTLS_AGENT_COMMENT_MAX + 1];

	mtls_agent_key_comment(agent_key, comment);
	(void)mtls_strcopy(found.label, sizeof(found.label), comment);
	found.spki_len = mtls_agent_key_spki(agent_key, found.spki);
	if (set_fingerprint(&found, agent_key) && is_meant(&v->key->words, &found) &&
	    out->len / sizeof(found) < ENROLL_KEYS_MAX)
		(void)enroll_found_add(out, &found);
}

static int list(const struct visit *v, struct mtls_agent *agent, struct mtls_buf *out,
		struct mtls_diag *diag)
{
	struct mtls_agent_keys keys = { 0 };
	char words[MTLS_AGENT_WORDS_MAX] = "";
	struct mtls_diag why = { 0 };

	int r = mtls_agent_list(agent, mtls_deadline_in_ms(PATIENCE_MS), &keys, &why);
	if (r < 0)
		return mtls_diag_set(diag, r, "the agent at '%s' does not say what it has: %s",
				     v->key->socket, mtls_diag_text(&why, r));
	for (size_t i = 0; i < keys.count; i++)
		add(v, &keys.key[i], out);
	mtls_agent_words(&keys, words);
	mtls_agent_keys_done(&keys);
	if (!out->len)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND,
				     "the agent at '%s' has no such key that can be used%s%s",
				     v->key->socket, *words ? ": " : "", words);
	return out->err;
}

static int visit(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	const struct visit *v = ctx;
	_cleanup_(mtls_agent_freep) struct mtls_agent *agent = NULL;
	struct mtls_diag why = { 0 };

	int r = mtls_agent_connect(v->key->socket, v->owner, mtls_deadline_in_ms(PATIENCE_MS),
				   &agent, &why);
	if (r == MTLS_E_UNTRUSTED)
		return mtls_diag_set(diag, r, "the agent at '%s' is not the person's: %s",
				     v->key->socket, mtls_diag_text(&why, r));
	if (r < 0)
		return mtls_diag_set(diag, r, "no agent answers at '%s': %s", v->key->socket,
				     mtls_diag_text(&why, r));
	return list(v, agent, out, diag);
}

int enroll_agent_find(struct enroll_key *key, const struct ctl_person *person,
		      struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf found_list = MTLS_BUF(CTL_PERSON_OUT_MAX);
	struct visit v = { .key = key, .owner = person->uid };
	static struct enroll_found found;

	if (key->words.socket)
		(void)mtls_strcopy(key->socket, sizeof(key->socket), key->words.socket);
	else
		enroll_key_agent_socket(key->socket);
	if (!*key->socket)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND,
				     "no SSH_AUTH_SOCK says where the agent is: --socket FILE");
	int r = ctl_as_person(person, visit, &v, &found_list, diag);
	return r < 0 ? r : enroll_found_choose(key, &found_list, "in the agent", &found, diag);
}
