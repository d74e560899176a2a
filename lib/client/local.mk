# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_client.la
libmtls_client_la_SOURCES = \
	%D%/connect.c %D%/connect.h \
	%D%/exchange.c %D%/exchange.h %D%/exchange_impl.h \
	%D%/exchange_cas.c %D%/exchange_cas.h \
	%D%/exchange_key.c \
	%D%/exchange_io.c \
	%D%/obey.c %D%/obey.h

if HAVE_CMOCKA
UNIT_CLIENT = tests/unit/test_obey tests/unit/test_exchange tests/unit/test_exchange_cas
check_PROGRAMS += $(UNIT_CLIENT)
TESTS += $(UNIT_CLIENT)
UNIT_CLIENT_LIBS = $(LIBMTLS_CLIENT) $(LIBMTLS_CERT_BYTES) $(LIBMTLS_TLS) $(LIBMTLS_WIRE) $(LIBMTLS_NAME) \
	$(LIBMTLS_BASE) $(GNUTLS_LIBS) $(CMOCKA_LIBS)
tests_unit_test_obey_SOURCES = tests/unit/test_obey.c
tests_unit_test_obey_LDADD = $(UNIT_CLIENT_LIBS)
tests_unit_test_exchange_SOURCES = tests/unit/test_exchange.c \
	tests/unit/test_server.c tests/unit/test_server.h \
	tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_exchange_LDADD = $(UNIT_CLIENT_LIBS)
tests_unit_test_exchange_cas_SOURCES = tests/unit/test_exchange_cas.c
tests_unit_test_exchange_cas_LDADD = $(UNIT_CLIENT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_cas
tests_fuzz_fuzz_cas_SOURCES = tests/fuzz/fuzz_cas.c $(FUZZ_MAIN)
tests_fuzz_fuzz_cas_LDADD = $(LIBMTLS_CLIENT) $(LIBMTLS_CERT_BYTES) $(LIBMTLS_TLS) $(LIBMTLS_WIRE) \
	$(LIBMTLS_NAME) $(LIBMTLS_BASE) $(GNUTLS_LIBS)
tests_fuzz_fuzz_cas_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_cas.in
