# SPDX-License-Identifier: LGPL-2.1-or-later
# `make bench` builds BENCH_BINARIES and runs the scripts of BENCHES, with the environment of the
# tests. They need root and print tables; numbers of one run only are comparable.
#	make bench BENCHES=bench/nss.sh BENCH_ARGS='--sizes 1000 --rounds 3'
BENCH_NSS_BINARIES = %D%/nss/ask %D%/nss/make %D%/nss/first %D%/nss/spawn %D%/nss/watch
BENCH_BINARIES = $(BENCH_NSS_BINARIES) %D%/bench_login %D%/bench_handshake
BENCHES = %D%/nss.sh %D%/login.sh %D%/throughput.sh
BENCH_ARGS =

EXTRA_PROGRAMS = $(BENCH_BINARIES)
CLEANFILES += $(BENCH_BINARIES)
EXTRA_DIST += %D%/nss.sh %D%/login.sh %D%/login.py %D%/login_peers.py %D%/README.md %D%/nss/run.py %D%/nss/peers.py \
	%D%/nss/space.py %D%/nss/sssd.py %D%/nss/accountd.py %D%/nss/report.py %D%/nss/plot.py \
	%D%/throughput.sh %D%/throughput/run.py %D%/throughput/contenders.py %D%/throughput/cpu.py \
	%D%/throughput/table.py %D%/throughput/bars.py

bench_nss_ask_SOURCES = %D%/nss/ask.c %D%/nss/ask.h %D%/nss/ask_glibc.c %D%/nss/ask_module.c \
	%D%/nss/ask_bare.c %D%/nss/bare.h %D%/nss/people.h
bench_nss_ask_LDADD = $(LIBMTLS_BASE) $(CDB_PIC_LIBS) -ldl

bench_nss_make_SOURCES = %D%/nss/make.c %D%/nss/make.h %D%/nss/make_bare.c %D%/nss/make_files.c \
	%D%/nss/make_snapshot.c %D%/nss/bare.h %D%/nss/people.h
bench_nss_make_LDADD = $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE)

bench_nss_first_SOURCES = %D%/nss/first.c
bench_nss_spawn_SOURCES = %D%/nss/spawn.c
bench_nss_spawn_LDADD = $(LIBMTLS_BASE)
bench_nss_watch_SOURCES = %D%/nss/watch.c

bench_bench_login_SOURCES = %D%/bench_login.c
bench_bench_login_LDADD = $(LIBMTLS_BASE) $(PAM_LIBS)

bench_bench_handshake_SOURCES = %D%/bench_handshake.c
bench_bench_handshake_LDADD = $(LIBMTLS_TLS) $(LIBMTLS_WIRE) $(LIBMTLS_BASE)

# Without OpenSSL's headers the script says which package is missing.
if HAVE_OPENSSL
BENCH_BINARIES += %D%/throughput/load
endif
bench_throughput_load_SOURCES = %D%/throughput/load.c %D%/throughput/load.h %D%/throughput/load_run.c
bench_throughput_load_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS)
bench_throughput_load_LDADD = $(LIBMTLS_BASE) $(OPENSSL_LIBS)

.PHONY: bench
bench: all $(BENCH_BINARIES)
	@$(MAKE) $(AM_MAKEFLAGS) $(E2E_STAMP)
	@$(AM_TESTS_ENVIRONMENT) PYTHON3='$(PYTHON3)'; export PYTHON3; for bench in $(BENCHES); do \
		echo "== $$bench"; $(SHELL) "$(srcdir)/$$bench" $(BENCH_ARGS) || exit 1; done
