#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mtlsctl check over an installation in a private root: it is content with what `init` makes; then
# one thing after another is spoiled, found by its words, and mended.
if [ ! -e /run/mtls-private-root ]; then
	if [ "$(id -u)" != 0 ]; then
		echo '1..0 # SKIP needs root for a private root'
		exit 0
	fi
	exec sh "$top_srcdir/tests/private_root.sh" --stage "$MTLS_STAGE" -- sh "$0"
fi
. "$top_srcdir/tests/tools/tap.sh"
. "$top_srcdir/tests/tools/accountd.sh"
accountd_folder=$work
dir=$MTLS_CONFDIR
mtlsctl=$MTLS_SBINDIR/mtlsctl
# check STATUS: what it printed is kept for the end of this test too.
check() {
	run "$1" "$mtlsctl" check
	checked=$?
	cat "$work/out" >>"$work/seen"
	return $checked
}

for user in mtls-authd mtls-accountd mtls-signer; do useradd -r "$user"; done
rm -rf "$dir"
"$mtlsctl" init --name auth.example.org >"$work/out" 2>"$work/err"
# Stands in for the daemon: connecting is all that `check` does.
mkdir -p "$MTLS_RUNDIR"
python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(64)
print("listening", flush=True)
while True:
    s.accept()[0].close()' "$MTLS_RUNDIR/authd.sock" >"$work/listening" &
listener=$!
trap 'kill $listener; accountd_kill; rm -rf "$work"' EXIT
until grep -q listening "$work/listening" 2>/dev/null; do kill -0 $listener || exit 99; done

check 0 && said out '0 errors, 0 warnings' && said out "'$dir/server.pem' is valid until" &&
	said out "unix:$MTLS_RUNDIR/authd.sock' answers"
ok 'content with what init makes'
run 0 "$mtlsctl" check --json && python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
assert d["errors"] == 0 and d["warnings"] == 0 and len(d["findings"]) > 8
assert all(f["severity"] in ("ok", "note") and f["text"] for f in d["findings"])' "$work/out"
ok '--json'

# found SEVERITY TEXT NAME: the spoiled thing is found, and is gone again afterwards.
found() {
	case $1 in error) status=3 ;; *) status=0 ;; esac
	check $status && grep "^$1 " "$work/out" | grep -qF -- "$2"
	ok "$3"
	mend
	check 0 && ! grep -q "^error" "$work/out"
	ok "$3: mended"
}
keep() { cp -a "$1" "$work/kept"; kept=$1; }
mend() { rm -rf "$kept"; mv "$work/kept" "$kept"; }

