# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by the scripts of this folder: TAP results, a private folder, comparisons.
set -u
n=0
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
# The folder of trusted files may not be writable for others.
chmod 0755 "$work"
mtlsctl=$top_builddir/mtlsctl

# ok NAME: the result of the command before it.
ok() {
	status=$?
	n=$((n + 1))
	if [ "$status" = 0 ]; then
		echo "ok $n - $1"
		return
	fi
	echo "not ok $n - $1"
	for f in out err; do grep -v "^ok " "$work/$f" 2>/dev/null | tail -n 15 | sed "s/^/# $f: /"; done
}

# run WANTED_STATUS COMMAND...: output to $work/out and err; true if it ended so.
run() {
	want=$1
	shift
	"$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ "$got" = "$want" ] || {
		echo "# status $got instead of $want: $*"
		return 1
	}
}

said() { # out|err TEXT
	grep -qF -- "$2" "$work/$1" || {
		echo "# not said on $1: $2"
		return 1
	}
}

finish() {
	echo "1..$n"
	exit 0
}
