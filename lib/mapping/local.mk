# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_mapping.la
libmtls_mapping_la_SOURCES = \
	%D%/account.c %D%/account.h \
	%D%/mapper.c %D%/mapper.h \
	%D%/query.c %D%/query.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_mapper
TESTS += tests/unit/test_mapper
tests_unit_test_mapper_SOURCES = tests/unit/test_mapper.c tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_mapper_LDADD = $(LIBMTLS_MAPPING) $(LIBMTLS_CERT) $(LIBMTLS_WIRE) $(LIBMTLS_NAME) \
	$(LIBMTLS_BASE) $(GNUTLS_LIBS) $(CMOCKA_LIBS)
endif
