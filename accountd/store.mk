# SPDX-License-Identifier: LGPL-2.1-or-later
# The store of accounts: a library of its own, so that tests link it without the daemon.
noinst_LTLIBRARIES += libaccountd_store.la
libaccountd_store_la_SOURCES = \
	accountd/store.h accountd/store_impl.h \
	accountd/store_db.c accountd/store_db.h \
	accountd/store_schema.c \
	accountd/store.c \
	accountd/store_rules.c \
	accountd/store_change.c \
	accountd/store_bind.c \
	accountd/store_walk.c \
	accountd/store_import.c \
	accountd/store_source.c \
	accountd/store_judge.c \
	accountd/store_merge.c accountd/store_merge.h
LIBACCOUNTD_STORE = libaccountd_store.la $(LIBMTLS_ROSTER) $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) \
	$(LIBMTLS_BASE) $(SQLITE_LIBS)

if HAVE_CMOCKA
UNIT_STORE = tests/unit/test_store tests/unit/test_store_file tests/unit/test_store_model \
	tests/unit/test_store_merge tests/unit/test_store_crash \
	tests/unit/test_store_snapshot
UNIT_STORE_HELP = tests/unit/store_help.c tests/unit/store_help.h
check_PROGRAMS += $(UNIT_STORE)
TESTS += $(UNIT_STORE)
tests_unit_test_store_SOURCES = tests/unit/test_store.c $(UNIT_STORE_HELP)
tests_unit_test_store_LDADD = $(LIBACCOUNTD_STORE) $(CMOCKA_LIBS)
tests_unit_test_store_file_SOURCES = tests/unit/test_store_file.c $(UNIT_STORE_HELP)
tests_unit_test_store_file_LDADD = $(LIBACCOUNTD_STORE) $(CMOCKA_LIBS)
tests_unit_test_store_model_SOURCES = tests/unit/test_store_model.c $(UNIT_STORE_HELP)
tests_unit_test_store_model_LDADD = $(LIBACCOUNTD_STORE) $(CMOCKA_LIBS)
tests_unit_test_store_merge_SOURCES = tests/unit/test_store_merge.c $(UNIT_STORE_HELP)
tests_unit_test_store_merge_LDADD = $(LIBACCOUNTD_STORE) $(CMOCKA_LIBS)
tests_unit_test_store_crash_SOURCES = tests/unit/test_store_crash.c $(UNIT_STORE_HELP)
tests_unit_test_store_crash_LDADD = $(LIBACCOUNTD_STORE) $(CMOCKA_LIBS)
tests_unit_test_store_snapshot_SOURCES = tests/unit/test_store_snapshot.c $(UNIT_STORE_HELP)
tests_unit_test_store_snapshot_LDADD = $(LIBACCOUNTD_STORE) $(CMOCKA_LIBS)
endif
