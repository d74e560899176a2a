# SPDX-License-Identifier: LGPL-2.1-or-later
# End to end: each script runs in a private root over a staged installation of this build. They need
# root; --disable-e2e leaves them out (make distcheck, whose prefix no private root covers).
check_PROGRAMS += %D%/evil_authd %D%/evil_signer
tests_e2e_evil_authd_SOURCES = %D%/evil_authd.c
tests_e2e_evil_authd_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_TLS) $(LIBMTLS_BASE)
tests_e2e_evil_signer_SOURCES = %D%/evil_signer.c
tests_e2e_evil_signer_LDADD = $(LIBMTLS_WIRE) $(LIBMTLS_BASE) $(GNUTLS_LIBS)

# Loaded by real programs before the sanitizer's runtime, so it is built without one.
check_LTLIBRARIES += %D%/libasan_shim.la
tests_e2e_libasan_shim_la_SOURCES = %D%/asan_shim.c
tests_e2e_libasan_shim_la_CFLAGS = -std=gnu11 -fvisibility=hidden $(WARN_CFLAGS)
tests_e2e_libasan_shim_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

# An account source that hangs for one uid.
check_LTLIBRARIES += %D%/libnss_hang.la
tests_e2e_libnss_hang_la_SOURCES = %D%/nss_hang.c
tests_e2e_libnss_hang_la_CFLAGS = $(tests_e2e_libasan_shim_la_CFLAGS)
tests_e2e_libnss_hang_la_LDFLAGS = $(tests_e2e_libasan_shim_la_LDFLAGS)

# A PKCS#11 module with faults.
check_LTLIBRARIES += %D%/libevil_p11.la
tests_e2e_libevil_p11_la_SOURCES = %D%/evil_p11.c
tests_e2e_libevil_p11_la_CFLAGS = $(P11KIT_CFLAGS) $(tests_e2e_libasan_shim_la_CFLAGS)
tests_e2e_libevil_p11_la_LDFLAGS = $(tests_e2e_libasan_shim_la_LDFLAGS)

# A PAM module that does what ours must not.
check_LTLIBRARIES += %D%/libplanted.la
tests_e2e_libplanted_la_SOURCES = %D%/planted.c
tests_e2e_libplanted_la_CFLAGS = $(tests_e2e_libasan_shim_la_CFLAGS)
tests_e2e_libplanted_la_LDFLAGS = $(tests_e2e_libasan_shim_la_LDFLAGS)

# Ends mtlsctl between two steps.
check_LTLIBRARIES += %D%/libkill_at.la
tests_e2e_libkill_at_la_SOURCES = %D%/kill_at.c
tests_e2e_libkill_at_la_CFLAGS = -D_GNU_SOURCE $(tests_e2e_libasan_shim_la_CFLAGS)
tests_e2e_libkill_at_la_LDFLAGS = $(tests_e2e_libasan_shim_la_LDFLAGS)

E2E_TESTS = \
	%D%/enroll.py \
	%D%/enroll_keys.py \
	%D%/reasons_complete.py \
	%D%/no_leaks.py \
	%D%/login_path.py \
	%D%/issuer_refused.py \
	%D%/agent.py \
	%D%/forwarded.py \
	%D%/forwarded_token.py \
	%D%/lockers.py \
	%D%/operate.py \
	%D%/over_ssh.py \
	%D%/phases.py \
	%D%/pin.py \
	%D%/pin_memory.py \
	%D%/broken_trust.py \
	%D%/chain_memo.py \
	%D%/explain.py \
	%D%/german.py \
	%D%/greeter.py \
	%D%/journal.py \
	%D%/matrix.py \
	%D%/renew.py \
	%D%/tokens.py \
	%D%/readme_setup.py \
	%D%/rescue.py \
	%D%/rescue_ctl.py \
	%D%/rescue_faults.py \
	%D%/watch_card.py \
	%D%/seat.py \
	%D%/transcripts.py \
	%D%/strace_proof.py \
	%D%/way_back.py \
	%D%/enable.py \
	%D%/enable_killed.py \
	%D%/guides.py