keep "$dir/authd.conf"
echo 'nonsense = 1' >>"$dir/authd.conf"
found error "$dir/authd.conf:10: found 'nonsense'" 'a key that does not exist'
keep "$dir/pam_mtls.conf"
chmod 0666 "$dir/pam_mtls.conf"
found error 'is writable by group or others' 'a configuration that others can write'
keep "$dir/pam_mtls.conf"
rm "$dir/pam_mtls.conf"
found note 'nobody logs in here by certificate' 'a machine that only verifies'
keep "$dir/authd.conf"
rm "$dir/authd.conf"
found error 'this machine runs no mtls-authd' 'no authd.conf, but a server on this machine'
keep "$dir/pam_mtls.conf"
sed -i 's/auth.example.org/other.example.org/' "$dir/pam_mtls.conf"
found error "does not carry the name 'other.example.org'" 'another server name'
keep "$dir/pam_mtls.conf"
sed -i "s,server-ca,user-ca," "$dir/pam_mtls.conf"
check 3 && said out 'does not come from server_ca' && said out 'is the CA of servers and one of authd.conf'
ok 'one CA for persons and servers; a server of another CA'
mend
keep "$dir/private/server.key"
chmod 0644 "$dir/private/server.key"
found error 'is a secret that others may read' "a server's key that others can read"
keep "$dir/private/server.key"
chgrp games "$dir/private/server.key"
found error 'is a secret that others may read' "a server's key of another group"
keep "$dir/private/user-ca.key"
chmod 0640 "$dir/private/user-ca.key"
chgrp mtls-authd "$dir/private/user-ca.key"
found error 'user-ca.key' "a CA's key that the daemon can read"
keep "$dir/private/server.key"
cp "$dir/private/server-ca.key" "$dir/private/server.key"
found error 'the private key does not belong to the certificate' "another certificate's key"
keep "$dir/server.pem"
cp "$dir/server-ca/ca.pem" "$dir/server.pem"
found error 'has no extendedKeyUsage serverAuth' 'a certificate that is not for servers'
keep "$dir/server.pem"
echo rubbish >"$dir/server.pem"
found error "'$dir/server.pem': " "a server's certificate that is rubbish"
keep "$dir/user-ca/ca.pem"
cp "$dir/server.pem" "$dir/user-ca/ca.pem"
found error "ca 'users'" 'a CA that is none'
keep "$dir/user-ca/ca.pem"
: >"$dir/user-ca/ca.pem"
found error "'$dir/user-ca/ca.pem'" 'an empty CA file'
keep "$dir/user-ca/crl.pem"
rm "$dir/user-ca/crl.pem"
found error "'$dir/user-ca/crl.pem'" 'a CRL that is not there'
keep "$dir/user-ca/crl.pem"
echo rubbish >"$dir/user-ca/crl.pem"
found error "'$dir/user-ca/crl.pem'" 'a CRL that is rubbish'
keep "$dir/authd.conf"
printf 'ca again {\n role = host\n files = { "%s" }\n}\n' "$dir/user-ca/ca.pem" >>"$dir/authd.conf"
found error "ca 'again'" 'one CA in two roles'
keep "$dir/pam_mtls.conf"
echo 'local_ttys = { "tty1", "pts/*" }' >>"$dir/pam_mtls.conf"
found warning "'pts/*' of local_ttys" 'a pts in local_ttys'
keep "$dir/pam_mtls.conf"
echo 'allow_root = yes' >>"$dir/pam_mtls.conf"
found warning 'allow_root is set' 'root'
keep "$dir/pam_mtls.conf"
echo 'servers = unix:/run/nowhere' >>"$dir/pam_mtls.conf"
found error 'no server of pam_mtls.conf can be reached' 'no daemon'
keep "$dir/pam_mtls.conf"
echo 'servers = { unix:/run/nowhere, "unix:'"$MTLS_RUNDIR"'/authd.sock" }' >>"$dir/pam_mtls.conf"
found warning "'unix:/run/nowhere': No such file" 'one of two servers'
keep "$dir/pam_mtls.conf"
echo 'signer_user = nobody-here' >>"$dir/pam_mtls.conf"
found error "there is no user 'nobody-here'" 'a system user that is missing'
keep "$dir/authd.conf"
echo 'user = root' >>"$dir/authd.conf"
found error "'root' is root" 'root as a system user'
keep /etc/nsswitch.conf
sed -i 's/^\(hosts:.*\)/\1 x509/' /etc/nsswitch.conf
found error "names x509 in the line 'hosts'" 'x509 in nsswitch.conf'
keep /etc/nsswitch.conf
rm /etc/nsswitch.conf
found warning "'/etc/nsswitch.conf': No such file" 'no nsswitch.conf'
keep /etc/nsswitch.conf
sed -i 's/^\(passwd:\)/\1 mtls/' /etc/nsswitch.conf
found warning 'asks mtls before files' 'mtls before files'
keep /etc/nsswitch.conf
sed -i 's/^\(passwd:.*\|group:.*\)/\1 mtls/' /etc/nsswitch.conf
found ok 'names mtls for passwd and group' 'mtls in nsswitch.conf'
keep /etc/pam.d/su
{
	echo 'auth sufficient pam_mtls.so presence=required \'
	echo '  [debug]'
	cat "$work/kept"
} >/etc/pam.d/su
found ok 'services that use pam_mtls: su' 'a PAM service that uses it'
keep /etc/pam.d/su
echo 'auth [success=1 default=ignore] /usr/lib/security/pam_mtls.so use_first_pass' >>/etc/pam.d/su
found error "service 'su': argument 'use_first_pass'" 'an argument that does not exist'
keep /etc/pam.d/su
echo "auth required pam_mtls.so config=$dir/elsewhere.conf" >>/etc/pam.d/su
found error "'$dir/elsewhere.conf'" 'a configuration of its own that does not exist'
keep /etc/pam.d/su
echo '# auth required pam_mtls.so nonsense' >>/etc/pam.d/su
found note 'no service in /etc/pam.d uses pam_mtls' 'a comment is no use'

