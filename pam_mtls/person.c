/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host kind, person, locality, allowed sources. Pure; any thread.
 *
 * Files need no locality: what protects them is their passphrase. Nor do agents and forwarded
 * tokens, which are the person's own wherever they are. Devices at this machine do.
 */
#include <config.h>

#include <string.h>

#include "lib/base/str.h"
#include "pam_mtls/console.h"
#include "pam_mtls/person.h"

static bool is_set(const char *text)
{
	return text && *text;
}

static enum person_host host_kind(uid_t ruid, uid_t euid)
{
	if (euid == 0)
		return ruid == 0 ? PERSON_HOST_ROOT : PERSON_HOST_SETUID;
	/* Setuid to somebody else than root: it can neither be the person nor become them. */
	return ruid == euid ? PERSON_HOST_UNPRIVILEGED : PERSON_HOST_NONE;
}

static void add_source(struct person *person, const struct person_source *source)
{
	if (person->source_count < PERSON_SOURCES_MAX)
		person->sources[person->source_count++] = *source;
}

static bool has_home(const struct user *user)
{
	return user->home && user->home[0] == '/';
}

static bool has_modules(const struct mtls_settings_pam *settings)
{
	return settings->pkcs11_modules && settings->pkcs11_modules[0];
}

/*
 * Whether a key counts only if a secret was given in this conversation. Where it is not: programs
 * that run for the person, who owns the key and has a session already.
 */
static bool presence_required(const struct person_facts *facts, const struct person *person,
			      enum mtls_source_kind kind)
{
	return person->host != PERSON_HOST_SETUID ||
	       mtls_settings_presence_required(facts->settings->presence, facts->service, kind);
}

/* The folder ~/.config/mtls of @user; nothing where the account has no usable home. */
static void add_folder(const struct person_facts *facts, struct person *person,
		       const struct user *user)
{
	if (has_home(user))
		add_source(person,
			   &(struct person_source){ .kind = MTLS_SOURCE_FILE,
						    .user = user,
						    .home = true,
						    .secret_required = presence_required(
							    facts, person, MTLS_SOURCE_FILE) });
}

/* Cards and TPMs at this machine: for whoever sits in front of it. */
static void add_devices(const struct person_facts *facts, struct person *person,
			const struct user *user, bool home)
{
	if (!has_modules(facts->settings))
		return;
	if (!person->local) {
		person->not_local = true;
		return;
	}
	add_source(person, &(struct person_source){ .kind = MTLS_SOURCE_PKCS11,
						    .user = user,
						    .home = home && has_home(user),
						    .secret_required = presence_required(
							    facts, person, MTLS_SOURCE_PKCS11) });
}

/* What listens on a socket of the person's; only the signer, as the person, goes there. */
static void add_socket(const struct person_facts *facts, struct person *person,
		       enum mtls_source_kind kind, const char *address)
{
	add_source(person, &(struct person_source){
				   .kind = kind,
				   .user = facts->caller,
				   .home = has_home(facts->caller),
				   .address = address,
				   .secret_required = presence_required(facts, person, kind) });
}

static void add_for_caller(const struct person_facts *facts, struct person *person,
			   enum mtls_source_kind kind)
{
	switch (kind) {
	case MTLS_SOURCE_FILE:
		add_folder(facts, person, facts->caller);
		break;
	case MTLS_SOURCE_PKCS11:
		add_devices(facts, person, facts->caller, true);
		break;
	case MTLS_SOURCE_P11_KIT:
		add_socket(facts, person, kind, facts->p11_address);
		break;
	case MTLS_SOURCE_AGENT:
		add_socket(facts, person, kind, facts->agent_socket);
		break;
	case MTLS_SOURCES:
	default:
		break;
	}
}

/* A locker's: what is in front of the person, no agent, which would unlock by itself. */
static void add_for_locker(const struct person_facts *facts, struct person *person,
			   enum mtls_source_kind kind)
{
	if (kind == MTLS_SOURCE_FILE)
		add_folder(facts, person, facts->claimed);
	else if (kind == MTLS_SOURCE_PKCS11)
		add_devices(facts, person, facts->claimed, true);
}

static bool has_files(const struct person_facts *facts)
{
	return facts->settings->key_files && facts->settings->key_files[0];
}

/* Root's programs use keys of the machine as a system user, which has to be there. */
static bool signer_usable(const struct person_facts *facts)
{
	return facts->signer && facts->signer->uid != 0;
}

/* @claimed: the account whose own files may be looked at; NULL: none. */
static void add_for_root(const struct person_facts *facts, struct person *person,
			 enum mtls_source_kind kind, const struct user *claimed)
{
	if (kind == MTLS_SOURCE_PKCS11 && signer_usable(facts))
		add_devices(facts, person, facts->signer, false);
	if (kind != MTLS_SOURCE_FILE)
		return;
	if (has_files(facts) && signer_usable(facts))
		add_source(person, &(struct person_source){ .kind = kind,
							    .user = facts->signer,
							    .files = facts->settings->key_files,
							    .secret_required = true });
	if (claimed)
		add_folder(facts, person, claimed);
}

/* The kinds in the administrator's order, each once. */
static size_t kinds_of(const struct mtls_settings_pam *settings,
		       enum mtls_source_kind kinds[MTLS_SOURCES])
{
	bool seen[MTLS_SOURCES] = { false };
	size_t count = 0;

