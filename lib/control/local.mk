# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_control.la
libmtls_control_la_SOURCES = %D%/client.c %D%/client.h %D%/accounts.h %D%/authd.h \
	%D%/item.c %D%/item.h %D%/server.c %D%/server.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_control_client tests/unit/test_control_server
TESTS += tests/unit/test_control_client tests/unit/test_control_server
tests_unit_test_control_client_SOURCES = tests/unit/test_control_client.c tests/unit/wire_samples.h
tests_unit_test_control_client_LDADD = $(LIBMTLS_CONTROL) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_control_server_SOURCES = tests/unit/test_control_server.c
tests_unit_test_control_server_LDADD = $(LIBMTLS_CONTROL) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif
