# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_wire.la
libmtls_wire_la_SOURCES = \
	%D%/asn1.c %D%/asn1.h \
	%D%/reason.c %D%/reason.h \
	%D%/field.c %D%/field_kinds.c %D%/fields.c %D%/field.h \
	%D%/msg.c %D%/msg.h \
	%D%/frame.c %D%/frame.h \
	%D%/invoker.c %D%/invoker.h
nodist_libmtls_wire_la_SOURCES = %D%/mtls_asn1_tab.c
EXTRA_DIST += %D%/mtls.asn
CLEANFILES += %D%/mtls_asn1_tab.c

# The array behind lib/wire/asn1.c. Made in the build folder; a half-written file never stays.
%D%/mtls_asn1_tab.c: %D%/mtls.asn
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(ASN1PARSER) -o $@.tmp -n mtls_asn1_tab $(srcdir)/lib/wire/mtls.asn >/dev/null && mv $@.tmp $@

if HAVE_CMOCKA
UNIT_WIRE = tests/unit/test_msg tests/unit/test_msg_control tests/unit/test_reason tests/unit/test_frame \
	tests/unit/test_invoker \
	tests/unit/test_protocol_md tests/unit/test_wire_nomem tests/unit/test_wire_secret
check_PROGRAMS += $(UNIT_WIRE)
TESTS += $(UNIT_WIRE)
tests_unit_test_msg_SOURCES = tests/unit/test_msg.c tests/unit/wire_samples.h
tests_unit_test_msg_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_msg_control_SOURCES = tests/unit/test_msg_control.c tests/unit/wire_samples.h
tests_unit_test_msg_control_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_reason_SOURCES = tests/unit/test_reason.c
tests_unit_test_reason_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_frame_SOURCES = tests/unit/test_frame.c tests/unit/wire_samples.h
tests_unit_test_frame_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_invoker_SOURCES = tests/unit/test_invoker.c
tests_unit_test_invoker_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_protocol_md_SOURCES = tests/unit/test_protocol_md.c \
	tests/unit/wire_samples.h tests/unit/wire_dump.h
tests_unit_test_protocol_md_LDADD = $(LIBMTLS_NAME) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_wire_secret_SOURCES = tests/unit/test_wire_secret.c tests/unit/wire_samples.h
tests_unit_test_wire_secret_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_wire_nomem_SOURCES = tests/unit/test_wire_nomem.c tests/unit/wire_samples.h
tests_unit_test_wire_nomem_LDADD = $(LIBMTLS_NAME) $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_wire_nomem_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=strdup
endif

FUZZ_TARGETS += tests/fuzz/fuzz_msg
tests_fuzz_fuzz_msg_SOURCES = tests/fuzz/fuzz_msg.c $(FUZZ_MAIN)
tests_fuzz_fuzz_msg_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_BASE)
tests_fuzz_fuzz_msg_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_msg.in

FUZZ_TARGETS += tests/fuzz/fuzz_invoker
tests_fuzz_fuzz_invoker_SOURCES = tests/fuzz/fuzz_invoker.c $(FUZZ_MAIN)
tests_fuzz_fuzz_invoker_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_BASE)
tests_fuzz_fuzz_invoker_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_invoker.in
