# SPDX-License-Identifier: LGPL-2.1-or-later
"""Short memory: single allocations of a real login fail, ours and the libraries'. Whoever would be
refused stays refused, nothing steps aside, and what dies of it is not our code: libtasn1, GMP and
libConfuse are known to, which ends the host program and lets nobody in."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/e2e"))
# pylint: disable=wrong-import-position
import rows  # noqa: E402
from lib import private, tap  # noqa: E402
from lib.world import PASSPHRASE, PROGRAMS, World, pwd_entry  # noqa: E402

PRELOAD = PROGRAMS + "/nomem.so"
SERVICE = "mtls-nomem"
# First come the module's own beginning and the name service, last its own checks of the verdict;
# between them thousands of GnuTLS.
OWN, OWN_STEP, STEP, LAST = 750, 7, 53, 80
SETUPS = (
    ("server certificate from the user CA", rows.server_shows("from-user-ca")),
    ("verdict with a uid that is not the local one", rows.evil("other-uid")),
    ("min_uid of this machine", rows.pam_has(min_uid=50000)),
    ("unprotected key", rows.holds("unprotected")),
    ("mapped to another", rows.holds("carol")),
)


def login(fail_at):
    done = subprocess.run(
        [PROGRAMS + "/pam_host", "--service", SERVICE, "--user", "bob", "--answer", PASSPHRASE,
         "--setuid-of", str(pwd_entry("bob").pw_uid)],
        check=False, env={"LD_PRELOAD": PRELOAD, "NOMEM_AT": str(fail_at)}, cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.stdout.decode("utf-8", "replace")


def code(text):
    found = re.search(r"^auth: (\w+)$", text, re.M)
    return found.group(1) if found else "died"


def allocations():
    return int(re.search(r"^allocations: (\d+)$", login(0), re.M).group(1))


def short_memory(out, name, forbidden):
    """Returns how many runs said that memory was short."""
    count = allocations()
    points = [*range(1, min(OWN, count), OWN_STEP), *range(OWN, count - LAST, STEP),
              *range(max(1, count - LAST), count + 1)]
    bad, told = [], 0
    for point in points:
        text = login(point)
        told += code(text) == "PAM_BUF_ERR"
        if code(text) in forbidden or re.search("^died in: .*mtls", text, re.M):
            bad.append(f"allocation {point} of {count}:\n{text}")
    out.result(not bad, f"{name}: {len(points)} allocations", "\n".join(bad[:3]))
    return told


def test(out):
    world = World()
    shutil.copy(os.path.join(os.environ["top_builddir"], "tests/pam/.libs/libnomem.so"), PRELOAD)
    world.install(f"/etc/pam.d/{SERVICE}", f"auth required {world.module}\n")
    out.result(code(login(0)) == "PAM_SUCCESS", "with memory, the login enters", login(0))
    told = short_memory(out, "a login that enters", ("PAM_IGNORE",))
    out.result(told > 20, "short memory is noticed", str(told))
    for name, prepare in SETUPS:
        prepare(world)
        short_memory(out, name, ("PAM_IGNORE", "PAM_SUCCESS"))
        world.passing()
    world.stop()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    if os.environ.get("MTLS_SANITIZERS") != "no":
        tap.skip_all("sanitizers bring their own allocator")
    private.enter()
    sys.exit(tap.run(test))