signer=$(find /usr -name mtls-signer -type f | head -n 1)
keep "$signer"
chmod 4711 "$signer"
found error 'mode 4711' 'a signer that is setuid'
keep "$signer"
rm "$signer"
found error "'$signer': No such file" 'no signer'

# Where keys come from.
keep "$dir/pam_mtls.conf"
echo 'pkcs11_modules = /usr/lib/nowhere.so' >>"$dir/pam_mtls.conf"
found error "module '/usr/lib/nowhere.so': No such file" 'a PKCS#11 module that is not there'
keep "$dir/pam_mtls.conf"
mkdir -p /usr/lib/cards/here
echo 'a text' >/usr/lib/cards/here/driver.so
echo 'pkcs11_modules = /usr/lib/cards/here/driver.so' >>"$dir/pam_mtls.conf"
check 3 && said out "module '/usr/lib/cards/here/driver.so' is no shared library"
ok 'a PKCS#11 module that is a text'
printf '\177ELF' >/usr/lib/cards/here/driver.so
check 0 && said out "module '/usr/lib/cards/here/driver.so'" && said out '0 errors, 0 warnings' &&
	said out "$(dirname "$signer")/mtls-signer-token'"
ok 'a PKCS#11 module of root'
replaceable() { # PATH NAME
	check 3 && said out "'$1' has owner" && said out 'others could replace it'
	ok "$2"
}
chmod g+w /usr/lib/cards/here/driver.so
replaceable /usr/lib/cards/here/driver.so 'a PKCS#11 module that a group can write'
chmod g-w /usr/lib/cards/here/driver.so
chown daemon /usr/lib/cards/here/driver.so
replaceable /usr/lib/cards/here/driver.so "a PKCS#11 module that is not root's"
chown root /usr/lib/cards/here/driver.so
chmod 1777 /usr/lib/cards
replaceable /usr/lib/cards 'a PKCS#11 module below a folder that all can write'
chmod 755 /usr/lib/cards
ln -s /usr/lib/cards/here /usr/lib/cards/link
sed -i 's,cards/here,cards/link,' "$dir/pam_mtls.conf"
check 0 && said out "module '/usr/lib/cards/link/driver.so'"
ok 'a PKCS#11 module behind a link'
chown daemon /usr/lib/cards/here
replaceable /usr/lib/cards/link "a PKCS#11 module behind a link to somebody's folder"
chown root /usr/lib/cards/here
mkdir -m 777 /usr/lib/cards/all
mv /usr/lib/cards/here /usr/lib/cards/all
ln -sfn /usr/lib/cards/all/here /usr/lib/cards/link
replaceable /usr/lib/cards/all 'a PKCS#11 module behind a link into a folder that all can write'
rm -r /usr/lib/cards
mend
keep "$dir/pam_mtls.conf"
echo 'p11_kit_client = /usr/lib/nowhere.so' >>"$dir/pam_mtls.conf"
check 0 && ! grep -q nowhere "$work/out"
ok "p11-kit's client is not looked at where no service uses it"
echo 'sources = { p11-kit, file }' >>"$dir/pam_mtls.conf"
found error "module '/usr/lib/nowhere.so'" "p11-kit's client is not there"
for program in token agent; do
	keep "$dir/pam_mtls.conf"
	case $program in token) word=p11-kit ;; *) word=agent ;; esac
	echo "sources = { file, $word }" >>"$dir/pam_mtls.conf"
	mv "$signer-$program" "$work/program"
	check 3 && said out "'$signer-$program': No such file"
	ok "no mtls-signer-$program, with source $word"
	mend
	check 0 && said out '0 errors'
	ok "no mtls-signer-$program, which nobody needs"
	mv "$work/program" "$signer-$program"
