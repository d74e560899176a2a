# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_token.la
libmtls_token_la_SOURCES = \
	%D%/admin.c \
	%D%/filter.c \
	%D%/module.c \
	%D%/object.c \
	%D%/result.c \
	%D%/session.c \
	%D%/sign.c \
	%D%/slots.c \
	%D%/spki.c \
	%D%/text.c \
	%D%/token.h %D%/token_impl.h

FUZZ_TARGETS += tests/fuzz/fuzz_token_uri tests/fuzz/fuzz_token_object
tests_fuzz_fuzz_token_uri_SOURCES = tests/fuzz/fuzz_token_uri.c $(FUZZ_MAIN)
tests_fuzz_fuzz_token_uri_LDADD = $(LIBMTLS_TOKEN) $(LIBMTLS_WIRE) $(LIBMTLS_BASE)
tests_fuzz_fuzz_token_uri_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_token_object_SOURCES = tests/fuzz/fuzz_token_object.c $(FUZZ_MAIN)
tests_fuzz_fuzz_token_object_LDADD = $(LIBMTLS_TOKEN) $(LIBMTLS_WIRE) $(LIBMTLS_BASE)
tests_fuzz_fuzz_token_object_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_token_uri.in tests/fuzz/fuzz_token_object.in
