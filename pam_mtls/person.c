/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Host kind, person, locality, allowed sources. Pure; any thread.
 *
 * Files need no locality: what protects them is their passphrase. Devices will (person_is_local).
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

/* The folder ~/.config/mtls of @user; false where the account has no usable home. */
static bool add_home(struct person *person, const struct user *user, bool secret_required)
{
	if (!user->home || user->home[0] != '/')
		return false;
	add_source(person,
		   &(struct person_source){ .user = user, .secret_required = secret_required });
	return true;
}

static enum mtls_reason identify_setuid(const struct person_facts *facts, struct person *person)
{
	if (!facts->caller || facts->caller->uid != facts->ruid)
		return MTLS_REASON_USER_UNKNOWN;
	person->change_user = true;
	person->presence_required = facts->settings->presence != MTLS_PRESENCE_NOT_REQUIRED;
	return add_home(person, facts->caller, false) ? MTLS_REASON_ALLOWED : MTLS_REASON_NO_SOURCE;
}

static enum mtls_reason identify_unprivileged(const struct person_facts *facts,
					      struct person *person)
{
	if (!is_set(facts->claimed_name)) {
		person->needs_name = true;
		return MTLS_REASON_ALLOWED;
	}
	if (!facts->claimed || facts->claimed->uid != facts->ruid)
		return MTLS_REASON_NOT_PERSON;
	person->presence_required = true;
	return add_home(person, facts->claimed, false) ? MTLS_REASON_ALLOWED
						       : MTLS_REASON_NO_SOURCE;
}

/*
 * The claimed user's own files, in a host that runs as root: only for accounts that could be
 * entered at all, never under uid 0, and only for a passphrase typed now.
 */
static enum mtls_reason add_claimed(const struct person_facts *facts, struct person *person)
{
	if (facts->claimed->uid == 0)
		return MTLS_REASON_NO_SOURCE;
	if (facts->claimed->uid < facts->settings->min_uid)
		return MTLS_REASON_MIN_UID;
	return add_home(person, facts->claimed, true) ? MTLS_REASON_ALLOWED : MTLS_REASON_NO_SOURCE;
}

static enum mtls_reason identify_root(const struct person_facts *facts, struct person *person)
{
	const struct mtls_settings_pam *settings = facts->settings;
	person->change_user = true;
	person->presence_required = true;
	bool has_files = settings->key_files && settings->key_files[0];
	if (has_files && facts->signer && facts->signer->uid != 0)
		add_source(person, &(struct person_source){ .user = facts->signer,
							    .files = settings->key_files });
	enum mtls_reason reason = MTLS_REASON_NO_SOURCE;
	if (is_set(facts->claimed_name))
		reason = add_claimed(facts, person);
	else if (person->source_count == 0)
		person->needs_name = true;
	if (person->source_count > 0 || person->needs_name)
		return MTLS_REASON_ALLOWED;
	/* key_files without the system user that opens them: somebody has to mend that. */
	return has_files && reason == MTLS_REASON_NO_SOURCE ? MTLS_REASON_CONFIG : reason;
}

enum mtls_reason person_identify(const struct person_facts *facts, struct person *ret)
{
	struct person person = { .host = host_kind(facts->ruid, facts->euid),
				 .local = person_is_local(facts),
				 .presence_required = true };
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
