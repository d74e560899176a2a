# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Who sits in front of this machine, where no terminal proves it: bob's card, the real libsystemd, control
groups as logind makes them, and its files in /run/systemd, which the test writes. Each refusal starts from
what enters, and changes one thing.
"""
import contextlib
import glob
import os
import pwd
import shutil
import sys

from lib import cards, private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.hosts import PamHost, Sudo
from lib.world import World, write

LOGIND = "/run/systemd"
LOCAL = {"REMOTE": 0, "ACTIVE": 1, "STATE": "active", "SEAT": "seat0", "DISPLAY": ":0"}
USER_MANAGER = "user.slice/user-{uid}.slice/user@{uid}.service/app.slice/terminal.scope"
SCOPE = "user.slice/user-{uid}.slice/session-7.scope"
SERVICE = "system.slice/display-manager.service"


def state(path, **fields):
    """One of logind's files; None leaves a field out."""
    write(f"{LOGIND}/{path}", "".join(f"{key}={value}\n" for key, value in fields.items()
                                     if value is not None))


class Groups:
    """Control groups below the one that the private root is in."""

    def __init__(self):
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            own = [line.strip().split(":", 2)[2] for line in file if line.startswith("0::")]
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
        if not own or not mounts:
            raise OSError("no cgroup2 hierarchy")
        self.base = mounts[0] + own[0].rstrip("/")
        # The private root's first process is in self.base too, and so that is the root to libsystemd.
        self.top = f"{self.base}/mtlstest{os.getpid()}x{os.stat('/run').st_dev}.slice"
        os.mkdir(self.top)

    @contextlib.contextmanager
    def inside(self, path):
        """This process, and what it starts, is in that group."""
        folder = f"{self.top}/{path}"
        os.makedirs(folder, exist_ok=True)
        self._move(folder)
        try:
            yield
        finally:
            self._move(self.base)

    @staticmethod
    def _move(folder):
        with open(folder + "/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")

    def remove(self):
        for base, folders, _ in os.walk(self.top, topdown=False):
            for folder in folders:
                os.rmdir(os.path.join(base, folder))
        os.rmdir(self.top)


def greeter():
    """A host program of root's, as a display manager calls PAM."""
    host = PamHost(kind="root")
    host.command = lambda person, target, extra: [
        private.PROGRAMS + "/pam_host", "--service", host.service, "--phases", host.phases, "--tty",
        ":0", "--user", person, *extra]
    return host


def console():
    """A setuid program that was given a console as its terminal, as su is by `su </dev/tty3`."""
    host = PamHost()
    plain = host.command
    host.command = lambda person, target, extra: plain(person, target, ["--tty", "tty3", *extra])
    return host


def rows(bob):
    """(what, group, session, user's display, seat's session, host, local)"""
    window, uid = PamHost(), bob.pw_uid
    scope, manager = SCOPE.format(uid=uid), USER_MANAGER.format(uid=uid)
    stranger = USER_MANAGER.format(uid=uid + 1)
    return (
        ("a window", scope, {}, None, None, window, True),
        ("a window in real sudo", scope, {}, None, None, Sudo(), True),
        ("ssh", scope, {"REMOTE": 1, "SEAT": None}, None, None, window, False),
        ("ssh in real sudo", scope, {"REMOTE": 1, "SEAT": None}, None, None, Sudo(), False),
        ("a remote session that says it has a seat", scope, {"REMOTE": 1}, None, None, window, False),
        ("another session is in front", scope, {"ACTIVE": 0, "STATE": "online"}, None, None, window,
         False),
        ("a session without a seat", scope, {"SEAT": None}, None, None, window, False),
        ("a session that logind does not know", scope, None, None, None, window, False),
        ("the user manager, person at a screen", manager, {}, 7, None, window, True),
        ("the user manager, nobody at a screen", manager, {}, None, None, window, False),
        ("the user manager, person at the other end", manager, {"REMOTE": 1}, 7, None, window, False),
        ("somebody else's user manager", stranger, {}, 7, None, window, False),
        ("a console", scope, {"SEAT": "seat0"}, None, None, console(), True),
        ("a console, in no session", SERVICE, None, None, None, console(), True),
        ("a serial line, whose session has no seat", scope, {"SEAT": None}, None, None, console(), True),
        ("one's own console, opened by ssh", scope, {"REMOTE": 1, "SEAT": None}, None, None, console(),
         False),
        ("one's own console, behind another session", scope, {"ACTIVE": 0, "STATE": "online"}, None, None,
         console(), False),
        ("a service", SERVICE, {}, 7, 7, window, False),
        ("a greeter on the seat's display", SERVICE, {}, None, 7, greeter(), True),
        ("a greeter on another display", SERVICE, {"DISPLAY": ":1"}, None, 7, greeter(), False),
        ("a greeter where no seat shows anything", SERVICE, {}, None, None, greeter(), False),
    )


def one(out, world, groups, row, uid):
    what, group, session, screen, shown, host, local = row
    shutil.rmtree(LOGIND, ignore_errors=True)
    if session is not None:
        state("sessions/7", UID=uid, USER="bob", CLASS="user", **{**LOCAL, **session})
    if screen is not None:
        state(f"users/{uid}", NAME="bob", STATE="active", DISPLAY=screen)
    os.makedirs(LOGIND + "/seats", exist_ok=True)
    if shown is not None:
        state("seats/seat0", ACTIVE=shown, ACTIVE_UID=uid)
    with groups.inside(group):
        attempt = Attempt(world, host, "bob", passphrase=cards.PIN)
    if local:
        expect_entered(out, what, attempt)
    else:
        expect_refused(out, what, attempt, "not-local")


def without_library(out, world, groups, row, uid):
    moved = [path for path in glob.glob("/usr/lib/*/libsystemd.so.0*") if os.path.lexists(path)]
    for path in moved:
        os.rename(path, path + ".away")
    try:
        one(out, world, groups, ("no libsystemd", *row[1:-1], False), uid)
    finally:
        for path in moved:
            os.rename(path + ".away", path)
    one(out, world, groups, ("libsystemd is back", *row[1:]), uid)


def test(out):
    world = World()
    try:
        groups = Groups()
    except OSError as error:
        out.note(error)
        out.skip("the real libsystemd", "no control group can be made here")
        world.close()
        return
    try:
        cards.passing(world, local_ttys=["tty[1-9]"])
        bob = pwd.getpwnam("bob")
        for row in rows(bob):
            one(out, world, groups, row, bob.pw_uid)
        without_library(out, world, groups, rows(bob)[0], bob.pw_uid)
    finally:
        groups.remove()
    world.passing()
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
