/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The signer's protocol loop over the source `file`, with bytes from a client. Two credentials: 1
 * is not protected, 2 opens with "secret". Every answer must be a message that a client takes.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "signer/serve.h"
#include "tests/unit/keyfiles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
	if (!condition)
		abort();
}

static void write_file(const char *folder, const char *name, const struct mtls_buf *buf)
{
	char path[128];
	const struct mtls_file_mode mode = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	check(mtls_file_replace(path, buf->data, buf->len, &mode, NULL) == 0);
}

static void remove_file(const char *folder, const char *name)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	(void)unlink(path);
}

static void make_files(const char *folder)
{
	_cleanup_buf_ struct mtls_buf plain = MTLS_BUF(1 << 20);
	_cleanup_buf_ struct mtls_buf locked = MTLS_BUF(1 << 20);
	const gnutls_datum_t pem = { (unsigned char *)(uintptr_t)keyfile_openssl_plain,
				     (unsigned int)strlen(keyfile_openssl_plain) };
	struct certgen own = { .crt = NULL };
	check(gnutls_x509_privkey_init(&own.key) == 0);
	check(gnutls_x509_privkey_import(own.key, &pem, GNUTLS_X509_FMT_PEM) == 0);
	struct certgen_options options = { .dn = "CN=Alice", .same_key = &own };
	struct certgen *cert = certgen_new(&options, NULL);
	keyfile_cert(&plain, cert);
	keyfile_cert(&locked, cert);
	check(mtls_buf_append_str(&plain, keyfile_openssl_plain) == 0);
	check(mtls_buf_append_str(&locked, keyfile_openssl_encrypted) == 0);
	write_file(folder, "1.pem", &plain);
	write_file(folder, "2.pem", &locked);
	certgen_free(cert);
	gnutls_x509_privkey_deinit(own.key);
}

/* The source reads its files once, so they need not stay. */
static void *open_source(void)
{
	char folder[] = "/tmp/fuzz_signer.XXXXXX";
	struct source_args args = { .owner = getuid(), .group = getgid() };
	void *source = NULL;
	check(mkdtemp(folder) != NULL);
	make_files(folder);
	args.paths[args.path_count++] = (struct source_path){ .path = folder, .folder = true };
	check(source_file_ops.open(&args, &source, NULL) == 0);
	remove_file(folder, "1.pem");
	remove_file(folder, "2.pem");
	check(rmdir(folder) == 0);
	return source;
}

static int judge(void *ctx, const uint8_t *data, size_t len)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
	(void)ctx;
	check(mtls_msg_decode(data, len, &msg, NULL) == 0);
	check(msg->type == MTLS_MSG_SIGNER_CREDENTIAL || msg->type == MTLS_MSG_SIGNER_END ||
	      msg->type == MTLS_MSG_SIGNER_UNLOCKED || msg->type == MTLS_MSG_SIGNER_SIGNATURE);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void *source;
	if (!source)
		source = open_source();
	/* Whole, then byte by byte, from a signer that could not open its source. */
	struct serve serve = { .ops = &source_file_ops, .source = source, .send = judge };
	serve_init(&serve);
	(void)serve_push(&serve, data, size);
	serve_done(&serve);

	struct serve refusing = { .ops = &source_file_ops,
				  .refusal = { .text = "no sandbox" },
				  .send = judge };
	serve_init(&refusing);
	for (size_t i = 0; i < size; i++)
		if (serve_push(&refusing, data + i, 1) <= 0)
			break;
	serve_done(&refusing);
	return 0;
}