	for (char *const *word = settings->sources; word && *word; word++) {
		int kind = mtls_source_from_word(*word);
		if (kind < 0 || seen[kind])
			continue;
		seen[kind] = true;
		kinds[count++] = (enum mtls_source_kind)kind;
	}
	return count;
}

static enum mtls_reason why_none(const struct person *person)
{
	return person->not_local ? MTLS_REASON_NOT_LOCAL : MTLS_REASON_NO_SOURCE;
}

static enum mtls_reason identify_setuid(const struct person_facts *facts, struct person *person)
{
	enum mtls_source_kind kinds[MTLS_SOURCES];

	if (!facts->caller || facts->caller->uid != facts->ruid)
		return MTLS_REASON_USER_UNKNOWN;
	person->change_user = true;
	for (size_t i = 0, count = kinds_of(facts->settings, kinds); i < count; i++)
		add_for_caller(facts, person, kinds[i]);
	return person->source_count ? MTLS_REASON_ALLOWED : why_none(person);
}

static enum mtls_reason identify_unprivileged(const struct person_facts *facts,
					      struct person *person)
{
	enum mtls_source_kind kinds[MTLS_SOURCES];

	if (!is_set(facts->claimed_name)) {
		person->needs_name = true;
		return MTLS_REASON_ALLOWED;
	}
	if (!facts->claimed || facts->claimed->uid != facts->ruid)
		return MTLS_REASON_NOT_PERSON;
	for (size_t i = 0, count = kinds_of(facts->settings, kinds); i < count; i++)
		add_for_locker(facts, person, kinds[i]);
	return person->source_count ? MTLS_REASON_ALLOWED : why_none(person);
}

/*
 * Why the claimed user's own files, in a host that runs as root, are not looked at: only those of
 * accounts that could be entered at all, never under uid 0.
 */
static enum mtls_reason judge_claimed(const struct person_facts *facts)
{
	if (!is_set(facts->claimed_name) || facts->claimed->uid == 0)
		return MTLS_REASON_NO_SOURCE;
	return facts->claimed->uid < facts->settings->min_uid ? MTLS_REASON_MIN_UID
							      : MTLS_REASON_ALLOWED;
}

static bool wants(const enum mtls_source_kind *kinds, size_t count, enum mtls_source_kind kind)
{
	for (size_t i = 0; i < count; i++)
		if (kinds[i] == kind)
			return true;
	return false;
}

static enum mtls_reason identify_root(const struct person_facts *facts, struct person *person)
{
	enum mtls_source_kind kinds[MTLS_SOURCES];
	size_t count = kinds_of(facts->settings, kinds);
	enum mtls_reason reason = judge_claimed(facts);
	const struct user *claimed = reason == MTLS_REASON_ALLOWED ? facts->claimed : NULL;

	person->change_user = true;
	for (size_t i = 0; i < count; i++)
		add_for_root(facts, person, kinds[i], claimed);
	person->needs_name = !person->source_count && !is_set(facts->claimed_name);
	if (person->source_count || person->needs_name)
		return MTLS_REASON_ALLOWED;
	if (reason == MTLS_REASON_MIN_UID)
		return reason;
	/* Keys of the machine without the system user that uses them: somebody has to mend that. */
	bool machine = (wants(kinds, count, MTLS_SOURCE_FILE) && has_files(facts)) ||
		       (wants(kinds, count, MTLS_SOURCE_PKCS11) && has_modules(facts->settings));
	return machine && !signer_usable(facts) ? MTLS_REASON_CONFIG : why_none(person);
}

enum mtls_reason person_identify(const struct person_facts *facts, struct person *ret)
{
	struct person person = { .host = host_kind(facts->ruid, facts->euid),
				 .local = person_is_local(facts) };
	enum mtls_reason reason = MTLS_REASON_NO_SOURCE;
	/*
	 * The person is elsewhere, and so is the key: the relay's business. Before the name is
	 * looked at: sshd shows our words to whoever connects, and they must not tell which
	 * accounts exist.
	 */
	if (person.host == PERSON_HOST_ROOT && is_set(facts->rhost))
		reason = MTLS_REASON_NO_SOURCE;
	else if (is_set(facts->claimed_name) && !facts->claimed)
		reason = MTLS_REASON_USER_UNKNOWN;
	else if (person.host == PERSON_HOST_SETUID)
		reason = identify_setuid(facts, &person);
	else if (person.host == PERSON_HOST_ROOT)
		reason = identify_root(facts, &person);
	else if (person.host == PERSON_HOST_UNPRIVILEGED)
		reason = identify_unprivileged(facts, &person);
	*ret = person;
	return reason;
}

bool person_is_local(const struct person_facts *facts)
{
	if (is_set(facts->rhost) || facts->seat == PERSON_SEAT_REMOTE)
		return false;
	if (facts->seat == PERSON_SEAT_LOCAL)
		return true;
	return console_has(facts->tty, facts->settings->local_ttys);
}

const char *person_host_name(enum person_host host)
{
	static const char *const names[] = {
		[PERSON_HOST_NONE] = "none",
		[PERSON_HOST_SETUID] = "setuid",
		[PERSON_HOST_ROOT] = "root",
		[PERSON_HOST_UNPRIVILEGED] = "unprivileged",
	};
	return (unsigned int)host < MTLS_COUNT(names) ? names[host] : "?";
}
