/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A PKCS#11 module that does what the file named by FAKE_MODULE says, which is read anew at each
 * call, so that a test can take the card out between two. It writes the names of the calls to a
 * file beside it. Lines:
 *
 *	slots N                      readers with a card in them; 1
 *	label TEXT, serial TEXT      of the token
 *	flags NUMBER                 of the token; 0x40c: initialised, login required, PIN set
 *	flags-SLOT NUMBER            of the one in this slot, 7 and up
 *	pin TEXT                     the right one; 1234
 *	cert PATH ID                 a certificate, ID one character
 *	certs N                      shows the first one N times
 *	key p256|ed25519|rsa ID      a private key
 *	always yes                   which wants the PIN for each use
 *	logged yes                   somebody is logged in already
 *	stuck yes                    and cannot be logged out
 *	length NUMBER                what every attribute claims as its length
 *	found NUMBER                 how many objects C_FindObjects claims to have written
 *	signature NUMBER             the length that C_Sign claims; 64
 *	bare no                      only mechanisms that hash themselves
 *	do CALL hang|crash|fork|noise|out|NUMBER
 *
 * Signatures are bytes of 0x11: whether they are right is not this module's business.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEYS     100000 /* handles above are keys, below certificates */
#define OBJECTS  20000
#define EXPORTED __attribute__((visibility("default")))

static bool logged_in, context_login, signing;
static CK_MECHANISM_TYPE mechanism_used;
static struct {
	CK_OBJECT_HANDLE handle[OBJECTS];
	size_t count, next;
} found;

/* --- what the file says --- */

/* The @n-th line "@key REST": REST in static memory, or NULL. */
static char *line(const char *key, int n)
{
	static char text[1024];
	const char *path = getenv("FAKE_MODULE");
	FILE *file = path ? fopen(path, "re") : NULL;
	size_t len = strlen(key);
	char *rest = NULL;

	while (file && !rest && fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\n")] = '\0';
		if (strncmp(text, key, len) == 0 && text[len] == ' ' && n-- == 0)
			rest = text + len + 1;
	}
	if (file)
		(void)fclose(file);
	return rest;
}

static unsigned long number(const char *key, unsigned long otherwise)
{
	const char *text = line(key, 0);
	return text ? strtoul(text, NULL, 0) : otherwise;
}

static bool is(const char *key, const char *value)
{
	const char *text = line(key, 0);
	return text && strcmp(text, value) == 0;
}

static void note(const char *text)
{
	char path[1024];
	const char *base = getenv("FAKE_MODULE");

	(void)snprintf(path, sizeof(path), "%s.log", base ? base : "");
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	(void)!write(fd, "\n", 1);
	(void)close(fd);
}

/* What a module has no business with; "escaped" in the log for each that works. */
static void get_out(void)
{
	char name[] = "true";
	char *const argv[] = { name, NULL };

	if (socket(AF_INET, SOCK_STREAM, 0) >= 0)
		note("escaped: socket of the network");
	if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0)
		note("escaped: socket of the kernel");
	if (kill(getppid(), 0) == 0 || errno != EPERM)
		note("escaped: signal");
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
		note("escaped: ptrace");
	if (syscall(SYS_keyctl, 0, -3, 0) >= 0)
		note("escaped: keyctl");
	/* By number, as another process would be named. */
	if (prlimit(getpid(), RLIMIT_CPU, NULL, &(struct rlimit){ 0 }) == 0)
		note("escaped: limits of processes");
	if (unshare(CLONE_NEWUSER) == 0)
		note("escaped: unshare");
	if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
		note("unix sockets refused");
	(void)execv("/bin/true", argv);
	note("did not get out");
}

static void misbehave(const char *how)
{
	if (strcmp(how, "hang") == 0)
		for (;;)
			(void)pause();
	if (strcmp(how, "crash") == 0)
		abort();
	if (strcmp(how, "noise") == 0) {
		(void)!write(1, "NOISE\n", 6);
		(void)!write(2, "NOISE\n", 6);
	}
	if (strcmp(how, "out") == 0)
		get_out();
	if (strcmp(how, "fork") == 0) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		note(pid < 0 ? "fork refused" : "fork worked");
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
	}
}