done
# served SERVICE SOURCES FINDINGS [SETTING]: whether a service can be served.
served() {
	keep /etc/pam.d
	printf 'auth required pam_mtls.so\naccount required pam_mtls.so\n' >"/etc/pam.d/$1"
	cp "$dir/pam_mtls.conf" "$work/before"
	printf 'service %s {\n sources = { %s }\n %s\n}\n' "$1" "$2" "${4-}" >>"$dir/pam_mtls.conf"
	check 0 && [ "$(grep -c "service '$1': none of its sources" "$work/out")" = "$3" ]
	ok "service $1 with sources $2${4+, $4}: findings $3"
	cp "$work/before" "$dir/pam_mtls.conf"
	mend
}
served login 'agent, p11-kit' 1
served gdm-smartcard pkcs11 1
served i3lock agent 1
served sudo pkcs11 1
served sudo agent 0
served sudo p11-kit 0
served login 'agent, file' 0
served su agent 1
served su p11-kit 0
served su agent 0 'presence = not-required'
served xscreensaver agent 1 'presence = not-required'

module=$(find /usr/lib -name 'libnss_x509.so.2' | head -n 1)
keep "$module"
rm "$module"
found error 'libnss_x509.so.2 cannot be loaded' 'no module that maps certificates'

mkdir -p "$MTLS_STATEDIR/snapshot"
echo rubbish >"$MTLS_STATEDIR/snapshot/accounts.cdb"
check 3 && said out "$MTLS_STATEDIR/snapshot/accounts.cdb"
ok 'a snapshot that is rubbish'
rm -rf "$MTLS_STATEDIR/snapshot"

# Accounts and bindings that something else of the machine came across later.
cp -a /etc/nsswitch.conf "$work/nsswitch.conf"
useradd -u 7001 local-bob # first: useradd cannot load a sanitized module
printf 'passwd: files mtls\ngroup: files mtls\n' >/etc/nsswitch.conf
accountd_start "$MTLS_SBINDIR/mtls-accountd" || exit 99
"$mtlsctl" account add net-alice >/dev/null
"$mtlsctl" bind add local-bob subject:CN=bob >/dev/null
check 0 && said out '1 accounts, 0 groups, 1 bindings' && said out '0 errors, 0 warnings' &&
	said out "mtls-accountd answers at '$MTLS_RUNDIR/accountd-control.sock'" &&
	said out 'does not name mtls for shadow'
ok 'content with an account and a binding'
keep /etc/nsswitch.conf
sed -i 's/^passwd:.*/passwd: files/' /etc/nsswitch.conf
found error 'does not name mtls for passwd' 'accounts that no program looks up'
keep /etc/nsswitch.conf
sed -i 's/^group:.*/group: files/' /etc/nsswitch.conf
found error 'does not name mtls for group' 'groups that no program looks up'
keep /etc/nsswitch.conf
echo 'initgroups: files' >>/etc/nsswitch.conf
found error 'names no mtls for initgroups' 'groups that no login gets'
keep /etc/nsswitch.conf
printf 'initgroups: files mtls\nshadow: files mtls\n' >>/etc/nsswitch.conf
check 0 && said out '0 errors, 0 warnings' && ! grep -q 'for shadow' "$work/out"
ok 'mtls for initgroups and shadow too'
mend

