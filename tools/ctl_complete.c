/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Completion from the same tables that are parsed and shown by --help. Says nothing where it cannot
 * know: a person presses the key again. One thread.
 */
#include <config.h>

#include <dirent.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/wire/reason.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_complete.h"

#define PAM_FOLDER "/etc/pam.d"

static void offer(const char *typed, const char *word, const char *help)
{
	size_t line = strcspn(help, "\n");

	if (strncmp(word, typed, strlen(typed)) == 0)
		(void)printf("%s%s%.*s\n", word, *help ? "\t" : "", (int)line, help);
}

/* --- values --- */

static void offer_files(const char *typed)
{
	(void)typed;
	(void)puts(":files");
}

static void offer_folders(const char *typed)
{
	(void)typed;
	(void)puts(":folders");
}

static void offer_services(const char *typed)
{
	DIR *folder = opendir(PAM_FOLDER);

	if (!folder)
		return;
	for (int i = 0; i < CTL_CANDIDATES_MAX; i++) {
		const struct dirent *entry = readdir(folder);
		if (!entry)
			break;
		if (*entry->d_name != '.')
			offer(typed, entry->d_name, "");
	}
	(void)closedir(folder);
}

static void offer_reasons(const char *typed)
{
	int reason;

	for (unsigned int i = 0; (reason = mtls_reason_at(i)) >= 0; i++)
		offer(typed, mtls_reason_token(reason), mtls_reason_text(reason));
}

/* Every source that lists its users, ours among them where nsswitch.conf has it. */
static void offer_users(const char *typed)
{
	int left = CTL_CANDIDATES_MAX;

	setpwent();
	for (const struct passwd *user; left > 0 && (user = getpwent());) {
		if (strncmp(user->pw_name, typed, strlen(typed)) != 0)
			continue;
		offer(typed, user->pw_name, "");
		left--;
	}
	endpwent();
}

/* @lead goes before each name: the part of a list that is typed already. */
static void offer_published(const char *lead, const char *typed, struct mtls_acct_str name)
{
	size_t len = strlen(typed);

	if (name.len >= len && memcmp(name.data, typed, len) == 0)
		(void)printf("%s%.*s\n", lead, (int)name.len, name.data);
}

static void offer_accounts(const char *typed)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_free_ struct mtls_acct_user *users = NULL;
	size_t count = 0;

	if (ctl_accounts_read(&accounts) != CTL_OK ||
	    ctl_snapshot_users(&accounts.snapshot, &users, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		offer_published("", typed, users[i].name);
}

static void offer_groups_behind(const char *lead, const char *typed)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_free_ struct mtls_acct_group *groups = NULL;
	size_t count = 0;

	if (ctl_accounts_read(&accounts) != CTL_OK ||
	    ctl_snapshot_groups(&accounts.snapshot, false, &groups, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		offer_published(lead, typed, groups[i].name);
}

static void offer_groups(const char *typed)
{
	offer_groups_behind("", typed);
}

static void offer_group_list(const char *typed)
{
	const char *comma = strrchr(typed, ',');
	_cleanup_free_ char *lead = comma ? strndup(typed, (size_t)(comma + 1 - typed)) : NULL;

	if (comma && !lead)
		return;
	offer_groups_behind(lead ? lead : "", comma ? comma + 1 : typed);
}

/* What stands for a value in the help; another word is free text. */
static const struct {
	const char *value;
	void (*offer)(const char *typed);
} kinds[] = {
	{ "ACCOUNT", offer_accounts }, { "DIR", offer_folders },
	{ "FILE", offer_files },       { "FOLDER", offer_folders },
	{ "GROUP", offer_groups },     { "GROUP,...", offer_group_list },
	{ "REASON", offer_reasons },   { "SERVICE", offer_services },
	{ "USER", offer_users },
};

static void offer_choice(const char *choices, const char *typed)
{
	_cleanup_free_ char *copy = strdup(choices);
	char *rest = copy;

	/* Capital letters stand for free text. */
	for (const char *word; copy && (word = strsep(&rest, "|"));)
		if (*word < 'A' || *word > 'Z')
			offer(typed, word, "");
}

static void offer_value(const char *value, const char *typed)
{
	if (strchr(value, '|')) {
		offer_choice(value, typed);
		return;
	}
	for (size_t i = 0; i < MTLS_COUNT(kinds); i++)
		if (mtls_streq(kinds[i].value, value))
			kinds[i].offer(typed);
}

/* --- words --- */

static void offer_options(const struct ctl_action *action, const char *typed)
{
	for (const struct ctl_option *o = action->options; o->name; o++) {
		char word[64];
		(void)snprintf(word, sizeof(word), "--%s", o->name);
		offer(typed, word, o->help);
	}
	offer(typed, "--help", "show how it is used");
}

static const struct ctl_option *find_option(const struct ctl_action *action, const char *word)
{
	if (strncmp(word, "--", 2) != 0)
		return NULL;
	for (const struct ctl_option *o = action->options; o->name; o++)
		if (mtls_streq(o->name, word + 2))
			return o;
	return NULL;
}

static void complete_action(const struct ctl_action *action, int count, char **words)
{
	const char *typed = words[count - 1];
	const struct ctl_option *before = NULL;
	char value[CTL_VALUE_MAX];
	int arguments = 0;

	for (int i = 0; i < count - 1; i++) {
		const struct ctl_option *option = before ? NULL : find_option(action, words[i]);
		if (!before && !option && *words[i] != '-')
			arguments++;
		before = option && option->value ? option : NULL;
	}
	if (before)
		offer_value(before->value, typed);
	else if (*typed != '-' && ctl_action_argument(action, arguments, value))
		offer_value(value, typed);
	else
		offer_options(action, typed);
}

static void complete_command(const struct ctl_command *command, int count, char **words)
{
	const struct ctl_action *actions = command->actions;

	if (!*actions->name) {
		complete_action(actions, count, words);
		return;
	}
	for (size_t i = 0; i < command->count; i++) {
		if (count == 1)
			offer(words[0], actions[i].name, actions[i].help);
		else if (mtls_streq(words[0], actions[i].name))
			complete_action(&actions[i], count - 1, words + 1);
	}
	if (count == 1)
		offer(words[0], "--help", "show how it is used");
}

void ctl_complete(int count, char **words)
{
	const struct ctl_command *command;

	if (count < 1)
		return;
	for (size_t i = 0; (command = ctl_command_at(i)); i++) {
		if (count == 1)
			offer(words[0], command->name, command->help);
		else if (mtls_streq(words[0], command->name))
			complete_command(command, count - 1, words + 1);
	}
	if (count > 1)
		return;
	offer(words[0], "--help", "list the commands");
	offer(words[0], "--version", "show the version");
}
