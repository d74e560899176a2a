# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing that happens in a private root reaches the machine: /etc, /var/lib, /home and more are
compared before and after."""
import os
import stat
import subprocess
import sys

from lib import private, tap

FOLDERS = ("/etc", "/var/lib", "/home")
NOISE = """
set -e
useradd -m noise-user
touch /etc/noise /usr/noise /var/noise /var/lib/noise /home/noise /root/noise /run/noise /tmp/noise
touch /usr/lib/noise /usr/local/noise /var/log/noise "$top_srcdir/noise"
echo 'passwd: files' >/etc/nsswitch.conf
rm -f /etc/hostname /etc/pam.d/login
mkdir -p /home/noise-user/.config
hostname noise
mount -t tmpfs tmpfs /mnt
logger 'noise in the log'
grep -q 'noise in the log' /run/mtls-test/syslog
id noise-user
"""
LEFT = ["/usr/noise", "/usr/lib/noise", "/usr/local/noise", "/var/noise", "/var/log/noise",
        "/root/noise", "/run/noise", "/tmp/noise", "/run/mtls-private-root", "/run/mtls-test"]


def describe(path):
    """What would differ if somebody touched it. Not the times of access."""
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    size = info.st_size if kind in (stat.S_IFREG, stat.S_IFLNK) else 0
    return (info.st_mode, info.st_uid, info.st_gid, size, info.st_mtime_ns, info.st_ino)


def snapshot():
    found = {}
    for top in FOLDERS:
        for base, folders, files in os.walk(top):
            for name in folders + files:
                path = os.path.join(base, name)
                try:
                    found[path] = describe(path)
                except FileNotFoundError:
                    pass
    return found


def differences(before, after):
    return sorted(path for path in before.keys() | after.keys()
                  if before.get(path) != after.get(path))


def private_root(*command):
    script = os.path.join(private.environment("top_srcdir"), "tests/private_root.sh")
    return subprocess.run(["sh", script, "--", *command], stdout=subprocess.PIPE, check=False,
                          stderr=subprocess.STDOUT, encoding="utf-8", errors="replace")


def test(out):
    name = os.uname().nodename
    mounts = len(lines_of("/proc/self/mounts"))
    before = snapshot()
    done = private_root("sh", "-c", NOISE)
    after = snapshot()
    out.result(done.returncode == 0, "a private root can be changed everywhere", done.stdout)
    changed = differences(before, after)
    out.result(not changed, "/etc, /var/lib and /home are as before", "\n".join(changed))
    srcdir = private.environment("top_srcdir")
    left = [path for path in LEFT + [srcdir + "/noise"] if os.path.lexists(path)]
    out.result(not left, "nothing is left elsewhere", "\n".join(left))
    out.result(os.uname().nodename == name, "the host name is as before")
    out.result(len(lines_of("/proc/self/mounts")) == mounts, "no mount is left")
    done = private_root("sh", "-c", "exit 7")
    out.result(done.returncode == 7, "the command's exit status is passed on", done.returncode)
    done = private_root("sh", "-c", "sleep 1000 & echo $!; ls /proc/$!/comm")
    out.result(done.returncode == 0, "a command may leave processes behind, which end", done.stdout)


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return file.readlines()


if __name__ == "__main__":
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    sys.exit(tap.run(test))
