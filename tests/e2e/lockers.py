# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Real screen lockers on a screen without a monitor: i3lock, which shows a ring and no words, and xscreensaver,
which shows what PAM says. Both ask PAM as the person whose screen it is.
"""
import sys

from lib import private, tap
from lib.attempt import Attempt, expect_entered
from lib.lockers import I3lock, Xscreensaver
from lib.world import World
from lib.xvfb import Xvfb, open_folder


def make(world):
    for service in ("i3lock", "xscreensaver"):
        world.install("/etc/pam.d/" + service, f"auth required {world.module}\n"
                      f"account required pam_permit.so\naccount required {world.module}\n")
    screen = Xvfb("bob")
    return screen, (I3lock(screen), Xscreensaver(screen))


def refused(out, name, attempt, token):
    """i3lock has no place for words."""
    why = attempt.why_not_refused(token, told=not isinstance(attempt.host, I3lock))
    out.result(not why, f"{name}: stays locked, {token}", why)


def from_file(out, world, lockers):
    for locker in lockers:
        attempt = Attempt(world, locker, "bob", shot="file-right")
        expect_entered(out, f"{locker.name} with a file's passphrase", attempt)
        out.note(f"{attempt.outcome.seconds:.2f}s")
        attempt = Attempt(world, locker, "bob", passphrase="wrong", shot="file-wrong")
        refused(out, f"{locker.name} with a wrong passphrase", attempt, "secret-wrong")


def test(out):
    world = World()
    screen, lockers = make(world)
    from_file(out, world, lockers)
    screen.close()
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    open_folder()
    private.enter()
    sys.exit(tap.run(test))