EXTRA_DIST += $(E2E_TESTS) tests/private_root.sh tests/skips.expected tests/clean_machine.sh \
	tests/results.py tests/mutants \
	tests/certs/pki.py \
	%D%/demo.py \
	%D%/transcripts \
	%D%/rows.py \
	%D%/token_rows.py \
	%D%/lib/__init__.py \
	%D%/lib/accountd.py \
	%D%/lib/attempt.py \
	%D%/lib/authd.py \
	%D%/lib/cards.py \
	%D%/lib/control.py \
	%D%/lib/elsewhere.py \
	%D%/lib/enable.py \
	%D%/lib/forwarding.py \
	%D%/lib/gate.py \
	%D%/lib/guide.py \
	%D%/lib/hostile.py \
	%D%/lib/hosts.py \
	%D%/lib/initiated.py \
	%D%/lib/local_agent.py \
	%D%/lib/lockers.py \
	%D%/lib/machine.py \
	%D%/lib/memory.py \
	%D%/lib/p11.py \
	%D%/lib/p11server.py \
	%D%/lib/pcscd.py \
	%D%/lib/private.py \
	%D%/lib/reasons.py \
	%D%/lib/records.py \
	%D%/lib/rescue.py \
	%D%/lib/service.py \
	%D%/lib/softhsm.py \
	%D%/lib/strace.py \
	%D%/lib/sshd.py \
	%D%/lib/tap.py \
	%D%/lib/terminal.py \
	%D%/lib/tpm.py \
	%D%/lib/world.py \
	%D%/lib/xvfb.py

if SANITIZERS
check_PROGRAMS += %D%/overflow
tests_e2e_overflow_SOURCES = %D%/overflow.c
E2E_TESTS += %D%/sanitizer_noticed.py
endif
EXTRA_DIST += %D%/overflow.c %D%/sanitizer_noticed.py

E2E_STAGE = $(abs_top_builddir)/%D%/stage
E2E_STAMP = %D%/stage.stamp
$(E2E_STAMP): $(PROGRAMS) $(LTLIBRARIES) $(DATA)
	$(AM_V_GEN)rm -rf '$(E2E_STAGE)' && $(MKDIR_P) '$(E2E_STAGE)' && \
	$(MAKE) $(AM_MAKEFLAGS) -s install DESTDIR='$(E2E_STAGE)' >$@.log 2>&1 && touch $@ || \
	{ cat $@.log; exit 1; }
CLEANFILES += $(E2E_STAMP) $(E2E_STAMP).log

if E2E
TESTS += $(E2E_TESTS)
check_DATA += $(E2E_STAMP)
endif

# The main job, shown in a private root.
.PHONY: clean-e2e demo demo-ready mutants mutant-row
demo-ready: all-am tests/pam/pam_host %D%/libnss_hang.la
	@$(MAKE) $(AM_MAKEFLAGS) $(E2E_STAMP)
demo:
	@$(AM_TESTS_ENVIRONMENT) $(PYTHON3) -B $(srcdir)/%D%/demo.py
# One row of the matrix for a mutant. Its status goes to a file: make has only one of its own.
mutant-row:
	@$(AM_TESTS_ENVIRONMENT) $(PYTHON3) -B $(srcdir)/%D%/matrix.py --mutant '$(MUTANT_ROW)'; \
	echo $$? >mutant-row.status
CLEANFILES += mutant-row.status
mutants: all-am
	@$(MAKE) $(AM_MAKEFLAGS) check TESTS=
	@$(AM_TESTS_ENVIRONMENT) $(PYTHON3) -B $(srcdir)/tests/mutants/run.py $(MUTANTS)
clean-e2e:
	rm -rf '$(E2E_STAGE)'
clean-local: clean-e2e
