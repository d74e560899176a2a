#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mtlsctl account, group and bind, with an mtls-accountd, a state folder and an /etc of their own, and
# what glibc then sees through libnss_mtls.so.2.
set -u
if [ "${1:-}" != --inside ]; then
	exec sh "$top_srcdir/tests/nss/private.sh" sh "$0" --inside
fi
ctl=$top_builddir/mtlsctl
ask=$top_builddir/tests/nss/ask
work=/run/work
mkdir -p $work/etc
# this test's own local accounts; no configuration: the defaults
for f in passwd group subuid subgid nsswitch.conf; do cp /etc/$f $work/etc/ 2>/dev/null; done
echo 'mtls-accountd:x:442:442::/:/usr/sbin/nologin
mtls-authd:x:443:443::/:/usr/sbin/nologin' >>$work/etc/passwd
echo 'localbob:x:4242:4242::/:/bin/sh' >>$work/etc/passwd
echo 'localsys:x:444:444::/:/bin/sh' >>$work/etc/passwd
echo 'localgroup:x:4242:' >>$work/etc/group
echo 'localbob:2000900000:65536' >>$work/etc/subuid
mount --bind $work/etc /etc || exit 99

digest=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
n=0
check() { # name want-status want-text command...
	n=$((n + 1))
	name=$1 status=$2 text=$3
	shift 3
	out=$("$@" 2>&1)
	got=$?
	case $out in *"$text"*) found=yes ;; *) found=no ;; esac
	if [ "$got" = "$status" ] && [ $found = yes ]; then echo "ok $n - $name"; else
		echo "not ok $n - $name"
		echo "status $got, expected $status and '$text'; $*: $out" | sed 's/^/# /'
	fi
}
account() { "$ctl" account "$@"; }
group() { "$ctl" group "$@"; }

. "$top_srcdir/tests/tools/accountd.sh"
accountd_folder=$work
trap accountd_kill EXIT
start_daemon() {
	accountd_start "$top_builddir/mtls-accountd" || {
		echo "Bail out! mtls-accountd is not ready"
		exit 99
	}
}
bind() { "$ctl" bind "$@"; }
serial() { cat "$MTLS_STATEDIR/snapshot/accounts.cdb" | cksum; }

check "no daemon" 4 "Start it with: " account add alice
check "a list needs none" 0 NAME account list
start_daemon
check "nothing at first" 0 NAME account list
check "all is well" 0 "publisher   running" account status
check "an account" 0 "uid 2000200001" account add alice --gecos 'Alice A' --groups team,ops
check "a second" 0 "uid 2000200004" account add bob --home /srv/bob --shell /bin/sh
check "by name" 0 "alice:*:2000200001:2000200001:Alice A:/home/alice:/bin/bash" \
	"$ask" mtls passwd alice
check "by uid" 0 "bob:*:2000200004" "$ask" mtls passwd 2000200004
check "group" 0 "team:*:2000200002:alice" "$ask" mtls group team
check "initgroups" 0 "2000200002 2000200003" "$ask" mtls initgroups alice
check "list" 0 "alice	2000200001	2000200001	/home/alice	/bin/bash	Alice A	ops,team" account list
check "list as JSON" 0 '"groups": [' account list --json
check "the same name again" 1 "exists already" account add alice
check "a local account" 1 "another source" account add localbob
check "a local group" 1 "localgroup" account add localgroup
check "root" 1 "reserved" account add root
check "a bad name" 2 "not a name" account add 'a:b'
check "a local group of rights" 1 "belongs to another source" account add eve --groups sudo
check "somebody's private group" 1 "private group" account add eve --groups alice
check "a subordinate id" 1 "subuid" account add eve --uid 2000900001
check "an id outside" 1 "window" account add eve --uid 5000
check "change" 0 "changed" account change bob --gecos 'Bob B' --shell /bin/bash --join team,crew
check "is seen" 0 "bob:*:2000200004:2000200004:Bob B:/srv/bob:/bin/bash" "$ask" mtls passwd bob
check "he joined" 0 "team:*:2000200002:alice,bob" "$ask" mtls group team
check "leave" 0 "'bob' left 'team'" group leave team bob
check "join, as JSON" 0 '"group": "crew"' group join crew alice --json
check "the list of groups" 0 "crew	2000200005	alice,bob	store" group list
check "as JSON" 0 '"members": [' group list --json
check "a group" 0 "group 'lab': gid 2000200006" group add lab
check "with a number of another source" 1 "subgid" group add lab2 --gid 2000900001
check "as primary group" 0 "gid 2000200006" account add labrat --gid 2000200006
check "which then stays" 1 "primary group" group remove lab
check "he goes" 0 "never used again" account remove labrat
check "and it goes" 0 "never used again" group remove lab
check "a private group stays" 1 "private group" group remove alice
complete_words() { # WORD...: what is offered for the last one
	PATH=$top_builddir:$PATH bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mtlsctl; echo "=${COMPREPLY[*]}="' \
		bash "$top_srcdir/dist/completion/mtlsctl" "$@"
}
check "completion knows the accounts" 0 "=alice bob=" complete_words mtlsctl account remove ''
check "and the groups" 0 "=crew=" complete_words mtlsctl group join cr
check "and who may join" 0 "=bob=" complete_words mtlsctl group join crew b
check "export" 0 "bob:*:2000200004:2000200004:Bob B:/srv/bob:/bin/bash" account export
check "of a source that is not there" 0 "" account export --source corp
check "export of groups" 0 "crew:*:2000200005:alice,bob" account export --format group
check "export as CSV" 0 "Bob B" account export --format csv
check "export as JSON" 0 '"source": "store"' account export --format json
account export >$work/all.passwd && account export --format group >$work/all.group
check "what was exported is there already" 1 "exists" account import $work/all.passwd --group $work/all.group
rename='s/alice/alyce/g; s/bob/bobby/g; s/team/squad/g; s/crew/gang/g; s/ops/sre/g'
sed "$rename" $work/all.passwd >$work/other.passwd
sed "$rename" $work/all.group >$work/other.group
check "an import of others, dry" 0 "nothing was changed" \
	account import $work/other.passwd --group $work/other.group --dry-run
