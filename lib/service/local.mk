# SPDX-License-Identifier: LGPL-2.1-or-later
# What daemons have in common: the service manager, sockets, children, rights.
noinst_LTLIBRARIES += libmtls_service.la
libmtls_service_la_SOURCES = \
	%D%/child.c %D%/child.h \
	%D%/notify.c %D%/notify.h \
	%D%/rights.c %D%/rights.h \
	%D%/socket.c %D%/socket.h

if HAVE_CMOCKA
UNIT_SERVICE = tests/unit/test_service
check_PROGRAMS += $(UNIT_SERVICE)
TESTS += $(UNIT_SERVICE)
tests_unit_test_service_SOURCES = tests/unit/test_service.c
tests_unit_test_service_LDADD = $(LIBMTLS_SERVICE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif
