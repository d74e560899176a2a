# SPDX-License-Identifier: LGPL-2.1-or-later
# `make bench` builds BENCH_BINARIES and runs the scripts of BENCHES, with the environment of the
# tests. They need root and print tables; numbers of one run only are comparable.
BENCH_BINARIES = %D%/bench_nss %D%/bench_login %D%/bench_handshake
BENCHES = %D%/nss.sh %D%/login.sh

EXTRA_PROGRAMS = $(BENCH_BINARIES)
CLEANFILES += $(BENCH_BINARIES)
EXTRA_DIST += $(BENCHES) %D%/login.py

bench_bench_nss_SOURCES = %D%/bench_nss.c
bench_bench_nss_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE) -ldl

bench_bench_login_SOURCES = %D%/bench_login.c
bench_bench_login_LDADD = $(LIBMTLS_BASE) $(PAM_LIBS)

bench_bench_handshake_SOURCES = %D%/bench_handshake.c
bench_bench_handshake_LDADD = $(LIBMTLS_TLS) $(LIBMTLS_WIRE) $(LIBMTLS_BASE)

.PHONY: bench
bench: all $(BENCH_BINARIES)
	@$(AM_TESTS_ENVIRONMENT) PYTHON3='$(PYTHON3)'; export PYTHON3; for bench in $(BENCHES); do \
		echo "== $$bench"; $(SHELL) "$(srcdir)/$$bench" || exit 1; done