/* What the file wants of this call instead of what it does. */
static CK_RV enter(const char *call)
{
	char key[64];

	note(call);
	(void)snprintf(key, sizeof(key), "do %s", call);
	char *how = line(key, 0);
	if (!how)
		return CKR_OK;
	if (how[0] >= '0' && how[0] <= '9')
		return strtoul(how, NULL, 0);
	misbehave(how);
	return CKR_OK;
}

#define ENTER(name)                                                                                \
	CK_RV rv = enter(name);                                                                    \
	if (rv == CKR_OK && strcmp(name, "C_Initialize") != 0 && !number("slots", 1) &&            \
	    strcmp(name, "C_GetSlotList") != 0)                                                    \
	rv = CKR_DEVICE_REMOVED

/* --- module and slots --- */

/* As p11-kit's client does, which keeps the connection. */
static void connect_as_client(void)
{
	static const char prefix[] = "unix:path=";
	const char *text = getenv("P11_KIT_SERVER_ADDRESS");
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!text || strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", text + sizeof(prefix) - 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

CK_RV C_Initialize(void *args)
{
	(void)args;
	ENTER("C_Initialize");
	connect_as_client();
	logged_in = is("logged", "yes");
	return rv;
}

CK_RV C_Finalize(void *reserved)
{
	(void)reserved;
	note("C_Finalize");
	return CKR_OK;
}

static void pad(unsigned char *field, size_t size, const char *text)
{
	memset(field, ' ', size);
	for (size_t i = 0; text && text[i] && i < size; i++)
		field[i] = (unsigned char)text[i];
}

CK_RV C_GetInfo(CK_INFO *info)
{
	ENTER("C_GetInfo");
	*info = (CK_INFO){ .cryptokiVersion = { 2, 40 } };
	pad(info->manufacturerID, sizeof(info->manufacturerID), "tests");
	pad(info->libraryDescription, sizeof(info->libraryDescription), "fake");
	return rv;
}

CK_RV C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *count)
{
	ENTER("C_GetSlotList");
	CK_ULONG have = number("slots", 1), room = *count;

	(void)present;
	*count = have;
	if (rv != CKR_OK || !slots)
		return rv;
	for (CK_ULONG i = 0; i < have && i < room; i++)
		slots[i] = 7 + i;
	return have > room ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
	(void)slot;
	ENTER("C_GetSlotInfo");
	*info = (CK_SLOT_INFO){ .flags = CKF_TOKEN_PRESENT | CKF_REMOVABLE_DEVICE };
	pad(info->slotDescription, sizeof(info->slotDescription), "fake reader");
	pad(info->manufacturerID, sizeof(info->manufacturerID), "tests");
	return rv;
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	ENTER("C_GetTokenInfo");
	char serial[] = "0\0";
	char *text = line("label", 0);

	char own[32];

	(void)snprintf(own, sizeof(own), "flags-%lu", slot);
	*info = (CK_TOKEN_INFO){
		.flags = number(own, number("flags", CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED |
							     CKF_USER_PIN_INITIALIZED)),
		.ulMaxPinLen = CK_UNAVAILABLE_INFORMATION,
		.ulMinPinLen = CK_UNAVAILABLE_INFORMATION,
	};
	pad(info->label, sizeof(info->label), text ? text : "fake card");
	pad(info->manufacturerID, sizeof(info->manufacturerID), "tests");
	pad(info->model, sizeof(info->model), "model");
	text = line("serial", 0);
	serial[0] = (char)('0' + slot);
	pad(info->serialNumber, sizeof(info->serialNumber), text ? text : serial);
	return rv;
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved)
{
	(void)flags;
	(void)slot;
	(void)reserved;
	return CKR_FUNCTION_NOT_SUPPORTED;
}

/* --- sessions --- */

CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify,
		    CK_SESSION_HANDLE *session)
{
	(void)flags;
	(void)app;
	(void)notify;
	ENTER("C_OpenSession");
	*session = 40 + slot;
	return rv;
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session)
{
	(void)session;
	return enter("C_CloseSession");
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG len)
{
	(void)session;
	ENTER("C_Login");
	const char *right = line("pin", 0);

	if (!right)
		right = "1234";
	if (rv != CKR_OK)
		return rv;
	if (user == CKU_CONTEXT_SPECIFIC && !signing)
		return CKR_OPERATION_NOT_INITIALIZED;
	if (user == CKU_USER && logged_in)
		return CKR_USER_ALREADY_LOGGED_IN;
	if (pin ? len != strlen(right) || memcmp(pin, right, len) != 0
		: !(number("flags", 0) & CKF_PROTECTED_AUTHENTICATION_PATH))
		return CKR_PIN_INCORRECT;
	note(pin ? "PIN given" : "PIN pad");
	if (user == CKU_CONTEXT_SPECIFIC)
		context_login = true;
	else
		logged_in = true;
	return CKR_OK;
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
	(void)session;
	ENTER("C_Logout");
	logged_in = logged_in && is("stuck", "yes");
	return rv;
}

CK_RV C_SetPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR *old, CK_ULONG old_len, CK_UTF8CHAR *new,
	       CK_ULONG new_len)
{
	(void)session;
	ENTER("C_SetPIN");
	if (rv != CKR_OK)
		return rv;
	if (!old || old_len != 4 || memcmp(old, "1234", 4) != 0)
		return CKR_PIN_INCORRECT;
	return new &&new_len >= 4 ? CKR_OK : CKR_PIN_LEN_RANGE;
}

/* --- objects --- */

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count)
{
	(void)session;
	ENTER("C_FindObjectsInit");
	CK_OBJECT_CLASS class = CKO_DATA;
	const char *id = NULL;

	if (rv != CKR_OK)
		return rv;
	found.count = found.next = 0;
	for (CK_ULONG i = 0; i < count; i++) {
		if (template[i].type == CKA_CLASS)
			class = *(CK_OBJECT_CLASS *)template[i].pValue;
		if (template[i].type == CKA_ID)
			id = template[i].pValue;
	}
	bool keys = class == CKO_PRIVATE_KEY;
	if (class != CKO_CERTIFICATE && !keys)
		return CKR_OK;
	if (keys && !logged_in && number("flags", CKF_LOGIN_REQUIRED) & CKF_LOGIN_REQUIRED)
		return CKR_OK;
	for (int n = 0; line(keys ? "key" : "cert", n); n++) {
		const char *text = line(keys ? "key" : "cert", n);
		if (!id || strrchr(text, ' ')[1] == *id)
			found.handle[found.count++] = (keys ? KEYS : 1) + (CK_ULONG)n;
	}
	for (CK_ULONG copies = number("certs", 1); !keys && copies > 1 && found.count < OBJECTS;
	     copies--)
		found.handle[found.count++] = 1;
	return CKR_OK;
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *handles, CK_ULONG room,
		    CK_ULONG *count)
{
	(void)session;
	ENTER("C_FindObjects");
	CK_ULONG n = 0;

	if (rv != CKR_OK)
		return rv;
	while (n < room && found.next < found.count)
		handles[n++] = found.handle[found.next++];
	*count = number("found", n);
	return CKR_OK;
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
	(void)session;
	return enter("C_FindObjectsFinal");
}

static CK_RV give(CK_ATTRIBUTE *attribute, const void *value, size_t len)
{
	CK_ULONG claimed = number("length", len);

	if (attribute->pValue && attribute->ulValueLen < len) {
		attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return CKR_BUFFER_TOO_SMALL;
	}
	if (attribute->pValue)
		memcpy(attribute->pValue, value, len);
	attribute->ulValueLen = claimed;
	return CKR_OK;
}

static CK_RV give_file(CK_ATTRIBUTE *attribute, const char *path)
{
	static unsigned char bytes[64 * 1024];
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(bytes, 1, sizeof(bytes), file) : 0;

	if (file)
		(void)fclose(file);
	return give(attribute, bytes, len);
}

