# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_signer_start.la
# For the thin module: libc, lib/base and the words of lib/settings only.
libmtls_signer_start_la_SOURCES = \
	%D%/start.c %D%/start.h \
	%D%/command.c %D%/command.h

# The host program's side of the protocol: the TLS half of pam_mtls, mtlsctl.
noinst_LTLIBRARIES += libmtls_signer_client.la
libmtls_signer_client_la_SOURCES = \
	%D%/client.c %D%/client.h

# What all signers have: no library but lib/wire's and lib/base's.
noinst_LTLIBRARIES += libmtls_signer_serve.la
libmtls_signer_serve_la_SOURCES = \
	%D%/serve.c %D%/serve.h \
	%D%/source.c %D%/source.h
SANDBOX = %D%/sandbox.c %D%/sandbox.h %D%/domain.c %D%/domain.h
SIGNER_PROGRAM = %D%/program.c %D%/program.h $(SANDBOX)
if WIPING_FREE
SIGNER_PROGRAM += %D%/wiping_free.c
endif

# Certificates, for every source: without GnuTLS.
noinst_LTLIBRARIES += libmtls_signer_leaf.la
libmtls_signer_leaf_la_SOURCES = \
	%D%/beside.c %D%/beside.h \
	%D%/beside_paths.c %D%/beside_paths.h \
	%D%/leaf.c %D%/leaf_list.c %D%/leaf.h \
	%D%/pem.c %D%/pem.h
LIBMTLS_SIGNER_LEAF = libmtls_signer_leaf.la $(LIBMTLS_CERT_BYTES) $(LIBMTLS_NAME) $(NETTLE_LIBS)

# mtls-signer without main() and sandbox, for its tests and fuzz targets.
noinst_LTLIBRARIES += libmtls_signer_core.la
libmtls_signer_core_la_SOURCES = \
	%D%/source_file.c \
	%D%/intake.c %D%/intake.h %D%/intake_parts.h \
	%D%/intake_pem.c \
	%D%/intake_pkcs12.c \
	%D%/key.c %D%/key.h
LIBMTLS_SIGNER_CORE = libmtls_signer_core.la $(LIBMTLS_SIGNER_LEAF) libmtls_signer_serve.la $(LIBMTLS_TLS_CONTENT) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(GNUTLS_LIBS)

pkglibexec_PROGRAMS += mtls-signer
mtls_signer_SOURCES = %D%/mtls-signer.c $(SIGNER_PROGRAM)
mtls_signer_LDADD = $(LIBMTLS_SIGNER_CORE)

# mtls-signer-token without main() and sandbox.
noinst_LTLIBRARIES += libmtls_signer_token.la
libmtls_signer_token_la_SOURCES = \
	%D%/p11kit.c \
	%D%/pcscd.c \
	%D%/source_token.c %D%/source_token.h \
	%D%/token_key.c \
	%D%/token_list.c
LIBMTLS_SIGNER_TOKEN = libmtls_signer_token.la $(LIBMTLS_TOKEN) $(LIBMTLS_SIGNER_LEAF) libmtls_signer_serve.la \
	$(LIBMTLS_TLS_CONTENT) $(LIBMTLS_WIRE) $(LIBMTLS_BASE)

pkglibexec_PROGRAMS += mtls-signer-token
mtls_signer_token_SOURCES = %D%/mtls-signer-token.c $(SIGNER_PROGRAM)
mtls_signer_token_LDADD = $(LIBMTLS_SIGNER_TOKEN)

# Keys in agents; the program is small, since it is loaded by each such login. No secret is ever in
# it, so it has no use for wiping_free.c.
pkglibexec_PROGRAMS += mtls-signer-agent
mtls_signer_agent_SOURCES = %D%/mtls-signer-agent.c %D%/source_agent.c \
	%D%/program.c %D%/program.h $(SANDBOX)
mtls_signer_agent_LDADD = $(LIBMTLS_AGENT) $(LIBMTLS_SIGNER_LEAF) libmtls_signer_serve.la \
	$(LIBMTLS_TLS_CONTENT) $(LIBMTLS_WIRE) $(LIBMTLS_BASE)

# Nobody needs to read it, and a program that cannot be read is not dumpable from exec on, so that
# no other process of the person can look into it. (Removing it needs no hook.)
INSTALL_EXEC_HOOKS += install-signer-mode
install-signer-mode:
	chmod 0711 $(DESTDIR)$(pkglibexecdir)/mtls-signer $(DESTDIR)$(pkglibexecdir)/mtls-signer-token $(DESTDIR)$(pkglibexecdir)/mtls-signer-agent

if HAVE_CMOCKA
UNIT_SIGNER = tests/unit/test_signer_start tests/unit/test_signer_command tests/unit/test_signer_client \
	tests/unit/test_signer_intake tests/unit/test_signer_leaf tests/unit/test_signer_beside tests/unit/test_signer
check_PROGRAMS += tests/unit/fake_signer $(UNIT_SIGNER)
TESTS += $(UNIT_SIGNER)
tests_unit_fake_signer_SOURCES = tests/unit/fake_signer.c
tests_unit_test_signer_start_SOURCES = tests/unit/test_signer_start.c
tests_unit_test_signer_start_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_test_signer_start_LDADD = $(LIBMTLS_SIGNER_START) $(LIBMTLS_BASE) $(CMOCKA_LIBS) -lpthread
tests_unit_test_signer_command_SOURCES = tests/unit/test_signer_command.c
tests_unit_test_signer_command_LDADD = $(LIBMTLS_SIGNER_START) $(LIBMTLS_CONF) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_signer_client_SOURCES = tests/unit/test_signer_client.c
tests_unit_test_signer_client_LDADD = $(LIBMTLS_SIGNER_CLIENT) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_signer_intake_SOURCES = tests/unit/test_signer_intake.c $(KEYFILES)
tests_unit_test_signer_intake_LDADD = $(LIBMTLS_SIGNER_CORE) $(CMOCKA_LIBS)
tests_unit_test_signer_leaf_SOURCES = tests/unit/test_signer_leaf.c $(KEYFILES)
tests_unit_test_signer_leaf_LDADD = libmtls_signer_leaf.la libmtls_signer_serve.la $(LIBMTLS_CERT) $(LIBMTLS_NAME) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) \
	$(NETTLE_LIBS) $(GNUTLS_LIBS) $(CMOCKA_LIBS)
tests_unit_test_signer_beside_SOURCES = tests/unit/test_signer_beside.c $(KEYFILES)
tests_unit_test_signer_beside_LDADD = $(LIBMTLS_SIGNER_CORE) $(CMOCKA_LIBS)
tests_unit_test_signer_SOURCES = tests/unit/test_signer.c $(SANDBOX) $(KEYFILES)
tests_unit_test_signer_LDADD = $(LIBMTLS_SIGNER_CLIENT) $(LIBMTLS_SIGNER_START) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) \
	$(GNUTLS_LIBS) $(CMOCKA_LIBS)
endif
if HAVE_CMOCKA
check_LTLIBRARIES += tests/unit/fake_module.la
tests_unit_fake_module_la_SOURCES = tests/unit/fake_module.c
tests_unit_fake_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
UNIT_TOKEN = tests/unit/test_source_token tests/unit/test_token tests/unit/test_pcscd
tests_unit_test_pcscd_SOURCES = tests/unit/test_pcscd.c $(TOKEN_TALK)
tests_unit_test_pcscd_LDADD = $(LIBMTLS_SIGNER_CLIENT) $(LIBMTLS_SIGNER_START) $(LIBMTLS_SIGNER_TOKEN) $(GNUTLS_LIBS) $(CMOCKA_LIBS)
tests_unit_test_token_SOURCES = tests/unit/test_token.c $(TOKEN_TALK)
tests_unit_test_token_CPPFLAGS = $(AM_CPPFLAGS) -DSOFTHSM_MODULE='"/usr/lib/softhsm/libsofthsm2.so"'
tests_unit_test_token_LDADD = $(LIBMTLS_SIGNER_CLIENT) $(LIBMTLS_SIGNER_START) $(LIBMTLS_TOKEN) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) \
	$(GNUTLS_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += $(UNIT_TOKEN)
TESTS += $(UNIT_TOKEN)
TOKEN_TALK = tests/unit/token_talk.c tests/unit/token_talk.h tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_source_token_SOURCES = tests/unit/test_source_token.c $(TOKEN_TALK)
tests_unit_test_source_token_LDADD = $(LIBMTLS_SIGNER_CLIENT) $(LIBMTLS_SIGNER_START) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) \
	$(GNUTLS_LIBS) $(CMOCKA_LIBS)
endif
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_sandbox
TESTS += tests/unit/test_sandbox
tests_unit_test_sandbox_SOURCES = tests/unit/test_sandbox.c $(SANDBOX)
tests_unit_test_sandbox_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_test_sandbox_LDADD = $(LIBMTLS_BASE) $(CMOCKA_LIBS) -lpthread
endif
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_source_agent
TESTS += tests/unit/test_source_agent
tests_unit_test_source_agent_SOURCES = tests/unit/test_source_agent.c \
	tests/unit/agent_bytes.h tests/unit/fake_agent.c tests/unit/fake_agent.h $(TOKEN_TALK)
tests_unit_test_source_agent_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_test_source_agent_LDADD = $(LIBMTLS_SIGNER_CLIENT) $(LIBMTLS_SIGNER_START) $(LIBMTLS_AGENT) \
	$(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(GNUTLS_LIBS) $(CMOCKA_LIBS) -lpthread
endif
KEYFILES = tests/unit/keyfiles.c tests/unit/keyfiles.h tests/unit/certgen.c tests/unit/certgen.h

FUZZ_TARGETS += tests/fuzz/fuzz_signer tests/fuzz/fuzz_intake tests/fuzz/fuzz_leaf
tests_fuzz_fuzz_leaf_SOURCES = tests/fuzz/fuzz_leaf.c $(FUZZ_MAIN)
tests_fuzz_fuzz_leaf_LDADD = $(LIBMTLS_SIGNER_LEAF) libmtls_signer_serve.la $(LIBMTLS_WIRE) $(LIBMTLS_BASE)
tests_fuzz_fuzz_leaf_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_signer_SOURCES = tests/fuzz/fuzz_signer.c $(KEYFILES) $(FUZZ_MAIN)
tests_fuzz_fuzz_signer_LDADD = $(LIBMTLS_SIGNER_CORE)
tests_fuzz_fuzz_signer_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_intake_SOURCES = tests/fuzz/fuzz_intake.c $(FUZZ_MAIN)
tests_fuzz_fuzz_intake_LDADD = $(LIBMTLS_SIGNER_CORE)
tests_fuzz_fuzz_intake_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_signer.in tests/fuzz/fuzz_intake.in tests/fuzz/fuzz_leaf.in

dist_man_MANS += doc/mtls-signer.8 doc/mtls-signer-agent.8 doc/mtls-signer-token.8
