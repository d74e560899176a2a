# SPDX-License-Identifier: LGPL-2.1-or-later
# Two halves: what reads bytes stands alone, for signers without GnuTLS. LIBMTLS_CERT contains it: a
# program names either LIBMTLS_CERT or LIBMTLS_CERT_BYTES, never both.
noinst_LTLIBRARIES += libmtls_cert.la libmtls_cert_bytes.la
LIBMTLS_CERT_BYTES = libmtls_cert_bytes.la
LIBMTLS_CERT += $(LIBMTLS_CERT_BYTES)
libmtls_cert_bytes_la_SOURCES = \
	%D%/der.c %D%/der.h \
	%D%/names.c %D%/names.h
libmtls_cert_la_SOURCES = \
	%D%/cert.c %D%/cert.h %D%/cert_impl.h \
	%D%/extensions.c

if HAVE_CMOCKA
UNIT_CERT = tests/unit/test_cert
check_PROGRAMS += $(UNIT_CERT)
TESTS += $(UNIT_CERT)
tests_unit_test_cert_SOURCES = tests/unit/test_cert.c tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_cert_LDADD = $(LIBMTLS_CERT) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(GNUTLS_LIBS) $(CMOCKA_LIBS)
endif
