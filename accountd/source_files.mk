# SPDX-License-Identifier: LGPL-2.1-or-later
# The folder of source files; a library of its own, because it needs nothing of the daemon.
noinst_LTLIBRARIES += libaccountd_sources.la
libaccountd_sources_la_SOURCES = \
	%D%/source_files.c %D%/source_files.h %D%/source_files_impl.h \
	%D%/source_list.c \
	%D%/source_scan.c

if HAVE_CMOCKA
UNIT_SOURCE_FILES = tests/unit/test_source_files
check_PROGRAMS += $(UNIT_SOURCE_FILES)
TESTS += $(UNIT_SOURCE_FILES)
tests_unit_test_source_files_SOURCES = tests/unit/test_source_files.c
tests_unit_test_source_files_LDADD = libaccountd_sources.la $(LIBMTLS_ROSTER) \
	$(LIBMTLS_NAME) $(LIBMTLS_BASE) $(UV_LIBS) $(CMOCKA_LIBS)
endif
