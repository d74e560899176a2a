# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_signer_start.la
# For the thin module: libc and lib/base only.
libmtls_signer_start_la_SOURCES = \
	%D%/start.c %D%/start.h

# The host program's side of the protocol: the TLS half of pam_mtls, mtlsctl.
noinst_LTLIBRARIES += libmtls_signer_client.la
libmtls_signer_client_la_SOURCES = \
	%D%/client.c %D%/client.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/fake_signer tests/unit/test_signer_start
TESTS += tests/unit/test_signer_start
tests_unit_fake_signer_SOURCES = tests/unit/fake_signer.c
tests_unit_test_signer_start_SOURCES = tests/unit/test_signer_start.c
tests_unit_test_signer_start_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_test_signer_start_LDADD = $(LIBMTLS_SIGNER_START) $(LIBMTLS_BASE) $(CMOCKA_LIBS) -lpthread
endif
