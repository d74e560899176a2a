#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The units with timers, which write metrics, renew certificates, bring service files back: systemd understands them, and nothing in
# them is misspelt.
. "$top_srcdir/tests/tools/tap.sh"
command -v systemd-analyze >/dev/null || {
	echo '1..0 # SKIP systemd-analyze is missing (systemd)'
	exit 0
}
verify() {
	SYSTEMD_UNIT_PATH=$work: systemd-analyze verify --man=no "$work/$1.service" "$work/$1.timer" >"$work/out" 2>&1
	# What it says of other units is not ours.
	! grep "$1" "$work/out"
}
# check UNIT ARGUMENTS
check() {
	grep -qE "^ExecStart=/[^@]*/mtlsctl $2\$" "$top_builddir/dist/systemd/$1.service" &&
		! grep -q '@[a-z]*dir@' "$top_builddir/dist/systemd/$1.service"
	ok "$1: the service starts mtlsctl by its absolute path"
	# verify wants the program to exist, under whatever prefix.
	sed "s|^ExecStart=[^ ]*|ExecStart=$mtlsctl|" "$top_builddir/dist/systemd/$1.service" >"$work/$1.service"
	cp "$top_srcdir/dist/systemd/$1.timer" "$work/"
	verify "$1"
	ok "$1: systemd-analyze finds nothing in service and timer"
	# Its command line is one that mtlsctl takes.
	"$mtlsctl" ${2%% *} --help >"$work/help"
	unknown=
	for word in $2; do
		case $word in --*) grep -q -- "^  $word" "$work/help" || unknown=$word ;; esac
	done
	[ -z "$unknown" ]
	ok "$1: mtlsctl knows the options"
	echo 'Colour=blue' >>"$work/$1.timer"
	! verify "$1" >/dev/null
	ok "$1: it would find a word that is not known"
}
# The same of a unit of persons, which has no timer.
unit=$top_builddir/dist/systemd/user/mtls-watch-card.service
grep -qE '^ExecStart=/[^@]*/mtlsctl watch-card --on-remove lock$' "$unit" && ! grep -q '@[a-z]*dir@' "$unit"
ok 'mtls-watch-card: the service starts mtlsctl by its absolute path'
verify_user() {
	HOME=$work XDG_RUNTIME_DIR=$work SYSTEMD_UNIT_PATH=$work: systemd-analyze verify --user --man=no "$work/mtls-watch-card.service" >"$work/out" 2>&1
	! grep mtls-watch-card "$work/out"
}
sed "s|^ExecStart=[^ ]*|ExecStart=$mtlsctl|" "$unit" >"$work/mtls-watch-card.service"
verify_user
ok 'mtls-watch-card: systemd-analyze finds nothing in it'
echo 'Colour=blue' >>"$work/mtls-watch-card.service"
! verify_user >/dev/null
ok 'mtls-watch-card: it would find a word that is not known'
"$mtlsctl" watch-card --help >"$work/help" && said help '--on-remove lock|logout|COMMAND'
ok 'mtls-watch-card: mtlsctl knows the options'

check mtls-metrics 'metrics --output /.*\.prom'
check mtls-renew 'renew --server --crl --if-due'
check mtls-pam-return 'enable --restore-expired'
# "Starting", "Finished" twice a minute for ever would fill the journal; what mtlsctl says would not be there.
unit=$top_builddir/dist/systemd/mtls-pam-return.service
grep -qx 'LogLevelMax=notice' "$unit" && grep -qx 'SyslogLevel=warning' "$unit"
ok 'mtls-pam-return: the journal gets what was brought back, and nothing else'
finish