# What mtls-accountd says of itself.
keep /etc/passwd
echo 'net-alice:x:7002:7002::/:/bin/sh' >>/etc/passwd
run 0 "$mtlsctl" account publish
check 3 && said out "left out, so that no process sees it" && said out net-alice
ok 'an account that was left out because its name became local'
mend
run 0 "$mtlsctl" account publish
check 0 && said out '0 errors, 0 warnings'
ok 'an account that was left out: mended'
snapshot=$MTLS_STATEDIR/snapshot
cp -a "$snapshot/accounts.cdb" "$work/older.cdb"
mount --bind "$snapshot" "$snapshot"
mount -o remount,bind,ro "$snapshot"
"$mtlsctl" account add net-bert >"$work/out" 2>"$work/err"
check 3 && said out 'changes are stored that no process sees yet: '
ok 'a folder of the snapshot that cannot be written'
umount "$snapshot"
run 0 "$mtlsctl" account publish
check 0 && said out '2 accounts' && said out '0 errors, 0 warnings'
ok 'a folder of the snapshot that cannot be written: mended'
keep "$snapshot/accounts.cdb"
cp "$work/older.cdb" "$snapshot/accounts.cdb"
found error 'is older than what mtls-accountd published' 'an old snapshot that somebody put back'
run 0 "$mtlsctl" account remove net-bert

# comes STATUS TEXT: check says so soon; sources are read when nobody has touched a file for a while.
comes() {
	last=$(($(date +%s) + 60))
	until check "$1" >/dev/null && grep -q -- "$2" "$work/out"; do
		[ "$(date +%s)" -lt $last ] || return 1
	done
}
mkdir -p "$dir/accounts.d"
echo 'net-carol:*:2000300001:2000300001::/home/net-carol:/bin/sh' >"$dir/accounts.d/one.passwd"
cp "$dir/accounts.d/one.passwd" "$dir/accounts.d/two.passwd"
comes 0 '^warning *sources.*net-carol' && said out "'one': 1 accounts"
ok 'an account that two sources have'
for i in $(seq 25); do
	echo "net-many$i:*:$((2000400000 + i)):$((2000400000 + i))::/home/net-many$i:/bin/sh"
done | tee "$dir/accounts.d/two.passwd" >"$dir/accounts.d/one.passwd"
comes 0 '^warning *sources.*and 5 conflicts more'
ok 'more conflicts than are shown'
echo 'net-carol:*:2000300001:2000300001::/home/net-carol:/bin/sh' >"$dir/accounts.d/one.passwd"
echo 'net-carol:' >"$dir/accounts.d/two.passwd"
comes 3 "^error *sources.*the accounts of 'two' cannot be read: .*two.passwd"
ok 'a file of accounts that is broken'
rm "$dir/accounts.d/two.passwd"
comes 0 "^warning *sources.*the files of the source 'two' are gone" && comes 0 '^0 errors, 1 warnings'
ok 'a file of accounts that is gone'
rm "$dir/accounts.d/one.passwd"
comes 0 "the files of the source 'one' are gone" && comes 0 '^0 errors, 2 warnings'
accountd_stop && accountd_start "$MTLS_SBINDIR/mtls-accountd"
check 0 && said out '0 errors, 0 warnings'
ok 'sources: mended'

# More than are shown one by one.
for i in $(seq 25); do echo "net-many$i,,,,,,"; done >"$work/many"
sed -i '1i name,uid,gid,gecos,home,shell,groups' "$work/many"
run 0 "$mtlsctl" account import --format csv "$work/many"
ok 'many accounts'
keep /etc/passwd
for i in $(seq 25); do echo "net-many$i:x:$((7100 + i)):7002::/:/bin/sh"; done >>/etc/passwd
check 3 && said out 'and 5 more like these'
ok 'more accounts that are also local than are shown'
run 0 "$mtlsctl" account publish
check 3 && said out 'and 5 accounts and groups more are left out'
ok 'more accounts left out than are shown'
mend
for i in $(seq 25); do "$mtlsctl" account remove "net-many$i" >/dev/null || exit 99; done
check 0 && said out '0 errors, 0 warnings'
ok 'many accounts: mended'

