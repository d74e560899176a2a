/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small PAM host for tests: runs the phases that it is told to, with the items and the kind of
 * process it is told, answers prompts from its command line, and prints what happened, one fact a
 * line:
 *
 *	prompt-off: TEXT     prompt-on: TEXT     error: TEXT     info: TEXT
 *	auth: PAM_SUCCESS    acct: ...  setcred: ...  open: ...  close: ...  chauthtok: ...
 *	user: NAME           PAM_USER after the last phase ("user:" if it is not set)
 *	env: NAME=VALUE      the PAM environment after the last phase
 *	fds: BEFORE AFTER    open descriptors around all transactions
 *	children: N          children that are left (zombies too) at the end
 *
 * It exits 0 whatever the modules said, 1 if it could not do its work. With threads each line
 * starts with the thread's number.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <security/pam_appl.h>

#define ANSWERS_MAX     64
#define THREADS_MAX     64
#define ENVIRONMENT_MAX 8

struct plan {
	const char *service, *confdir, *user, *tty, *rhost, *ruser, *phases, *change_user, *sigchld;
	const char *answers[ANSWERS_MAX];
	unsigned int answer_count, threads, repeat;
	int flags;
	int ask_fd;                               /* -1: answers are those above */
	long setuid_of, run_as;                   /* -1: not asked for */
	const char *environment[ENVIRONMENT_MAX]; /* "NAME=VALUE", for PAM */
	unsigned int environment_count;
	bool noconv, locale;
};

/* One thread's transaction. */
struct run {
	const struct plan *plan;
	unsigned int number, next_answer;
	bool failed;
};

static const char usage[] =
	"usage: pam_host --service NAME [options]\n"
	"  --confdir DIR|system   folder with the service file; system: /etc/pam.d (default)\n"
	"  --user NAME  --tty TTY  --rhost HOST  --ruser NAME     PAM items, unset by default\n"
	"  --answer TEXT          answer to the next prompt; repeatable; a prompt too many fails "
	"the\n"
	"                         conversation\n"
	"  --answers-fd N         further answers, one a line, from descriptor N\n"
	"  --ask-fd N             each answer is read when it is asked for, one line from "
	"descriptor "
	"N;\n"
	"                         only the reply to the module has it\n"
	"  --phases LIST          of auth,acct,setcred,open,close,delete,chauthtok (default auth)\n"
	"  --change-user NAME     set PAM_USER to NAME after the first phase\n"
	"  --silent               PAM_SILENT\n"
	"  --noconv               no conversation function\n"
	"  --setuid-of UID        as a setuid root program that UID started (real uid UID)\n"
	"  --run-as UID           as an ordinary process of UID\n"
	"  --threads N            N threads at once, each its own transaction\n"
	"  --repeat N             N transactions one after another\n"
	"  --putenv NAME=VALUE    in the environment of PAM; repeatable\n"
	"  --locale               setlocale(3), as programs that speak a person's language\n"
	"  --sigchld ignore|reap  SIG_IGN, or a handler that waits for every child\n";

