# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The real way of accounts: mtls-accountd of this build with its store on a disk, filled by `mtlsctl
account import`, published, changed by `mtlsctl account add` while a process waits for the change.
"""
import os
import shutil
import statistics
import subprocess
import sys
import time

import space

sys.path.insert(0, os.path.join(space.environment("top_srcdir"), "tests/e2e"))

from lib.accountd import Accountd  # noqa: E402 pylint: disable=wrong-import-position

ADDS = 3
USERS = ("mtls-accountd", "mtls-authd")
IDS = "2000200001-2002000000"  # kept: the window begins here


def built(name):
    return os.path.join(space.environment("top_builddir"), name)


def ctl(*argv):
    """How long it took, in nanoseconds of CLOCK_MONOTONIC: (start, end)."""
    start = time.monotonic_ns()
    space.run(built("mtlsctl"), "account", *argv)
    return start, time.monotonic_ns()


def took(*argv):
    start, end = ctl(*argv)
    return end - start


def system_users():
    """In the /etc of the name space."""
    with open("/etc/passwd", encoding="utf-8") as lines:
        there = {line.split(":")[0] for line in lines}
    for user in USERS:
        if user not in there:
            space.run("useradd", "--system", "--user-group", "--no-create-home", "--shell",
                      "/usr/sbin/nologin", user)


class Store:
    """A store of its own for one size; the snapshot stays when it ends."""

    def __init__(self, people):
        self.state = space.environment("MTLS_STATEDIR")
        for folder in ("accountd", "snapshot"):
            shutil.rmtree(f"{self.state}/{folder}", ignore_errors=True)
        space.order("files")
        system_users()
        os.makedirs(space.environment("MTLS_RUNDIR"), exist_ok=True)
        self.daemon = Accountd(built("mtls-accountd"), space.DATA + "/accountd.log")
        self.daemon.start()
        try:
            self.import_ns = took("import", space.FILES + "/passwd", "--group", space.FILES + "/group",
                                  "--keep-ids", IDS)
        except BaseException:
            self.daemon.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.stop()

    @staticmethod
    def publish():
        return took("publish")

    def add(self):
        """Medians of {"add": until mtlsctl returned, "visible": until a running process saw it}."""
        space.order("mtls")
        pairs = [self._add(f"new{number}") for number in range(ADDS)]
        return {"add": statistics.median(pair[0] for pair in pairs),
                "visible": statistics.median(pair[1] for pair in pairs)}

    @staticmethod
    def _add(name):
        with subprocess.Popen([space.program("watch"), name], stdout=subprocess.PIPE, encoding="ascii") as watch:
            if watch.stdout.readline() != "ready\n":
                raise RuntimeError(f"watch: '{name}' is there already")
            start, end = ctl("add", name)
            seen = int(watch.stdout.readline())
        return end - start, seen - start