accountd_stop
check 0 && grep -q '^warning .*mtls-accountd does not run: .*lookups go on' "$work/out"
ok 'mtls-accountd does not run'
keep /etc/passwd
sed -i '/^mtls-accountd:/d' /etc/passwd
found error "there is no user 'mtls-accountd'" 'a system user of the accounts that is missing'
[ -e "$dir/accountd.conf" ] || : >"$dir/accountd.conf"
keep "$dir/accountd.conf"
echo "control_socket = $MTLS_RUNDIR/authd.sock" >"$dir/accountd.conf"
found error 'mtls-accountd: ' 'something else in the place of mtls-accountd'

# What no test can hold the daemon in: it is about to end, and has not published everything yet.
rm -f "$MTLS_RUNDIR/accountd-control.sock"
cat >"$work/answer.py" <<'END'
import subprocess
import sys
sys.path.insert(0, sys.argv[1])
from fake_daemon import OK, Daemon, end, item
daemon = Daemon(sys.argv[2], [item("status", generation="7", published="6", users="0", groups="0", bindings="0",
                                   tombstones="0", next_uid="1", next_gid="1", publisher="stopped", store="here") + end(OK)])
status = subprocess.run([sys.argv[3], "check"], check=False).returncode
daemon.stop()
sys.exit(status)
END
run 0 python3 -B "$work/answer.py" "$top_srcdir/tests/tools" "$MTLS_RUNDIR/accountd-control.sock" "$mtlsctl"
cat "$work/out" >>"$work/seen"
said out 'mtls-accountd is about to end' && said out 'changes are stored that no process sees yet (7, published 6)'
ok 'mtls-accountd on its way'