check "left nothing" 2 "" "$ask" mtls passwd alyce
check "an import of others" 0 "user 'alyce': 2000200001 -> 2000200011" \
	account import $work/other.passwd --group $work/other.group
check "its groups" 0 ",bobby" "$ask" mtls group gang
check "an import of one who is there" 1 "exists" account import $work/other.passwd
for name in alyce bobby; do check "$name goes" 0 "" account remove $name; done
for name in squad gang sre; do check "$name goes" 0 "" group remove $name; done
check "not a number" 2 "not a uid" account add eve --uid x
check "a relative home" 2 "home" account add eve --home home
check "nothing of these was kept" 2 "" "$ask" mtls passwd eve
before=$(serial)
check "dry run says what it would do" 0 "nothing was changed" account add carol --dry-run
check "dry run changes nothing" 0 "$before" serial

sh -c 'exec "$0" account add dan --shell /no/shell 2>&-' "$ctl"
check "without standard error, its messages go to no file" 0 "dan" account list
check "such as the lock" 0 "empty" stat -c %F "$MTLS_STATEDIR/snapshot/.lock"
check "dan goes" 0 "never used" account remove dan

check "bind a key" 0 "is bound to 'alice'" bind add alice "spki-sha256:$digest"
check "x509 passwd" 0 "alice:*:2000200001" "$ask" x509 passwd "spki-sha256:$digest"
check "a subject as a person types it" 0 "is bound to 'bob'" \
	bind add bob "subject: cn=Bob , O=Example"
check "finds the canonical subject" 0 "bob:" "$ask" x509 passwd "subject:CN=Bob,O=Example"
check "a local account can be bound" 0 "is bound to 'localbob'" bind add localbob "sha256:$digest"
check "and is no passwd entry of ours" 2 "" "$ask" x509 passwd "sha256:$digest"
check "its name is known now" 1 "another source" account add localbob
check "root cannot be bound" 1 "uid 0" bind add root "sha256:$digest"
check "a system account cannot" 1 "uid 444" bind add localsys "sha256:$digest"
check "nobody cannot" 1 "system accounts" bind add nobody "sha256:$digest"
check "an unknown account" 1 "there is no account 'zoe'" bind add zoe "sha256:$digest"
check "twice" 1 "already" bind add alice "spki-sha256:$digest"
check "not a key" 2 "" bind add alice "nonsense"
check "a later kind is bound, with a word" 0 "does not ask for keys of the kind 'mail'" \
	bind add alice "mail:a@example.org"
check "and found" 0 "alice:*:2000200001" "$ask" x509 passwd "mail:a@example.org"
check "to the byte" 2 "" "$ask" x509 passwd "mail:A@example.org"
check "a kind that does not exist as a key" 2 "expected sha256:" bind add alice "email:a@example.org"
check "list of bindings" 0 "localbob	other	sha256:$digest" bind list
check "list of one user" 0 "alice	mtls	spki-sha256:$digest" bind list alice
check "bindings as JSON" 0 '"source": "other"' bind list --json
check "remove a binding" 0 "no longer bound" bind remove bob "subject:CN=Bob,O=Example"
check "it is gone" 2 "" "$ask" x509 passwd "subject:CN=Bob,O=Example"
check "remove it again" 1 "not bound" bind remove bob "subject:CN=Bob,O=Example"

