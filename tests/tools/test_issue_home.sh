#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mtlsctl issue into a person's folder, by root, in a private root: owner, modes, traps.
if [ ! -e /run/mtls-private-root ]; then
	if [ "$(id -u)" != 0 ]; then
		echo '1..0 # SKIP needs root for a private root'
		exit 0
	fi
	exec sh "$top_srcdir/tests/private_root.sh" -- sh "$0"
fi
. "$top_srcdir/tests/tools/tap.sh"
groupadd -r mtls-authd
useradd -m alice
useradd -m mallory
install -d -m 0700 /root/private
dir=/etc/mtls-test
run 0 "$mtlsctl" init --dir "$dir" --name auth.example.org
ok 'init'
[ "$(stat -c '%a %U:%G' "$dir/private/server.key")" = '640 root:mtls-authd' ] &&
	[ "$(stat -c '%a %U:%G' "$dir/private")" = '710 root:mtls-authd' ] &&
	[ "$(stat -c '%a %U:%G' "$dir/private/user-ca.key")" = '600 root:root' ]
ok "the daemon's group may read its key and no CA's"

issue() {
	status=$1
	shift
	echo 'correct horse' >/root/secret
	run "$status" sh -c 'exec "$@" 9</root/secret' sh "$mtlsctl" issue --dir "$dir" --passphrase-fd 9 "$@"
}
issue 0 alice && [ "$(stat -c '%a %U:%G' ~alice/.config/mtls/alice.pem)" = "600 alice:$(id -gn alice)" ] &&
	[ "$(stat -c '%a %U' ~alice/.config/mtls)" = '700 alice' ] && [ "$(stat -c '%a %U' ~alice/.config)" = '700 alice' ]
ok "the file and its folders are the person's"
sum=$(sha256sum <~alice/.config/mtls/alice.pem)
issue 1 alice && said err 'exists already and is kept' && [ "$(sha256sum <~alice/.config/mtls/alice.pem)" = "$sum" ]
ok 'never overwritten'
issue 0 alice --out /root/alice.pem && [ "$(stat -c '%a %U' /root/alice.pem)" = '600 alice' ]
ok '--out gives the file to the person'

# What a person may prepare to lead root astray.
su mallory -s /bin/sh -c 'mkdir -p ~/.config && ln -s /root/private ~/.config/mtls'
issue 1 mallory && [ -z "$(ls -A /root/private)" ]
ok "a link to root's folder leads nowhere"
su mallory -s /bin/sh -c 'rm ~/.config/mtls && mkdir ~/.config/mtls && ln -s /etc/passwd ~/.config/mtls/mallory.pem'
sum=$(sha256sum </etc/passwd)
issue 1 mallory && [ "$(sha256sum </etc/passwd)" = "$sum" ]
ok 'a link in the place of the file is not followed'
su mallory -s /bin/sh -c 'rm ~/.config/mtls/mallory.pem && rmdir ~/.config/mtls && : >~/.config/mtls'
issue 1 mallory
ok 'a file in the place of the folder is an error'
su mallory -s /bin/sh -c 'rm ~/.config/mtls && mkdir ~/.config/mtls && mkfifo ~/.config/mtls/mallory.pem'
issue 1 mallory && [ -p ~mallory/.config/mtls/mallory.pem ]
ok 'a pipe in the place of the file does not hang'
su mallory -s /bin/sh -c 'rm ~/.config/mtls/mallory.pem && chmod 0500 ~/.config/mtls'
issue 1 mallory && said err 'Permission denied'
ok "the child has the person's rights, not root's"
! find /home /root /etc /tmp -name 'mallory.pem*' ! -type p 2>/dev/null | grep .
ok 'nothing is left behind'
rm -rf ~mallory
issue 1 mallory && [ ! -e /home/mallory ]
ok 'a home that does not exist is not made'
finish