static void say(const struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(const struct run *run, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	flockfile(stdout);
	if (run->plan->threads > 1)
		printf("%u: ", run->number);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	funlockfile(stdout);
	va_end(ap);
}

static const char *code_name(int code)
{
#define NAME(x) [x] = #x
	static const char *const names[] = {
		NAME(PAM_SUCCESS),
		NAME(PAM_OPEN_ERR),
		NAME(PAM_SYMBOL_ERR),
		NAME(PAM_SERVICE_ERR),
		NAME(PAM_SYSTEM_ERR),
		NAME(PAM_BUF_ERR),
		NAME(PAM_PERM_DENIED),
		NAME(PAM_AUTH_ERR),
		NAME(PAM_CRED_INSUFFICIENT),
		NAME(PAM_AUTHINFO_UNAVAIL),
		NAME(PAM_USER_UNKNOWN),
		NAME(PAM_MAXTRIES),
		NAME(PAM_NEW_AUTHTOK_REQD),
		NAME(PAM_ACCT_EXPIRED),
		NAME(PAM_SESSION_ERR),
		NAME(PAM_CRED_UNAVAIL),
		NAME(PAM_CRED_EXPIRED),
		NAME(PAM_CRED_ERR),
		NAME(PAM_NO_MODULE_DATA),
		NAME(PAM_CONV_ERR),
		NAME(PAM_AUTHTOK_ERR),
		NAME(PAM_AUTHTOK_RECOVERY_ERR),
		NAME(PAM_AUTHTOK_LOCK_BUSY),
		NAME(PAM_AUTHTOK_DISABLE_AGING),
		NAME(PAM_TRY_AGAIN),
		NAME(PAM_IGNORE),
		NAME(PAM_ABORT),
		NAME(PAM_AUTHTOK_EXPIRED),
		NAME(PAM_MODULE_UNKNOWN),
		NAME(PAM_BAD_ITEM),
		NAME(PAM_CONV_AGAIN),
		NAME(PAM_INCOMPLETE),
	};
	if (code < 0 || (size_t)code >= sizeof(names) / sizeof(names[0]) || !names[code])
		return "PAM_?";
	return names[code];
}

static void free_replies(struct pam_response *replies, int count)
{
	for (int i = 0; i < count; i++)
		free(replies[i].resp);
	free(replies);
}

/* The answer to one prompt, without a copy of it anywhere else. NULL: the descriptor has no more.
 */
static char *ask(int fd)
{
	char *reply = calloc(1, PAM_MAX_RESP_SIZE);
	size_t len = 0;
	while (reply && len < PAM_MAX_RESP_SIZE - 1 && read(fd, reply + len, 1) == 1) {
		if (reply[len] == '\n') {
			reply[len] = '\0';
			return reply;
		}
		len++;
	}
	free(reply);
	return NULL;
}

static char *next_answer(struct run *run)
{
	if (run->plan->ask_fd >= 0)
		return ask(run->plan->ask_fd);
	if (run->next_answer >= run->plan->answer_count)
		return NULL;
	return strdup(run->plan->answers[run->next_answer++]);
}

static int answer(struct run *run, const struct pam_message *msg, struct pam_response *reply)
{
	switch (msg->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
	case PAM_PROMPT_ECHO_ON:
		say(run, "%s: %s",
		    msg->msg_style == PAM_PROMPT_ECHO_ON ? "prompt-on" : "prompt-off", msg->msg);
		reply->resp = next_answer(run);
		return reply->resp ? PAM_SUCCESS : PAM_CONV_ERR;
	case PAM_ERROR_MSG:
		say(run, "error: %s", msg->msg);
		return PAM_SUCCESS;
	case PAM_TEXT_INFO:
		say(run, "info: %s", msg->msg);
		return PAM_SUCCESS;
	default:
		return PAM_CONV_ERR;
	}
}

static int converse(int count, const struct pam_message **msgs, struct pam_response **ret,
		    void *ctx)
{
	struct run *run = ctx;
	if (count <= 0 || count > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	struct pam_response *replies = calloc((size_t)count, sizeof(*replies));
	if (!replies)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++) {
		int rc = answer(run, msgs[i], &replies[i]);
		if (rc != PAM_SUCCESS) {
			free_replies(replies, count);
			return rc;
		}
	}
	*ret = replies;
	return PAM_SUCCESS;
}

struct phase {
	const char *name;
	int (*call)(pam_handle_t *pamh, int flags);
	int flags;
};

static const struct phase phases[] = {
	{ "auth", pam_authenticate, 0 },
	{ "acct", pam_acct_mgmt, 0 },
	{ "setcred", pam_setcred, PAM_ESTABLISH_CRED },
	{ "open", pam_open_session, 0 },
	{ "close", pam_close_session, 0 },
	{ "delete", pam_setcred, PAM_DELETE_CRED },
	{ "chauthtok", pam_chauthtok, 0 },
};

static const struct phase *find_phase(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (strlen(phases[i].name) == len && memcmp(phases[i].name, name, len) == 0)
			return &phases[i];
	return NULL;
}

/* Runs the listed phases; returns the last code, -1 for a name that is not a phase. */
static int run_phases(struct run *run, pam_handle_t *pamh)
{
	const struct plan *plan = run->plan;
	int last = PAM_SUCCESS;
	for (const char *at = plan->phases; *at;) {
		size_t len = strcspn(at, ",");
		const struct phase *phase = find_phase(at, len);
		if (!phase) {
			fprintf(stderr, "pam_host: '%.*s' is not a phase\n", (int)len, at);
			return -1;
		}
		last = phase->call(pamh, phase->flags | plan->flags);
		say(run, "%s: %s", phase->name, code_name(last));
		if (at == plan->phases && plan->change_user &&
		    pam_set_item(pamh, PAM_USER, plan->change_user) != PAM_SUCCESS)
			return -1;
		at += len;
		at += *at == ',';
	}
	return last;
}

static bool set_items(pam_handle_t *pamh, const struct plan *plan)
{
	const struct {
		int item;
		const char *value;
	} items[] = {
		{ PAM_TTY, plan->tty },
		{ PAM_RHOST, plan->rhost },
		{ PAM_RUSER, plan->ruser },
	};
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		if (items[i].value &&
		    pam_set_item(pamh, items[i].item, items[i].value) != PAM_SUCCESS)
			return false;
	for (unsigned int i = 0; i < plan->environment_count; i++)
		if (pam_putenv(pamh, plan->environment[i]) != PAM_SUCCESS)
			return false;
	return true;
}

static void show_result(const struct run *run, pam_handle_t *pamh)
{
	const void *user = NULL;
	(void)pam_get_item(pamh, PAM_USER, &user);
	say(run, "user: %s", user ? (const char *)user : "");
	char **env = pam_getenvlist(pamh);
	for (char **e = env; e && *e; e++) {
		say(run, "env: %s", *e);
		free(*e);
	}
	free(env);
}

static void transaction(struct run *run)
{
	const struct plan *plan = run->plan;
	const struct pam_conv conv = { .conv = plan->noconv ? NULL : converse, .appdata_ptr = run };
	pam_handle_t *pamh = NULL;
	run->next_answer = 0;
	int rc = plan->confdir
			 ? pam_start_confdir(plan->service, plan->user, &conv, plan->confdir, &pamh)
			 : pam_start(plan->service, plan->user, &conv, &pamh);
	if (rc != PAM_SUCCESS) {
		fprintf(stderr, "pam_host: pam_start: %s\n", code_name(rc));
		run->failed = true;
		return;
	}
	int last = set_items(pamh, plan) ? run_phases(run, pamh) : -1;
	if (last < 0)
		run->failed = true;
	show_result(run, pamh);
	(void)pam_end(pamh, last < 0 ? PAM_ABORT : last);
}

static void *run_thread(void *ctx)
{
	struct run *run = ctx;
	for (unsigned int i = 0; i < run->plan->repeat && !run->failed; i++)
		transaction(run);
	return NULL;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		return -1;
	int count = 0;
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count - 3; /* ".", "..", the folder itself */
}

static void reap(int signo)
{
	(void)signo;
	int saved = errno;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

static bool set_sigchld(const char *how)
{
	struct sigaction action = { .sa_flags = SA_RESTART };
	if (strcmp(how, "ignore") == 0)
		action.sa_handler = SIG_IGN;
	else if (strcmp(how, "reap") == 0)
		action.sa_handler = reap;
	else
		return false;
	return sigaction(SIGCHLD, &action, NULL) == 0;
}

static bool read_answers(struct plan *plan, int fd)
{
	FILE *in = fdopen(fd, "r");
	if (!in)
		return false;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	while ((len = getline(&line, &size, in)) >= 0 && plan->answer_count < ANSWERS_MAX) {
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = '\0';
		plan->answers[plan->answer_count++] = strdup(line);
	}
	free(line);
	(void)fclose(in);
	return true;
}

/* The effective uid 0 is kept with --setuid-of: what a setuid root program looks like. */
static bool become(long setuid_of, long run_as)
{
	if (setuid_of >= 0)
		return setresuid((uid_t)setuid_of, 0, 0) == 0;
	if (run_as < 0)
		return true;
	gid_t gid = (gid_t)run_as;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid((uid_t)run_as, (uid_t)run_as, (uid_t)run_as) == 0;
}

static int run_all(const struct plan *plan)
{
	struct run runs[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	bool failed = false;
	int before = count_fds();
	for (unsigned int i = 0; i < plan->threads; i++)
		runs[i] = (struct run){ .plan = plan, .number = i + 1 };
	if (plan->threads == 1)
		run_thread(&runs[0]);
	else
		for (unsigned int i = 0; i < plan->threads; i++)
			if (pthread_create(&threads[i], NULL, run_thread, &runs[i]) != 0)
				exit(1);
	for (unsigned int i = 0; i < plan->threads; i++) {
		if (plan->threads > 1)
			(void)pthread_join(threads[i], NULL);
		failed |= runs[i].failed;
	}
	printf("fds: %d %d\n", before, count_fds());
	int children = 0;
	for (siginfo_t info = { 0 };
	     waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
	     info.si_pid = 0) {
		children++;
		(void)waitpid(info.si_pid, NULL, WNOHANG);
	}
	printf("children: %d\n", children);
	return failed ? 1 : 0;
}

/* Options whose value is kept as it stands: where in struct plan. */
static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	{ "service", offsetof(struct plan, service) },
	{ "confdir", offsetof(struct plan, confdir) },
	{ "user", offsetof(struct plan, user) },
	{ "tty", offsetof(struct plan, tty) },
	{ "rhost", offsetof(struct plan, rhost) },
	{ "ruser", offsetof(struct plan, ruser) },
	{ "phases", offsetof(struct plan, phases) },
	{ "change-user", offsetof(struct plan, change_user) },
	{ "sigchld", offsetof(struct plan, sigchld) },
};

static bool set_text(struct plan *plan, const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].name, name) == 0) {
			*(const char **)((char *)plan + texts[i].offset) = value;
			return true;
		}
	return false;
}

