# SPDX-License-Identifier: LGPL-2.1-or-later
# Everything but main.c is a library, which the unit tests link too.
noinst_LTLIBRARIES += libmtls_authd.la
libmtls_authd_la_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/audit.c %D%/audit.h \
	%D%/audit_sink.c %D%/audit_sink.h \
	%D%/chain.c %D%/chain.h \
	%D%/channel.c %D%/channel.h \
	%D%/configuration.c %D%/configuration.h \
	%D%/conn.c %D%/conn.h %D%/conn_gate.c %D%/conn_impl.h \
	%D%/conn_request.c %D%/conn_tls.c \
	%D%/counters.c %D%/counters.h \
	%D%/crew.c \
	%D%/datum.h \
	%D%/expiry.c %D%/expiry.h \
	%D%/generation.c \
	%D%/limits.c %D%/limits.h \
	%D%/listener.c %D%/listener.h \
	%D%/lookup.c %D%/lookup.h %D%/lookup_order.c \
	%D%/lookup_client.c %D%/lookup_client.h \
	%D%/lookup_queue.c %D%/lookup_queue.h \
	%D%/manager.c \
	%D%/peer.h \
	%D%/origin.c %D%/origin.h \
	%D%/penalties.c %D%/penalties.h \
	%D%/process.c %D%/process.h \
	%D%/pulse.c %D%/pulse.h \
	%D%/reload.c \
	%D%/request.c %D%/request.h \
	%D%/roles.c %D%/roles.h \
	%D%/sandbox.c %D%/sandbox.h \
	%D%/shared.c %D%/shared.h \
	%D%/shmem.c %D%/shmem.h \
	%D%/status.c %D%/status.h \
	%D%/supervisor.c %D%/supervisor.h %D%/supervisor_impl.h \
	%D%/tally.c %D%/tally.h \
	%D%/tlsio.c %D%/tlsio.h \
	%D%/verbs.c %D%/verbs.h \
	%D%/warmup.c %D%/warmup.h \
	%D%/worker.c %D%/worker.h
if SANITIZERS
libmtls_authd_la_SOURCES += %D%/sandbox_sanitizer.c
else
libmtls_authd_la_SOURCES += %D%/sandbox_plain.c
endif
EXTRA_DIST += %D%/sandbox_sanitizer.c %D%/sandbox_plain.c

LIBMTLS_AUTHD = libmtls_authd.la $(LIBMTLS_CONTROL) $(LIBMTLS_MAPPING) $(LIBMTLS_TRUST) $(LIBMTLS_VERIFY) $(LIBMTLS_CERT) $(LIBMTLS_TLS) $(LIBMTLS_WIRE) \
	$(LIBMTLS_CONF) $(LIBMTLS_NAME) $(LIBMTLS_SERVICE) $(LIBMTLS_BASE) \
	$(UV_LIBS) $(SECCOMP_LIBS) $(JANSSON_LIBS) $(GNUTLS_LIBS)

sbin_PROGRAMS += mtls-authd
mtls_authd_SOURCES = %D%/main.c
mtls_authd_LDADD = $(LIBMTLS_AUTHD)

if HAVE_CMOCKA
UNIT_AUTHD = tests/unit/test_counters tests/unit/test_crew tests/unit/test_limits tests/unit/test_penalties tests/unit/test_roles tests/unit/test_lookup \
	tests/unit/test_lookup_queue \
	tests/unit/test_request tests/unit/test_audit tests/unit/test_expiry
check_PROGRAMS += $(UNIT_AUTHD)
TESTS += $(UNIT_AUTHD)
tests_unit_test_counters_SOURCES = tests/unit/test_counters.c
tests_unit_test_counters_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
tests_unit_test_crew_SOURCES = tests/unit/test_crew.c
tests_unit_test_crew_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
tests_unit_test_limits_SOURCES = tests/unit/test_limits.c
tests_unit_test_limits_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
tests_unit_test_lookup_queue_SOURCES = tests/unit/test_lookup_queue.c
tests_unit_test_lookup_queue_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
tests_unit_test_penalties_SOURCES = tests/unit/test_penalties.c
tests_unit_test_penalties_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
tests_unit_test_roles_SOURCES = tests/unit/test_roles.c
tests_unit_test_roles_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
tests_unit_test_lookup_SOURCES = tests/unit/test_lookup.c
tests_unit_test_lookup_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
tests_unit_test_request_SOURCES = tests/unit/test_request.c tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_request_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
tests_unit_test_expiry_SOURCES = tests/unit/test_expiry.c
tests_unit_test_expiry_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
tests_unit_test_audit_SOURCES = tests/unit/test_audit.c tests/unit/certgen.c tests/unit/certgen.h
tests_unit_test_audit_LDADD = $(LIBMTLS_AUTHD) $(CMOCKA_LIBS)
endif

# The daemon alone, in a private root.
AUTHD_E2E = tests/e2e/tls_outside.py tests/e2e/authd_start.py tests/e2e/authd_reload.py \
	tests/e2e/authd_service.py tests/e2e/authd_load.py
EXTRA_DIST += $(AUTHD_E2E) tests/e2e/lib/alone.py tests/e2e/lib/crowd.py tests/e2e/lib/load.py \
	tests/e2e/lib/wire.py
if E2E
TESTS += $(AUTHD_E2E)
endif

dist_man_MANS += doc/mtls-authd.8

# The user is made by the package; who installs by hand is told how.
INSTALL_EXEC_HOOKS += install-authd-users
install-authd-users:
	@test -n "$(DESTDIR)" || echo "To create the system users: systemd-sysusers $(sysusersdir)/mtls.conf"