static CK_RV give_key(CK_ATTRIBUTE *attribute, const char *type)
{
	static const unsigned char p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
	static const unsigned char ed25519[] = { 6, 3, 0x2b, 0x65, 0x70 };
	const CK_KEY_TYPE key_type = strncmp(type, "rsa", 3) == 0       ? CKK_RSA
				     : strncmp(type, "ed25519", 7) == 0 ? CKK_EC_EDWARDS
									: CKK_EC;
	const CK_BBOOL always = is("always", "yes");

	switch (attribute->type) {
	case CKA_KEY_TYPE:
		return give(attribute, &key_type, sizeof(key_type));
	case CKA_ALWAYS_AUTHENTICATE:
		return give(attribute, &always, sizeof(always));
	case CKA_EC_PARAMS:
		return key_type == CKK_EC ? give(attribute, p256, sizeof(p256))
					  : give(attribute, ed25519, sizeof(ed25519));
	default:
		attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return CKR_ATTRIBUTE_TYPE_INVALID;
	}
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *values,
			  CK_ULONG count)
{
	(void)session;
	ENTER("C_GetAttributeValue");
	char object[1024] = "";
	bool key = handle >= KEYS;
	const char *text = line(key ? "key" : "cert", (int)(key ? handle - KEYS : handle - 1));

	if (rv != CKR_OK || !text)
		return rv != CKR_OK ? rv : CKR_OBJECT_HANDLE_INVALID;
	(void)snprintf(object, sizeof(object), "%s", text);
	char *id = strrchr(object, ' ');
	*id++ = '\0';
	for (CK_ULONG i = 0; i < count; i++) {
		CK_RV one = values[i].type == CKA_ID      ? give(&values[i], id, 1)
			    : values[i].type == CKA_LABEL ? give(&values[i], "object", 6)
			    : key                         ? give_key(&values[i], object)
							  : give_file(&values[i], object);
		if (one != CKR_OK)
			rv = one;
	}
	return rv;
}

/* --- signatures --- */

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	(void)session;
	(void)key;
	ENTER("C_SignInit");
	if (rv != CKR_OK)
		return rv;
	mechanism_used = mechanism->mechanism;
	if (is("bare", "no") && (mechanism_used == CKM_ECDSA || mechanism_used == CKM_RSA_PKCS_PSS))
		return CKR_MECHANISM_INVALID;
	signing = true;
	context_login = false;
	return CKR_OK;
}

CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG len, CK_BYTE *signature,
	     CK_ULONG *signature_len)
{
	(void)session;
	(void)data;
	ENTER("C_Sign");
	CK_ULONG claimed = number("signature", 64);
	char text[64];

	(void)snprintf(text, sizeof(text), "mechanism 0x%lx of %lu bytes", mechanism_used, len);
	note(text);
	signing = false;
	if (rv != CKR_OK)
		return rv;
	if (is("always", "yes") && !context_login)
		return CKR_USER_NOT_LOGGED_IN;
	for (CK_ULONG i = 0; i < claimed && i < *signature_len; i++)
		signature[i] = 0x11;
	*signature_len = claimed;
	return CKR_OK;
}

CK_RV EXPORTED C_GetFunctionList(CK_FUNCTION_LIST **ret)
{
	static CK_FUNCTION_LIST list = {
		.version = { 2, 40 },
		.C_Initialize = C_Initialize,
		.C_Finalize = C_Finalize,
		.C_GetInfo = C_GetInfo,
		.C_GetFunctionList = C_GetFunctionList,
		.C_GetSlotList = C_GetSlotList,
		.C_GetSlotInfo = C_GetSlotInfo,
		.C_GetTokenInfo = C_GetTokenInfo,
		.C_WaitForSlotEvent = C_WaitForSlotEvent,
		.C_OpenSession = C_OpenSession,
		.C_CloseSession = C_CloseSession,
		.C_Login = C_Login,
		.C_Logout = C_Logout,
		.C_SetPIN = C_SetPIN,
		.C_FindObjectsInit = C_FindObjectsInit,
		.C_FindObjects = C_FindObjects,
		.C_FindObjectsFinal = C_FindObjectsFinal,
		.C_GetAttributeValue = C_GetAttributeValue,
		.C_SignInit = C_SignInit,
		.C_Sign = C_Sign,
	};
	CK_RV rv = enter("C_GetFunctionList");

	*ret = &list;
	return rv;
}
