#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The units that write metrics: systemd understands them, and nothing in them is misspelt.
. "$top_srcdir/tests/tools/tap.sh"
command -v systemd-analyze >/dev/null || {
	echo '1..0 # SKIP systemd-analyze is missing (systemd)'
	exit 0
}
grep -q "^ExecStart=/[^@]*/mtlsctl metrics --output /.*\.prom\$" "$top_builddir/dist/systemd/mtls-metrics.service"
ok 'the service starts mtlsctl by its absolute path'
# verify wants the program to exist, under whatever prefix.
sed "s|^ExecStart=[^ ]*|ExecStart=$mtlsctl|" "$top_builddir/dist/systemd/mtls-metrics.service" >"$work/mtls-metrics.service"
cp "$top_srcdir/dist/systemd/mtls-metrics.timer" "$work/"
verify() {
	SYSTEMD_UNIT_PATH=$work: systemd-analyze verify --man=no "$work/mtls-metrics.service" "$work/mtls-metrics.timer" >"$work/out" 2>&1
	# What it says of other units is not ours.
	! grep mtls-metrics "$work/out"
}
verify
ok 'systemd-analyze finds nothing in them'
echo 'Colour=blue' >>"$work/mtls-metrics.timer"
! verify >/dev/null
ok 'it would find a word that is not known'
finish