if command -v certtool >/dev/null; then
	(cd $work && certtool --generate-privkey --key-type=ed25519 --outfile k.pem &&
		printf 'dn = "CN=Carol,O=Example"\nserial = 77\nexpiration_days = 10\ntls_www_client\n' >t &&
		certtool --generate-self-signed --load-privkey k.pem --template t --outfile c.pem &&
		certtool --certificate-info --infile c.pem --outder --outfile c.der) >/dev/null 2>&1
	check "bind by a certificate file" 0 "spki-sha256:" bind add bob --cert $work/c.pem
	check "by its subject" 0 "subject:CN=Carol,O=Example is bound" \
		bind add bob --cert $work/c.pem --kind subject
	check "by issuer and serial" 0 "issuer-serial:4d:CN=Carol,O=Example" \
		bind add bob --cert $work/c.pem --kind issuer-serial
	check "a kind that does not exist" 2 "none of" bind add bob --cert $work/c.pem --kind foo
	check "remove by a certificate file" 0 "no longer" bind remove bob --cert $work/c.pem
else
	echo "Bail out! certtool is missing (gnutls-bin)"
	exit 99
fi
check "not a certificate" 1 "not a certificate" bind add bob --cert /etc/passwd

# Many at once: each gets a number, and nobody the same.
pids=
for i in $(seq 20); do
	account add many$i >$work/many.$i 2>&1 &
	pids="$pids $!"
done
for pid in $pids; do wait "$pid" || echo "$pid failed"; done >$work/failed
check "20 accounts at once" 1 "" grep failed $work/failed
different() { account list | grep '^many' | cut -f 2 | sort -u | wc -l; }
check "have 20 numbers" 0 20 different
for i in $(seq 20); do account remove many$i >/dev/null 2>&1; done
check "remove an account" 0 "never used again" account remove alice
check "it is gone from passwd" 2 "" "$ask" mtls passwd alice
check "and from x509" 2 "" "$ask" x509 passwd "spki-sha256:$digest"
check "and from its groups" 0 "team:*:2000200002:" "$ask" mtls group team
check "remove it again" 1 "no account 'alice'" account remove alice
check "its uid is not given out again" 1 "never given out again" account add eve --uid 2000200001
check "its name may be, with a word" 0 "note: a removed account was called 'alice'" \
	account add alice
check "and a new uid" 0 "alice:*:2000200034" "$ask" mtls passwd alice
printf 'team:x:4343:\n' >>/etc/group
check "a group that became local: changes go on" 0 "never used again" account remove bob
check "it is not published any more" 2 "" "$ask" mtls group team
check "and status says so" 1 "dropped " account status
check "until it is removed" 0 "group 'team' removed" group remove team
check "then all is well again" 0 "publisher   running" account status
check "usage" 2 "Usage" account
check "unknown action" 2 "unknown action" bind show
check "a list that cannot be written" 1 "cannot write to standard output" sh -c '"$0" account list --json >/dev/full' "$ctl"

# A full disk: the snapshot in a file system of its own, filled up.
check "the daemon ends" 0 "" accountd_stop
snapshot=$MTLS_STATEDIR/snapshot
cp -a "$snapshot" "$work/snapshot"
mount -t tmpfs -o size=64k,mode=755 tmpfs "$snapshot" && cp -a "$work/snapshot/." "$snapshot/"
start_daemon
dd if=/dev/zero of="$snapshot/filler" bs=4k 2>/dev/null
before=$(serial)
check "a full disk: stored, not published" 5 "No space left on device" account add zara
check "leaves the snapshot as it was" 0 "$before" serial
check "and nothing half-written" 0 "accounts.cdb accounts.gen" sh -c 'cd "$0" && echo $(ls | grep -vE "^filler$|lock")' "$snapshot"
check "which goes on answering" 0 "alice:*:" "$ask" mtls passwd alice
check "status says it" 1 "No space left on device" account status
check "the same again is no second one" 1 "exists already" account add zara
rm "$snapshot/filler"
check "with room it is published" 0 "published" account publish
check "and there" 0 "zara:*:" "$ask" mtls passwd zara

rm -f "$MTLS_STATEDIR/snapshot/accounts.cdb"
check "a lost snapshot is made again" 0 "published" account publish
check "with all accounts" 0 "zara:*:" "$ask" mtls passwd zara
check "the daemon ends again" 0 "" accountd_stop
rm -rf "$MTLS_STATEDIR/accountd"
start_daemon
check "a lost store is made again from the snapshot" 0 "zara	2000200035" account list
check "and gives no number twice" 0 "uid 2000200036" account add zoe
check "nor one of somebody who was removed" 1 "never given out again" account add eve --uid 2000200001
check "the daemon ends at last" 0 "" accountd_stop
check "without a daemon no change" 4 "Start it with: " account remove zara
check "but lists" 0 "zara" account list
echo "1..$n"