# The snapshot against the rest of the machine, while nobody publishes another.
keep "$snapshot/accounts.cdb"
python3 -B "$top_srcdir/tests/tools/rename_in_snapshot.py" "$snapshot/accounts.cdb" net-alice vboxusers
found warning "packages call users of their own 'vboxusers'" 'a name that a package uses'
keep "$snapshot/accounts.cdb"
cp "$top_srcdir/tests/nss/format1.cdb" "$snapshot/accounts.cdb"
check 0 && grep -q '^warning .* is of format 1, which the next version may not read' "$work/out"
ok 'a snapshot of the format before'
mend
keep /etc/passwd
echo 'net-alice:x:7002:7002::/:/bin/sh' >>/etc/passwd
found error "'net-alice' is an account of pam-mtls and of this machine" 'a local account of the same name'
keep /etc/group
echo 'net-alice:x:7002:' >>/etc/group
found error "'net-alice' is a group of pam-mtls and of this machine" 'a local group of the same name'
uid=$("$mtlsctl" account list | awk '$1 == "net-alice" { print $2 }')
keep /etc/subuid
echo "local-bob:$uid:65536" >>/etc/subuid
found error "the uid $uid of 'net-alice' is held" 'subordinate ids over an account'
keep /etc/subgid
echo "local-bob:$uid:65536" >>/etc/subgid
found error "the gid $uid of 'net-alice' is held" 'subordinate ids over a group'
keep /etc/subuid
truncate -s 1G /etc/subuid
found error "cannot read '/etc/subuid'" 'a file of the machine that cannot be read'
keep "$snapshot/accounts.cdb"
rm "$snapshot/accounts.cdb"
found error 'does not exist: no process sees an account' 'a snapshot that somebody removed'
keep "$dir/accountd.conf"
echo 'id_max = 2000999999' >>"$dir/accountd.conf"
found warning 'was written for the ids' 'another window than the snapshot has'
mkdir -p /etc/sysusers.d
keep /etc/sysusers.d
echo 'u net-alice -' >/etc/sysusers.d/test.conf
found error "'net-alice' is an account of pam-mtls and of this machine" 'a package that makes a user of the same name'
keep /etc/sysusers.d
echo "g another $uid" >/etc/sysusers.d/test.conf
found error "the gid $uid of 'net-alice' is held" 'a package that makes a group of the same number'
keep /etc/login.defs
printf 'SUB_UID_MAX 2147483647\nSUB_GID_MAX 5\n' >>/etc/login.defs
found error "useradd may give the uid $uid of 'net-alice' to somebody else" 'subordinate ids that may be given'
keep /etc/login.defs
printf 'GID_MAX 2147483647\n' >>/etc/login.defs
found error "groupadd may give the gid $uid of 'net-alice' to another group" 'groups that may be given'
keep /etc/passwd
sed -i '/^local-bob:/d' /etc/passwd
found warning "'local-bob', whom no source of accounts knows" 'a binding to nobody'
keep /etc/passwd
sed -i '/^local-bob:/s/:7001:/:0:/' /etc/passwd
found error "bound to 'local-bob', which is root" 'a binding to what became root'
keep "$MTLS_STATEDIR/snapshot/accounts.cdb"
python3 - "$MTLS_STATEDIR/snapshot/accounts.cdb" <<'END'
import sys
path = sys.argv[1]
data = bytearray(open(path, "rb").read())
data[data.rindex(b"/home/net-alice")] ^= 1
open(path, "wb").write(data)
END
found error 'damaged' 'a damaged record'
echo "snapshot = $MTLS_STATEDIR/elsewhere/accounts.cdb" >"$dir/accountd.conf"
cp -a "$MTLS_STATEDIR/snapshot" "$MTLS_STATEDIR/elsewhere"
check 3 && said out "libnss_mtls reads '$MTLS_STATEDIR/snapshot/accounts.cdb'"
ok 'a snapshot that libnss_mtls does not read'
rm -rf "$MTLS_STATEDIR/snapshot" "$MTLS_STATEDIR/accountd" "$MTLS_STATEDIR/elsewhere" "$dir/accountd.conf"
userdel local-bob
cp -a "$work/nsswitch.conf" /etc/nsswitch.conf

run 0 "$mtlsctl" check --dump-config --service sudo && said out 'presence = "default" # default' &&
	said out "server_name = \"auth.example.org\" # $dir/pam_mtls.conf:3"
ok '--dump-config'
chmod 0666 "$dir/pam_mtls.conf"
run 1 "$mtlsctl" check --dump-config && said err 'writable by group or others'
ok '--dump-config of a file that is not trusted fails'
chmod 0644 "$dir/pam_mtls.conf"

# Times: the same files, seen later.
if ldd "$mtlsctl" | grep -q libasan; then
	n=$((n + 1))
	echo "ok $n - times # SKIP faketime does not go with AddressSanitizer"
	timeless=yes
elif command -v faketime >/dev/null; then
	for row in '+800 days:warning:expires on' '+900 days:error:expired on' '+4000 days:error:is outdated since'; do
		run "$(case $row in *error*) echo 3 ;; *) echo 0 ;; esac)" faketime "${row%%:*}" "$mtlsctl" check &&
			cat "$work/out" >>"$work/seen" && said out "${row##*:}"
		ok "${row%%:*}: ${row##*:}"
	done
	run 3 faketime '-10 days' "$mtlsctl" check && cat "$work/out" >>"$work/seen" && said out 'is not valid before'
	ok '-10 days: not valid yet'
else
	n=$((n + 1))
	echo "ok $n - times # SKIP no faketime"
fi

if [ "${timeless-}" ]; then
	n=$((n + 1))
	echo "ok $n - every finding was seen # SKIP what ends in time was not: faketime does not go with AddressSanitizer"
else
	run 0 python3 -B "$top_srcdir/tests/tools/findings.py" "$work/seen" "$top_srcdir/tests/tools/findings.elsewhere"
	ok 'every warning and error that check knows was seen, with its advice'
fi
finish
