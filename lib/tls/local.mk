# SPDX-License-Identifier: LGPL-2.1-or-later
# The pure half of the transcript stands alone, for the signer, which needs no TLS. LIBMTLS_TLS
# contains it: a program names either LIBMTLS_TLS or LIBMTLS_TLS_CONTENT, never both.
noinst_LTLIBRARIES += libmtls_tls.la libmtls_tls_content.la
LIBMTLS_TLS_CONTENT = libmtls_tls_content.la
LIBMTLS_TLS += $(LIBMTLS_TLS_CONTENT)
libmtls_tls_content_la_SOURCES = %D%/transcript_content.c %D%/transcript.h
libmtls_tls_la_SOURCES = \
	%D%/tls.c %D%/tls.h \
	%D%/intake.c %D%/intake.h \
	%D%/peer.c %D%/peer.h \
	%D%/transcript.c %D%/transcript.h

if HAVE_CMOCKA
UNIT_TLS = tests/unit/test_transcript tests/unit/test_tls
check_PROGRAMS += $(UNIT_TLS)
TESTS += $(UNIT_TLS)
tests_unit_test_transcript_SOURCES = tests/unit/test_transcript.c
tests_unit_test_transcript_LDADD = $(LIBMTLS_TLS) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_tls_SOURCES = tests/unit/test_tls.c tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_tls_LDADD = $(LIBMTLS_TLS) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif
