# SPDX-License-Identifier: LGPL-2.1-or-later
"""
sssd with the proxy provider, which asks libnss_mtls: so it knows the same accounts, and what is
measured is its client library, which answers from the memory that sssd shares with all processes
what somebody asked for before. It is asked for a pool of names only: a user costs it 1.6 ms the first
time, so a million would take half an hour; the groups of a user cost it seconds, because it fetches
their other members too.
"""
import os
import subprocess
import time

import space

PROGRAM = "/usr/sbin/sssd"
PROXY = "/usr/lib/x86_64-linux-gnu/sssd/libsss_proxy.so"
STATE = "/var/lib/sss"
POOL = 5000
GROUPS_POOL = 10
CONFIG = """[sssd]
services = nss
domains = bench

[nss]
memcache_timeout = 86400
memcache_size_passwd = 64
memcache_size_group = 64
memcache_size_initgroups = 64
filter_users = root
filter_groups = root

[domain/bench]
id_provider = proxy
proxy_lib_name = mtls
auth_provider = none
access_provider = permit
entry_cache_timeout = 86400
"""
PATIENCE_S = 60


class Sssd:
    def __init__(self, people):
        self.people = people
        self.process = None
        self.log = None

    def __enter__(self):
        for folder, mode in (("db", 0o700), ("mc", 0o755), ("pipes", 0o755), ("pipes/private", 0o700),
                             ("pubconf", 0o755), ("gpo_cache", 0o755), ("deskprofile", 0o755),
                             ("secrets", 0o700), ("keytabs", 0o700)):
            os.makedirs(f"{STATE}/{folder}", exist_ok=True)
            os.chmod(f"{STATE}/{folder}", mode)
        os.makedirs(space.DATA + "/log-sssd", exist_ok=True)
        space.run("mount", "--bind", space.DATA + "/log-sssd", "/var/log/sssd")
        space.write("/etc/sssd/sssd.conf", CONFIG, 0o600)
        space.order("files")
        self.log = open(space.DATA + "/sssd.out", "wb")
        self.process = subprocess.Popen([PROGRAM, "-i"], stdout=self.log, stderr=self.log)
        try:
            self._wait()
            space.order("sss")
            for question, pool in (("once-name", POOL), ("once-uid", POOL), ("once-groups", GROUPS_POOL)):
                space.run(space.program("ask"), "glibc", str(self.people),
                          str(min(pool, self.people)), question)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self):
        """Until it answers; there is no other event that a client sees."""
        end = time.monotonic() + PATIENCE_S
        while subprocess.run(["getent", "-s", "sss", "passwd", "u000000"], check=False,
                             stdout=subprocess.DEVNULL).returncode:
            if self.process.poll() is not None or time.monotonic() > end:
                with open(space.DATA + "/sssd.out", encoding="utf-8", errors="replace") as log:
                    raise RuntimeError("sssd does not answer: " + log.read()[-2000:])
            time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        space.run("umount", "-l", "/var/log/sssd")
        for folder, _, files in os.walk(STATE):
            for name in files:
                os.unlink(os.path.join(folder, name))
