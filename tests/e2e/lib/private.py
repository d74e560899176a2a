# SPDX-License-Identifier: LGPL-2.1-or-later
"""Brings a test into its private root (tests/private_root.sh)."""
import os
import sys

from lib import tap

MARK = "/run/mtls-private-root"  # below a tmpfs that only the private root has


def environment(name):
    value = os.environ.get(name)
    if not value:
        print(f"Bail out! {name} is not set: run the test by `make check TESTS=...`")
        sys.exit(99)
    return value


def inside():
    return os.path.exists(MARK)


def enter():
    """Returns inside a private root with the built tree installed; outside it starts one."""
    if inside():
        return
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    script = os.path.realpath(sys.argv[0])
    root = os.path.join(environment("top_srcdir"), "tests/private_root.sh")
    command = ["sh", root]
    if os.environ.get("KEEP"):
        command.append("--keep")
    command += ["--stage", environment("MTLS_STAGE"), "--", sys.executable, "-B", script]
    sys.stdout.flush()
    os.execvp("sh", command + sys.argv[1:])
