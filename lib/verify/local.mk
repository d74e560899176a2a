# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_verify.la
libmtls_verify_la_SOURCES = \
	%D%/verify.h %D%/verify_impl.h \
	%D%/anchors.c %D%/bounds.c %D%/path.c %D%/policy.c %D%/reason.c \
	%D%/crl.c %D%/crl.h \
	%D%/memo.c %D%/memo.h %D%/memo_impl.h

if HAVE_CMOCKA
UNIT_VERIFY = tests/unit/test_verify tests/unit/test_memo
check_PROGRAMS += $(UNIT_VERIFY)
TESTS += $(UNIT_VERIFY)
tests_unit_test_verify_SOURCES = tests/unit/test_verify.c tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_verify_LDADD = $(LIBMTLS_VERIFY) $(LIBMTLS_CERT) $(LIBMTLS_NAME) $(LIBMTLS_BASE) \
	$(GNUTLS_LIBS) $(CMOCKA_LIBS)
tests_unit_test_memo_SOURCES = tests/unit/test_memo.c tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_memo_LDADD = $(tests_unit_test_verify_LDADD)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_cert
tests_fuzz_fuzz_cert_SOURCES = tests/fuzz/fuzz_cert.c $(FUZZ_MAIN)
tests_fuzz_fuzz_cert_LDADD = $(LIBMTLS_VERIFY) $(LIBMTLS_CERT) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(GNUTLS_LIBS)
tests_fuzz_fuzz_cert_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_cert.in
