#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What accounts cost, beside other NSS services: bench/README.md. --help lists the options.
exec sh "$top_srcdir/tests/nss/private.sh" "${PYTHON3:-python3}" -B "$top_srcdir/bench/nss/run.py" "$@"
