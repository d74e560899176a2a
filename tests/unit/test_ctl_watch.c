/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a card counts as removed: stories, each a line of what is seen and when. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "tools/ctl_watch.h"

#define DELAY 1000

/*
 * A story is words "TIME:WHAT", where WHAT is + (there), - (not there), ? (nobody can tell),
 * ! (trouble) or . (only time passes); @fired are the times at which it counts as removed.
 */
static const struct {
	const char *name, *story, *fired;
} rows[] = {
	{ "there all the time", "0:+ 500:+ 99999:.", "" },
	{ "started without a card", "0:- 5000:- 99999:.", "" },
	{ "started without an answer", "0:? 5000:- 99999:.", "" },
	{ "taken out", "0:+ 100:- 1099:. 1100:.", "1100" },
	{ "taken out once is told once", "0:+ 100:- 2000:. 3000:- 9000:.", "2000" },
	{ "contacts bounce", "0:+ 100:- 900:+ 1000:- 1999:. 2500:+ 9000:.", "" },
	{ "away in many short looks", "0:+ 100:- 200:- 300:- 1099:- 1100:-", "1100" },
	{ "taken out, put back, taken out", "0:+ 100:- 1100:. 2000:+ 3000:- 4000:.", "1100 4000" },
	{ "put back later, nobody looks away", "0:- 100:+ 200:- 1200:.", "1200" },
	{ "the service is started anew", "0:+ 100:! 150:- 5000:- 6000:+ 99999:.", "" },
	{ "the service is started anew, the card is gone", "0:+ 100:! 150:- 5000:- 10099:. 10100:.",
	  "10100" },
	{ "the service ends after the card was taken", "0:+ 100:- 200:! 1100:. 10199:. 10200:.",
	  "10200" },
	{ "a driver that fails", "0:+ 100:? 50000:. 60000:+ 70000:.", "" },
	{ "a driver that fails, then no card", "0:+ 100:? 50000:- 50999:. 51000:.", "51000" },
	{ "a driver that fails, then soon no card", "0:+ 100:? 2000:- 10099:. 10100:.", "10100" },
	{ "missing, then nobody can tell", "0:+ 100:- 500:? 9000:. 20000:- 20999:. 21000:.",
	  "21000" },
	{ "trouble before a card was there", "0:! 10:- 20000:- 30000:+ 40000:- 41000:.", "41000" },
};

static void see(struct ctl_watch *watch, char what, int64_t now)
{
	if (what == '!')
		ctl_watch_trouble(watch, now);
	else if (what != '.')
		ctl_watch_see(watch,
			      what == '+'   ? CTL_WATCH_PRESENT
			      : what == '-' ? CTL_WATCH_ABSENT
					    : CTL_WATCH_UNKNOWN,
			      now);
}

static void stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct ctl_watch watch = { .delay_ms = DELAY };
		char fired[64] = "", story[128];
		char *rest = story;

		(void)snprintf(story, sizeof(story), "%s", rows[i].story);
		for (const char *word; (word = strsep(&rest, " "));) {
			int64_t now = strtol(word, NULL, 10);
			see(&watch, word[strlen(word) - 1], now);
			const int64_t left = ctl_watch_left(&watch, now);
			const bool removed = ctl_watch_removed(&watch, now);
			size_t len = strlen(fired);
			if (removed)
				(void)snprintf(fired + len, sizeof(fired) - len, "%s%ld",
					       len ? " " : "", (long)now);
			/* It is due exactly when nothing is left. */
			if (removed != (left == 0))
				fail_msg("%s, at %ld: left %ld", rows[i].name, (long)now,
					 (long)left);
		}
		if (strcmp(fired, rows[i].fired) != 0)
			fail_msg("%s: removed at '%s', wanted '%s'", rows[i].name, fired,
				 rows[i].fired);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(stories) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
