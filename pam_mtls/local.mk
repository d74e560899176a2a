# SPDX-License-Identifier: LGPL-2.1-or-later
# The thin module: libpam, libConfuse, libc. Whatever needs GnuTLS or libtasn1 is in the TLS half,
# which is opened after the signers were started.
noinst_LTLIBRARIES += libpam_mtls_host.la libpam_mtls_core.la

# The host program's side: items, conversation, terminals. For pam_mtls_rescue.so too, so libc and
# libpam only.
libpam_mtls_host_la_SOURCES = \
	%D%/console.c %D%/console.h \
	%D%/items.c %D%/items.h \
	%D%/prompt.c %D%/prompt.h

libpam_mtls_core_la_SOURCES = \
	%D%/result.c %D%/result.h \
	%D%/user.c %D%/user.h \
	%D%/person.c %D%/person.h \
	%D%/seat.c %D%/seat.h \
	%D%/options.c %D%/options.h \
	%D%/words.c %D%/words.h \
	%D%/choice.c %D%/choice.h \
	%D%/describe.c %D%/describe.h \
	%D%/issuer.c %D%/issuer.h \
	%D%/unlock.c \
	%D%/hints.c %D%/hints.h \
	%D%/insert.c %D%/insert.h \
	%D%/credential.c %D%/credential.h

pammoddir = $(pamdir)
pammod_LTLIBRARIES = pam_mtls.la
pam_mtls_la_SOURCES = \
	%D%/pam_mtls.c \
	%D%/login.c %D%/login.h %D%/login_impl.h \
	%D%/login_find.c \
	%D%/signers.c %D%/signers.h \
	%D%/session.c %D%/session.h \
	%D%/report.c %D%/report.h \
	%D%/tls_half.c %D%/tls_half.h \
	%D%/witness.c %D%/witness.h \
	%D%/half.h
pam_mtls_la_LIBADD = libpam_mtls_core.la libpam_mtls_host.la $(LIBMTLS_CONF) $(LIBMTLS_SIGNER_START) \
	$(LIBMTLS_NAME) $(LIBMTLS_BASE) $(PAM_LIBS)
pam_mtls_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared $(MODULE_LDFLAGS) \
	-Wl,--version-script=$(srcdir)/%D%/pam_mtls.map
EXTRA_pam_mtls_la_DEPENDENCIES = %D%/pam_mtls.map

pkglib_LTLIBRARIES = libmtls_exchange.la
libmtls_exchange_la_SOURCES = %D%/half.c %D%/half.h
libmtls_exchange_la_LIBADD = $(LIBMTLS_CLIENT) $(LIBMTLS_SIGNER_CLIENT) $(LIBMTLS_CERT_BYTES) $(LIBMTLS_TLS) \
	$(LIBMTLS_WIRE) $(LIBMTLS_NAME) $(LIBMTLS_BASE)
libmtls_exchange_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared $(MODULE_LDFLAGS) \
	-Wl,--version-script=$(srcdir)/%D%/half.map
EXTRA_libmtls_exchange_la_DEPENDENCIES = %D%/half.map
EXTRA_DIST += %D%/pam_mtls.map %D%/half.map

TESTS += tests/check_exports.sh
EXTRA_DIST += tests/check_exports.sh

if HAVE_CMOCKA
UNIT_PAM = tests/unit/test_result tests/unit/test_person tests/unit/test_seat tests/unit/test_pam_options \
	tests/unit/test_prompt tests/unit/test_words tests/unit/test_credential tests/unit/test_hints \
	tests/unit/test_issuer tests/unit/test_insert
check_PROGRAMS += $(UNIT_PAM)
TESTS += $(UNIT_PAM)
UNIT_PAM_LIBS = libpam_mtls_core.la libpam_mtls_host.la $(LIBMTLS_CONF) $(LIBMTLS_NAME) $(LIBMTLS_BASE) \
	$(PAM_LIBS) $(CMOCKA_LIBS)
tests_unit_test_result_SOURCES = tests/unit/test_result.c
tests_unit_test_result_LDADD = $(UNIT_PAM_LIBS)
tests_unit_test_person_SOURCES = tests/unit/test_person.c
tests_unit_test_person_LDADD = $(UNIT_PAM_LIBS)
tests_unit_test_hints_SOURCES = tests/unit/test_hints.c
tests_unit_test_hints_LDADD = $(UNIT_PAM_LIBS)
tests_unit_test_seat_SOURCES = tests/unit/test_seat.c
tests_unit_test_seat_LDADD = $(UNIT_PAM_LIBS)
tests_unit_test_pam_options_SOURCES = tests/unit/test_pam_options.c
tests_unit_test_pam_options_LDADD = $(UNIT_PAM_LIBS)
tests_unit_test_prompt_SOURCES = tests/unit/test_prompt.c
tests_unit_test_prompt_LDADD = $(UNIT_PAM_LIBS)
tests_unit_test_words_SOURCES = tests/unit/test_words.c
tests_unit_test_words_LDADD = $(UNIT_PAM_LIBS)
tests_unit_test_insert_SOURCES = tests/unit/test_insert.c
tests_unit_test_insert_LDADD = $(UNIT_PAM_LIBS)
tests_unit_test_credential_SOURCES = tests/unit/test_credential.c
tests_unit_test_credential_LDADD = $(UNIT_PAM_LIBS)
tests_unit_test_issuer_SOURCES = tests/unit/test_issuer.c
tests_unit_test_issuer_LDADD = $(UNIT_PAM_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_hints
tests_fuzz_fuzz_hints_SOURCES = tests/fuzz/fuzz_hints.c $(FUZZ_MAIN)
tests_fuzz_fuzz_hints_LDADD = libpam_mtls_core.la libpam_mtls_host.la $(LIBMTLS_CONF) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(PAM_LIBS)
tests_fuzz_fuzz_hints_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_hints.in

dist_man_MANS += doc/pam_mtls.8
pamexamplesdir = $(docdir)/examples/pam.d
dist_pamexamples_DATA = dist/pam/README dist/pam/sudo dist/pam/su dist/pam/login

include tests/pam/local.mk
