# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_verify.la
libmtls_verify_la_SOURCES = \
	%D%/verify.h %D%/verify_impl.h \
	%D%/anchors.c %D%/bounds.c %D%/path.c %D%/policy.c \
	%D%/crl.c %D%/crl.h

if HAVE_CMOCKA
UNIT_VERIFY = tests/unit/test_verify
check_PROGRAMS += $(UNIT_VERIFY)
TESTS += $(UNIT_VERIFY)
tests_unit_test_verify_SOURCES = tests/unit/test_verify.c tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_verify_LDADD = $(LIBMTLS_VERIFY) $(LIBMTLS_CERT) $(LIBMTLS_NAME) $(LIBMTLS_BASE) \
	$(GNUTLS_LIBS) $(CMOCKA_LIBS)
endif
