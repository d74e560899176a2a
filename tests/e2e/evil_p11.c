/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A PKCS#11 module that stands before another one and does what a broken card, reader or driver
 *does. Its instructions are the lines of /run/mtls-test/evil-p11, read when it is loaded:
 *
 *	real PATH       the module behind it, needed
 *	hang FUNCTION   that function never returns
 *	crash FUNCTION  that function ends the process
 *	fail FUNCTION CODE   that function does nothing but answer this CKR (hexadecimal)
 *	flags MASK      further flags of each token (hexadecimal)
 *	unflag MASK     flags that no token has
 *	pad PIN         the reader has a keypad, on which somebody types this PIN
 *	noise FUNCTION  that function writes to everything that could be a terminal
 *	forge           signatures are of something else
 *
 * Any thread; nothing changes after it was loaded.
 */
#include <config.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"

#define INSTRUCTIONS "/run/mtls-test/evil-p11"
#define ORDERS_MAX   8
#define WORD_SIZE    256

struct order {
	char what[WORD_SIZE], where[WORD_SIZE];
	unsigned long code;
};

static struct order orders[ORDERS_MAX];
static size_t order_count;
static CK_FUNCTION_LIST real, ours;

static const struct order *find(const char *what, const char *where)
{
	for (size_t i = 0; i < order_count; i++)
		if (strcmp(orders[i].what, what) == 0 &&
		    (!where || strcmp(orders[i].where, where) == 0))
			return &orders[i];
	return NULL;
}

static void make_noise(void)
{
	static const char noise[] = "NOISE-OF-THE-MODULE\n";
	int tty = open("/dev/tty", O_WRONLY | O_CLOEXEC);
	for (int fd = 1; fd <= 2; fd++)
		(void)!write(fd, noise, strlen(noise));
	if (tty >= 0) {
		(void)!write(tty, noise, strlen(noise));
		(void)close(tty);
	}
	(void)printf("%s", noise);
	(void)fflush(stdout);
}

/* What is ordered for this function; CKR_OK: go on with the real one. */
static CK_RV meet(const char *function)
{
	if (find("noise", function))
		make_noise();
	while (find("hang", function))
		(void)pause();
	if (find("crash", function)) {
		(void)signal(SIGILL, SIG_DFL); /* it is meant: no sanitizer shall report it */
		__builtin_trap();
	}
	const struct order *fail = find("fail", function);
	return fail ? fail->code : CKR_OK;
}

/* A function that does what it is ordered and else what the real one does. */
#define PLAIN(name, parameters, ...)                                                               \
	static CK_RV ours_##name parameters                                                        \
	{                                                                                          \
		CK_RV rv = meet(#name);                                                            \
		if (rv == CKR_OK)                                                                  \
			rv = real.name(__VA_ARGS__);                                               \
		return rv;                                                                         \
	}

PLAIN(C_Initialize, (void *args), args)
PLAIN(C_GetSlotList, (CK_BBOOL present, CK_SLOT_ID_PTR slots, CK_ULONG_PTR count), present, slots,
      count)
PLAIN(C_GetSlotInfo, (CK_SLOT_ID slot, CK_SLOT_INFO_PTR info), slot, info)
PLAIN(C_OpenSession,
      (CK_SLOT_ID slot, CK_FLAGS flags, void *ctx, CK_NOTIFY notify, CK_SESSION_HANDLE_PTR session),
      slot, flags, ctx, notify, session)
PLAIN(C_FindObjectsInit, (CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR wanted, CK_ULONG count),
      session, wanted, count)
PLAIN(C_GetAttributeValue,
      (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR wanted, CK_ULONG count),
      session, object, wanted, count)
PLAIN(C_SignInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key),
      session, mechanism, key)

static CK_RV ours_C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
	CK_RV rv = meet("C_GetTokenInfo");
	if (rv == CKR_OK)
		rv = real.C_GetTokenInfo(slot, info);
	if (rv == CKR_OK && find("flags", NULL))
		info->flags |= find("flags", NULL)->code;
	if (rv == CKR_OK && find("unflag", NULL))
		info->flags &= ~find("unflag", NULL)->code;
	if (rv == CKR_OK && find("pad", NULL))
		info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
	return rv;
}

static CK_RV ours_C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin,
			  CK_ULONG len)
{
	CK_RV rv = meet("C_Login");
	const struct order *pad = find("pad", NULL);
	if (rv != CKR_OK)
		return rv;
	if (!pad)
		return real.C_Login(session, user, pin, len);
	if (pin)
		return CKR_ARGUMENTS_BAD; /* it is not typed here */
	CK_UTF8CHAR typed[WORD_SIZE];
	memcpy(typed, pad->where, sizeof(typed));
	return real.C_Login(session, user, typed, strlen(pad->where));
}

static CK_RV ours_C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len,
			 CK_BYTE_PTR signature, CK_ULONG_PTR signature_len)
{
	CK_RV rv = meet("C_Sign");
	if (rv == CKR_OK)
		rv = real.C_Sign(session, data, len, signature, signature_len);
	if (rv == CKR_OK && signature && find("forge", NULL))
		signature[*signature_len - 1] ^= 1;
	return rv;
}

static bool load(const char *path)
{
	CK_FUNCTION_LIST_PTR list = NULL;
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *found = library ? dlsym(library, "C_GetFunctionList") : NULL;
	CK_C_GetFunctionList get = NULL;
	memcpy(&get, &found, sizeof(get));
	if (!get || get(&list) != CKR_OK)
		return false;
	real = *list;
	return true;
}

static bool read_orders(void)
{
	_cleanup_fclose_ FILE *file = fopen(INSTRUCTIONS, "re");
	char line[3 * WORD_SIZE];
	while (file && order_count < ORDERS_MAX && fgets(line, sizeof(line), file)) {
		struct order *order = &orders[order_count];
		char code[WORD_SIZE] = "0";
		if (sscanf(line, "%255s %255s %255s", order->what, order->where, code) < 1)
			continue;
		const char *number = strstr(order->what, "flag") ? order->where : code;
		order->code = strtoul(number, NULL, 16);
		order_count++;
	}
	return order_count > 0;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
	if (order_count == 0 &&
	    (!read_orders() || !find("real", NULL) || !load(find("real", NULL)->where)))
		return CKR_GENERAL_ERROR;
	CK_RV rv = meet("C_GetFunctionList");
	if (rv != CKR_OK)
		return rv;
	ours = real;
	ours.C_GetFunctionList = C_GetFunctionList;
	ours.C_Initialize = ours_C_Initialize;
	ours.C_GetSlotList = ours_C_GetSlotList;
	ours.C_GetSlotInfo = ours_C_GetSlotInfo;
	ours.C_GetTokenInfo = ours_C_GetTokenInfo;
	ours.C_OpenSession = ours_C_OpenSession;
	ours.C_Login = ours_C_Login;
	ours.C_FindObjectsInit = ours_C_FindObjectsInit;
	ours.C_GetAttributeValue = ours_C_GetAttributeValue;
	ours.C_SignInit = ours_C_SignInit;
	ours.C_Sign = ours_C_Sign;
	*list = &ours;
	return CKR_OK;
}
