# SPDX-License-Identifier: LGPL-2.1-or-later
# The reader half goes into every process through nss_mtls: it stands alone.
noinst_LTLIBRARIES += libmtls_acctdb_read.la libmtls_acctdb.la
libmtls_acctdb_read_la_SOURCES = \
	%D%/record.c %D%/record.h %D%/record_impl.h %D%/cursor.h \
	%D%/reader.c %D%/reader.h %D%/reader_impl.h \
	%D%/reader_lookup.c %D%/reader_walk.c
libmtls_acctdb_la_SOURCES = \
	$(libmtls_acctdb_read_la_SOURCES) \
	%D%/local.c %D%/local.h %D%/local_impl.h \
	%D%/local_load.c %D%/local_lines.c \
	%D%/item.c %D%/item.h \
	%D%/place.c %D%/place.h \
	%D%/build.c %D%/build.h %D%/build_impl.h \
	%D%/build_accounts.c %D%/build_lists.c %D%/build_put.c \
	%D%/build_sets.c %D%/build_sets.h \
	%D%/encode.c

if HAVE_CMOCKA
UNIT_ACCTDB = tests/unit/test_item tests/unit/test_build tests/unit/test_build_drops \
	tests/unit/test_build_out tests/unit/test_place tests/unit/test_snapshot
check_PROGRAMS += $(UNIT_ACCTDB)
TESTS += $(UNIT_ACCTDB)
tests_unit_test_item_SOURCES = tests/unit/test_item.c
tests_unit_test_item_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
TEST_PEOPLE = tests/nss/people.c tests/nss/people.h
TEST_STREAM = tests/unit/build_stream.c tests/unit/build_stream.h $(TEST_PEOPLE)
tests_unit_test_build_SOURCES = tests/unit/test_build.c $(TEST_STREAM)
tests_unit_test_build_drops_SOURCES = tests/unit/test_build_drops.c $(TEST_STREAM)
tests_unit_test_build_drops_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_build_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_build_out_SOURCES = tests/unit/test_build_out.c $(TEST_PEOPLE)
tests_unit_test_build_out_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_build_out_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=calloc,--wrap=malloc,--wrap=realloc \
	-Wl,--wrap=reallocarray,--wrap=getrandom
tests_unit_test_place_SOURCES = tests/unit/test_place.c $(TEST_PEOPLE)
tests_unit_test_place_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_place_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mkdir,--wrap=chmod,--wrap=fchmod \
	-Wl,--wrap=flock,--wrap=fsync,--wrap=rename,--wrap=link,--wrap=unlink,--wrap=write \
	-Wl,--wrap=ftruncate,--wrap=open,--wrap=__open_2,--wrap=mmap \
	-Wl,--wrap=calloc,--wrap=strdup,--wrap=strndup
tests_unit_test_snapshot_SOURCES = tests/unit/test_snapshot.c $(TEST_PEOPLE)
tests_unit_test_snapshot_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_snapshot
tests_fuzz_fuzz_snapshot_SOURCES = tests/fuzz/fuzz_snapshot.c $(FUZZ_MAIN)
tests_fuzz_fuzz_snapshot_LDADD = libnss_mtls_core.la libmtls_acctdb_read.la $(CDB_PIC_LIBS) $(LIBMTLS_NAME) $(LIBMTLS_BASE)
tests_fuzz_fuzz_snapshot_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_snapshot.in

if HAVE_CMOCKA
UNIT_LOCAL = tests/unit/test_local
check_PROGRAMS += $(UNIT_LOCAL)
TESTS += $(UNIT_LOCAL)
tests_unit_test_local_SOURCES = tests/unit/test_local.c
tests_unit_test_local_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_local
tests_fuzz_fuzz_local_SOURCES = tests/fuzz/fuzz_local.c $(FUZZ_MAIN)
tests_fuzz_fuzz_local_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE)
tests_fuzz_fuzz_local_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_local.in

FUZZ_TARGETS += tests/fuzz/fuzz_item
tests_fuzz_fuzz_item_SOURCES = tests/fuzz/fuzz_item.c $(FUZZ_MAIN)
tests_fuzz_fuzz_item_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE)
tests_fuzz_fuzz_item_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_item.in
