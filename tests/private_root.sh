#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a command in a private root: this machine's programs, with everything that a test may change
# (/etc, /usr, /var, /home, /root, /run, /tmp, /dev, processes, network, host name) its own and gone
# afterwards. Used by tests and by the demo alike.
#
#	private_root.sh [--keep] [--stage DIR] [--hold DIR]... [--] COMMAND...
#
# --stage DIR: a `make install DESTDIR=DIR` tree that is laid over the root.
# --hold DIR:  a folder that stays reachable under its path, as a writable copy (this source tree,
#              $top_builddir and the stage always are).
# --keep:      afterwards /etc, /var and /run of the private root are copied to a folder that is named
#              on standard error.
#
# Inside, /run/mtls-private-root exists, /dev/log goes to /run/mtls-test/syslog, and the loopback
# interface is up. Exit status: the command's; 99 when the root could not be made.
set -eu

die() {
	echo "private_root.sh: $*" >&2
	exit 99
}

# Outside: a mount point, then a process tree with name spaces of its own.
outside() {
	[ "$(id -u)" = 0 ] || die "needs root"
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/mtls-root.XXXXXX")
	kept=
	[ "$keep" = no ] || kept=$(mktemp -d "${TMPDIR:-/tmp}/mtls-kept.XXXXXX")
	status=0
	unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc \
		sh "$self" --inside "$scratch" "$kept" "$stage" "$held" "$@" || status=$?
	rmdir "$scratch"
	[ -z "$kept" ] || echo "private_root.sh: kept in $kept" >&2
	exit "$status"
}

# overlay DIR: changes below DIR stay in the scratch tmpfs. $2: the folder that shows the original.
overlay() {
	layer=$scratch/layer.$(echo "$1" | tr -c 'A-Za-z0-9\n' _)
	mkdir -p "$layer/up" "$layer/work"
	chmod --reference="$2" "$layer/up"
	mount -t overlay -o "lowerdir=$2,upperdir=$layer/up,workdir=$layer/work" overlay "$1" ||
		die "no overlay on $1"
}

empty() { # DIR MODE
	[ -d "$1" ] || die "$1 does not exist"
	mount -t tmpfs -o "mode=$2,size=256m" tmpfs "$1"
}

# The shared devtmpfs would leak /dev/log and name real terminals.
private_dev() {
	dev=$scratch/dev
	mkdir -p "$dev/pts" "$dev/shm"
	for node in null zero full random urandom tty; do
		: >"$dev/$node"
		mount --bind "/dev/$node" "$dev/$node"
	done
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$dev/pts"
	mount -t tmpfs -o mode=1777 tmpfs "$dev/shm"
	ln -s pts/ptmx "$dev/ptmx"
	ln -s /proc/self/fd "$dev/fd"
	mount --rbind "$dev" /dev
}

# Folders that the empty ones would hide, each shown by a bind mount while that happens. Names are
# separated by newlines; sorted, so that an outer folder is mounted before one inside it.
hold_folders() {
	count=0
	printf '%s\n' "$held" | sort -u >"$scratch/held"
	while read -r folder; do
		[ -n "$folder" ] || continue
		count=$((count + 1))
		mkdir -p "$scratch/held.$count"
		mount --bind "$folder" "$scratch/held.$count"
	done <"$scratch/held"
}

show_folders() {
	count=0
	while read -r folder; do
		[ -n "$folder" ] || continue
		count=$((count + 1))
		mkdir -p "$folder"
		overlay "$folder" "$scratch/held.$count"
	done <"$scratch/held"
}

# Only below folders that are private: an installation elsewhere would reach the real machine.
lay_stage() {
	for top in "$stage"/*; do
		case /${top##*/} in
		/etc | /usr | /var | /run | /lib | /lib64 | /bin | /sbin) ;;
		*) die "the stage has /${top##*/}, which is not private here" ;;
		esac
	done
	[ -L /lib ] || [ ! -e "$stage/lib" ] || die "/lib is not part of /usr on this machine"
	(cd "$stage" && tar -cf - ./*) |
		tar -C / --no-overwrite-dir --keep-directory-symlink --no-same-owner -xpf -
	ldconfig
}

inside() {
	mount -t tmpfs -o mode=755,size=1g tmpfs "$scratch"
	hold_folders
	for folder in /etc /usr /var; do
		overlay "$folder" "$folder"
	done
	empty /run 755
	empty /home 755
	empty /root 711
	keep_reachable
	empty /tmp 1777
	private_dev
	hostname testhost
	printf '127.0.0.1 localhost testhost\n::1 localhost\n' >/etc/hosts
	: >/etc/ld.so.preload
	: >/run/utmp
	mkdir -p /run/lock /run/mtls-test
	: >/run/mtls-private-root
	show_folders
	[ -z "$stage" ] || lay_stage
}

# scratch lies below /tmp (or TMPDIR), which is about to be hidden.
keep_reachable() {
	mkdir -p /run/mtls-scratch
	mount --rbind "$scratch" /run/mtls-scratch
	if [ -n "$kept" ]; then
		mkdir -p /run/mtls-kept
		mount --bind "$kept" /run/mtls-kept
		kept=/run/mtls-kept
	fi
	scratch=/run/mtls-scratch
}

start_services() {
	mkfifo /run/mtls-test/ready
	{
		python3 -B "${self%/*}/e2e/lib/machine.py" /dev/log /run/mtls-test/syslog /run/mtls-test/ready ||
			echo "no system log" >/run/mtls-test/ready
	} &
	read -r answer </run/mtls-test/ready || die "no system log"
	[ "$answer" = ready ] || die "$answer"
}

self=$(realpath "$0")
if [ "${1-}" = --inside ]; then
	scratch=$2 kept=$3 stage=$4 held=$5
	shift 5
	inside
	start_services
	unset TMPDIR
	status=0
	"$@" || status=$?
	if [ -n "$kept" ]; then
		cp -a /etc /var "$kept/"
		cp -a /run/mtls-test "$kept/run"
	fi
	exit "$status"
fi

keep=no stage='' held=$(realpath "${self%/*}/..")
newline='
'
[ -z "${top_builddir-}" ] || held=$held$newline$(realpath "$top_builddir")
while [ $# -gt 0 ]; do
	case $1 in
	--keep) keep=yes ;;
	--stage)
		stage=$(realpath "$2") && held=$held$newline$stage
		shift
		;;
	--hold)
		held=$held$newline$(realpath "$2")
		shift
		;;
	--)
		shift
		break
		;;
	-*) die "unknown option $1" ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || die "no command"
outside "$@"