static bool apply(struct plan *plan, int option, const char *value)
{
	switch (option) {
	case 'a':
		if (plan->answer_count >= ANSWERS_MAX)
			return false;
		plan->answers[plan->answer_count++] = value;
		return true;
	case 'E':
		if (plan->environment_count >= ENVIRONMENT_MAX)
			return false;
		plan->environment[plan->environment_count++] = value;
		return true;
	case 'L':
		plan->locale = true;
		return true;
	case 'A':
		return read_answers(plan, atoi(value));
	case 'D':
		plan->ask_fd = atoi(value);
		return true;
	case 'q':
		plan->flags |= PAM_SILENT;
		return true;
	case 'n':
		plan->noconv = true;
		return true;
	case 'S':
		plan->setuid_of = atol(value);
		return true;
	case 'U':
		plan->run_as = atol(value);
		return true;
	case 'T':
		plan->threads = (unsigned int)atoi(value);
		return plan->threads >= 1 && plan->threads <= THREADS_MAX;
	case 'N':
		plan->repeat = (unsigned int)atoi(value);
		return true;
	default:
		return false;
	}
}

static bool parse_options(int argc, char **argv, struct plan *plan)
{
	static const struct option options[] = {
		{ "service", required_argument, NULL, 't' },
		{ "confdir", required_argument, NULL, 't' },
		{ "user", required_argument, NULL, 't' },
		{ "tty", required_argument, NULL, 't' },
		{ "rhost", required_argument, NULL, 't' },
		{ "ruser", required_argument, NULL, 't' },
		{ "phases", required_argument, NULL, 't' },
		{ "change-user", required_argument, NULL, 't' },
		{ "sigchld", required_argument, NULL, 't' },
		{ "answer", required_argument, NULL, 'a' },
		{ "answers-fd", required_argument, NULL, 'A' },
		{ "ask-fd", required_argument, NULL, 'D' },
		{ "putenv", required_argument, NULL, 'E' },
		{ "locale", no_argument, NULL, 'L' },
		{ "silent", no_argument, NULL, 'q' },
		{ "noconv", no_argument, NULL, 'n' },
		{ "setuid-of", required_argument, NULL, 'S' },
		{ "run-as", required_argument, NULL, 'U' },
		{ "threads", required_argument, NULL, 'T' },
		{ "repeat", required_argument, NULL, 'N' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int index = 0;
	for (int c; (c = getopt_long(argc, argv, "", options, &index)) != -1;) {
		if (c == 'h') {
			fputs(usage, stdout);
			exit(0);
		}
		if (c == 't' ? !set_text(plan, options[index].name, optarg)
			     : !apply(plan, c, optarg))
			return false;
	}
	if (plan->confdir && strcmp(plan->confdir, "system") == 0)
		plan->confdir = NULL;
	return optind == argc && plan->service;
}

int main(int argc, char **argv)
{
	struct plan plan = { .phases = "auth",
			     .threads = 1,
			     .repeat = 1,
			     .setuid_of = -1,
			     .run_as = -1,
			     .ask_fd = -1 };
	if (!parse_options(argc, argv, &plan) || (plan.sigchld && !set_sigchld(plan.sigchld))) {
		fputs(usage, stderr);
		return 1;
	}
	if (plan.locale)
		(void)setlocale(LC_ALL, "");
	if (!become(plan.setuid_of, plan.run_as)) {
		fprintf(stderr, "pam_host: cannot take the uid: %s\n", strerror(errno));
		return 1;
	}
	return run_all(&plan);
}
