# SPDX-License-Identifier: LGPL-2.1-or-later
# `make bench` builds BENCH_BINARIES and runs the scripts of BENCHES, with the environment of the
# tests. They need root and print tables; numbers of one run only are comparable.
BENCH_BINARIES = %D%/bench_nss
BENCHES = %D%/nss.sh

EXTRA_PROGRAMS = $(BENCH_BINARIES)
CLEANFILES += $(BENCH_BINARIES)
EXTRA_DIST += $(BENCHES)

bench_bench_nss_SOURCES = %D%/bench_nss.c
bench_bench_nss_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE) -ldl

.PHONY: bench
bench: all $(BENCH_BINARIES)
	@$(AM_TESTS_ENVIRONMENT) for bench in $(BENCHES); do \
		echo "== $$bench"; $(SHELL) "$(srcdir)/$$bench" || exit 1; done
