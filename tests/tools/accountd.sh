# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by scripts: mtls-accountd, started and stopped without a service manager.
#
#	accountd_start PROGRAM [ARGUMENT...]	returns when it is ready; else false, and why on stderr
#	accountd_stop				returns when it has ended
#	accountd_kill				at once, its processes too
#
# $accountd_folder: where its process id and its log are; set it before.
accountd_python() {
	"${PYTHON3:-python3}" -B "$top_srcdir/tests/e2e/lib/accountd.py" "$@"
}

accountd_start() {
	accountd_python start "$accountd_folder/accountd.pid" "$accountd_folder/accountd.log" "$@"
}

accountd_stop() {
	[ ! -e "$accountd_folder/accountd.pid" ] || accountd_python stop "$accountd_folder/accountd.pid"
}

accountd_kill() {
	[ ! -e "$accountd_folder/accountd.pid" ] || accountd_python kill "$accountd_folder/accountd.pid"
}
