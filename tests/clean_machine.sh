#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# From nothing: a fresh Debian in a folder (debootstrap, plus git and ca-certificates), a clone of
# HEAD, the README's two commands, and how long each took. As root.
#
#	clean_machine.sh [--keep] [--ci] [FOLDER]
#
# --keep leaves the machine's folder; --ci runs .ci/run there instead of the two commands.
#
# Packages come from where this machine's own come from.
set -eu

die() {
	echo "clean_machine.sh: $*" >&2
	exit 1
}

# First Debian mirror of this machine: one-line and deb822 sources.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
		sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) bookworm .*/\2/p; s/^URIs: *\([^ ]*\).*/\1/p' |
		head -n 1
}

timed() { # WHAT COMMAND...
	what=$1 start=$(date +%s)
	shift
	"$@" || die "$what failed"
	times="$times$(printf '%5d s  %s' $(($(date +%s) - start)) "$what")
"
}

# A mount of its own, so that name spaces can be made inside; both go with this process.
in_machine() {
	unshare --mount sh -c '
		set -e
		mount --bind "$1" "$1"
		mount -t proc proc "$1/proc"
		mount --rbind /dev "$1/dev"
		mount --rbind /sys "$1/sys"
		root=$1
		shift
		exec chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"
	' sh "$root" "$@"
}

make_machine() {
	debootstrap --variant=minbase bookworm "$root" "$(mirror)" >"$root.log" 2>&1 ||
		die "debootstrap failed; see $root.log"
	# The same sources and proxy as here, security updates included.
	rm -f "$root/etc/apt/sources.list"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/trusted.gpg.d \
		/etc/apt/keyrings; do
		[ ! -e "$file" ] || cp -a "$file" "$root/etc/apt/"
	done
	for file in /etc/resolv.conf /etc/hosts; do
		cp -L "$file" "$root$file"
	done
	if [ -d /usr/local/share/ca-certificates ]; then
		mkdir -p "$root/usr/local/share"
		cp -a /usr/local/share/ca-certificates "$root/usr/local/share/"
	fi
	in_machine sh -c 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		--no-install-recommends install git ca-certificates' >>"$root.log" 2>&1 ||
		die "git and ca-certificates: see $root.log"
}

clone() {
	git clone -q --bare "$(dirname "$0")/.." "$root/srv/project.git"
	in_machine git clone -q /srv/project.git /root/project
}

[ "$(id -u)" = 0 ] || die "needs root"
keep=no ci=no
[ "${1-}" != --keep ] || { keep=yes && shift; }
[ "${1-}" != --ci ] || { ci=yes && shift; }
root=${1-$(mktemp -d "${TMPDIR:-/tmp}/clean-machine.XXXXXX")}
chmod 755 "$root" # it is the root folder of everybody in there
times=''
timed "a fresh Debian with git" make_machine
timed "git clone" clone
if [ "$ci" = yes ]; then
	timed ".ci/run" in_machine sh -c 'cd /root/project && exec bash .ci/run </dev/null'
else
	timed "./quickstart" in_machine sh -c 'cd /root/project && exec ./quickstart'
	timed "./quickstart check" in_machine sh -c 'cd /root/project && exec ./quickstart check'
	timed "./quickstart check, again" in_machine sh -c 'cd /root/project && exec ./quickstart check'
fi
[ "$keep" = yes ] || rm -rf "$root" "$root.log"
printf '%s' "$times"
