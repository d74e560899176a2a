# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The mount name space that everything is measured in: /run, /var/lib and /etc are its own, so that the
machine's files are neither read nor changed. tests/nss/private.sh made it and brought this build's
libnss_mtls; what the contenders need besides is made here.
"""
import atexit
import os
import shutil
import subprocess
import sys
import tempfile

MARK = "/run/mtls-test-private"
DATA = "/run/bench"
FILES = DATA + "/files"  # passwd and group of all accounts


def environment(name):
    value = os.environ.get(name)
    if not value:
        sys.exit(f"{name} is not set: run it by `make bench`")
    return value


def program(name):
    return os.path.join(environment("top_builddir"), "bench/nss", name)


def run(*argv, **options):
    """Its standard output; a failure ends the bench with what was run."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=False, encoding="utf-8", **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def write(path, text, mode=0o644):
    """As a new file: programs may have the old one mapped."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="ascii") as out:
        out.write(text)
        os.fchmod(out.fileno(), mode)
    os.rename(path + ".new", path)


def link(target, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(target, path)


def enter():
    if not os.path.exists(MARK):
        sys.exit("run it through bench/nss.sh")
    for folder in (FILES, "/run/etc/up", "/run/etc/work", "/var/lib/extrausers", "/var/lib/misc"):
        os.makedirs(folder)
    run("mount", "-t", "overlay", "-o", "lowerdir=/etc,upperdir=/run/etc/up,workdir=/run/etc/work",
        "overlay", "/etc")
    on_disk(environment("MTLS_STATEDIR"))


def on_disk(path):
    """A folder of a real file system, because fsync costs nothing on a tmpfs."""
    disk = tempfile.mkdtemp(prefix="nss-disk.", dir=environment("top_builddir") + "/bench")
    atexit.register(shutil.rmtree, disk, ignore_errors=True)
    os.chmod(disk, 0o755)
    os.makedirs(path)
    run("mount", "--bind", disk, path)


def order(service):
    """From now on programs ask this service, and no other."""
    write("/etc/nsswitch.conf", f"passwd: {service}\ngroup: {service}\nshadow: files\n")


class Over:
    """A file in another one's place, for a while."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def __enter__(self):
        for source, path in self.pairs:
            run("mount", "--bind", source, path)

    def __exit__(self, *_):
        for _, path in self.pairs:
            run("umount", "-l", path)
