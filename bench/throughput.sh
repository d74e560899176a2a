#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Authentications a second on one core, and memory of idle connections: bench/README.md.
exec "${PYTHON3:-python3}" -B "$top_srcdir/bench/throughput/run.py" "$@"
