# SPDX-License-Identifier: LGPL-2.1-or-later
"""In a build with AddressSanitizer: a report of any program in the private root is found, also from a
child and from a process that may open no file."""
import os
import sys

from lib import private, tap
from lib.world import PROGRAMS, SANITIZER, TROUBLE, World, run



def test(out):
    world = World()
    world._program("tests/e2e/overflow")  # pylint: disable=protected-access
    out.result(not world.problems(), "nothing is found before", world.problems())
    for how in ("plain", "forked", "sandboxed"):
        os.truncate(SANITIZER + "/report", 0)
        done = run(PROGRAMS + "/overflow", how, check=False)
        out.result(done.returncode != 0, f"{how}: the program ends", done.stdout)
        out.result("AddressSanitizer" in world.problems(), f"{how}: its report is found",
                   done.stdout)
    done = run(PROGRAMS + "/overflow", "undefined", check=False)
    out.result(TROUBLE.search(done.stdout), "undefined: what it shows is taken for a crash",
               done.stdout)
    out.result(world.close() is None, "the daemons end as usual")


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
