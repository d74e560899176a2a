# SPDX-License-Identifier: LGPL-2.1-or-later
"""Brings a test into its private root (tests/private_root.sh)."""
import os
import re
import shutil
import subprocess
import sys

from lib import tap

PROGRAMS = "/usr/local/libexec/mtls-tests"  # of the tests, for everybody
SANITIZER = "/run/mtls-test/sanitizer"  # reports of AddressSanitizer
PRELOAD = "/etc/ld.so.preload"
MARK = "/run/mtls-private-root"  # below a tmpfs that only the private root has


def environment(name):
    value = os.environ.get(name)
    if not value:
        print(f"Bail out! {name} is not set: run the test by `make check TESTS=...`")
        sys.exit(99)
    return value


def inside():
    return os.path.exists(MARK)


def preload_sanitizer():
    """
    A sanitized module loads only into programs that loaded the runtime first, and setuid programs
    take no LD_PRELOAD: so every program of the private root loads it. True if that is new.
    """
    build = environment("top_builddir")
    linked = subprocess.run(["ldd", os.path.join(build, "tests/pam/pam_host")], check=False,
                            stdout=subprocess.PIPE, encoding="utf-8").stdout
    runtime = re.search(r"=> (\S*/libasan\.so\S*)", linked)
    if not runtime or os.path.getsize(PRELOAD):
        return False
    os.makedirs(PROGRAMS, exist_ok=True)
    os.makedirs(SANITIZER)
    os.chmod(SANITIZER, 0o1777)
    with open(SANITIZER + "/report", "w", encoding="utf-8") as report:
        os.fchmod(report.fileno(), 0o666)
    shim = shutil.copy(os.path.join(build, "tests/e2e/.libs/libasan_shim.so"), PROGRAMS)
    # The runtime stands before crypt(3), but calls the library's only if it was there before.
    crypt = os.path.join(os.path.dirname(runtime.group(1)), "libcrypt.so.1")
    with open(PRELOAD, "w", encoding="utf-8") as preload:
        preload.write(f"{shim} {runtime.group(1)} {crypt if os.path.exists(crypt) else ''}\n")
    return True


def enter(preload=True):
    """
    Returns inside a private root with the built tree installed; outside it starts one. @preload False:
    in a sanitized build, other people's programs stay without the runtime, so none of them may load
    a module of ours (gnutls-cli, for one, hangs at its end with it).
    """
    if inside():
        if preload and preload_sanitizer():
            os.execv(sys.executable, [sys.executable, "-B"] + sys.argv)
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
