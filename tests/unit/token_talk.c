/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tests/unit/token_talk.h"

#define PERSON 54321

char talk_base[] = "/tmp/mtls_token.XXXXXX";
uid_t talk_person;
uint32_t talk_timeout_ms = TALK_TIMEOUT_MS;
static char program[128];

static int copy_program(const char *name)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(64 << 20);
	const struct mtls_file_mode mode = { .mode = 0711, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char path[4096];
	(void)snprintf(path, sizeof(path), "%s/%s",
		       getenv("top_builddir") ? getenv("top_builddir") : ".", name);
	(void)snprintf(program, sizeof(program), "%s/%s", talk_base, name);
	return mtls_file_read(path, NULL, &buf, NULL) < 0
		       ? -1
		       : mtls_file_replace(program, buf.data, buf.len, &mode, NULL);
}

int talk_set_up(const char *name)
{
	talk_person = getuid() ? getuid() : PERSON;
	return !mkdtemp(talk_base) || chmod(talk_base, 0755) < 0 ? -1 : copy_program(name);
}

int talk_tear_down(void **state)
{
	char command[128];
	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", talk_base);
	return system(command);
}

void talk_list(struct talk *talk)
{
	talk->diag = (struct mtls_diag){ 0 };
	talk->reason = signer_client_list(talk->client, talk_timeout_ms, &talk->diag);
}

void talk_start(struct talk *talk, const char *const *argv)
{
	*talk = (struct talk){ .process = SIGNER_PROCESS_NONE };
	const struct signer_start start = {
		.program = program,
		.identity = { .uid = talk_person,
			      .gid = talk_person == getuid() ? getgid() : PERSON },
		.argv = argv,
	};
	if (signer_start(&start, &talk->process, &talk->diag) < 0)
		fail_msg("%s", talk->diag.text);
	talk->client = signer_client_new(talk->process.fd);
	assert_non_null(talk->client);
	talk->process.fd = -1;
	talk_list(talk);
}

void talk_stop(struct talk *talk)
{
	signer_client_free(talk->client);
	signer_stop(&talk->process);
}

size_t talk_count(const struct talk *talk)
{
	return signer_client_count(talk->client);
}

const struct mtls_signer_credential *talk_item(const struct talk *talk, size_t index)
{
	const struct mtls_signer_credential *found = signer_client_credential(talk->client, index);
	assert_non_null(found);
	return found;
}

enum mtls_reason talk_unlock(struct talk *talk, const char *pin, enum mtls_presence *presence,
			     uint32_t *tries)
{
	return signer_client_unlock(talk->client, talk_item(talk, 0)->id, (const uint8_t *)pin,
				    strlen(pin), talk_timeout_ms, presence, tries, &talk->diag);
}

int talk_socket(const char *path, uid_t owner)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(mtls_strcopy(address.sun_path, sizeof(address.sun_path), path), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(chown(path, owner, (gid_t)-1), 0);
	assert_int_equal(chmod(path, 0777), 0);
	return fd;
}

void talk_content(const char *context, uint8_t content[TALK_CONTENT_LEN])
{
	memset(content, ' ', 64);
	memcpy(content + 64, context, 33);
	memset(content + 97, 0, 33);
}

enum mtls_reason talk_sign_text(struct talk *talk, enum mtls_sign_scheme scheme,
				const char *context, uint8_t *signature, size_t *len)
{
	uint8_t content[TALK_CONTENT_LEN];
	talk_content(context, content);
	return signer_client_sign(talk->client, talk_item(talk, 0)->id, scheme, content,
				  sizeof(content), signature, len, talk_timeout_ms, &talk->diag);
}

enum mtls_reason talk_sign(struct talk *talk, enum mtls_sign_scheme scheme, uint8_t *signature,
			   size_t *len)
{
	return talk_sign_text(talk, scheme, "TLS 1.3, client CertificateVerify", signature, len);
}
