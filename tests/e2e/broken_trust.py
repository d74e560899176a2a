# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Trust that broke by itself: a certificate that ended, a clock that stands in 1970, a CA that cannot be
read. For each: what the person reads at a real sudo and su, what the audit record says, what `mtlsctl
check` finds and advises. Each case starts from the passing set-up and ends in it.
"""
import glob
import os
import sys

from lib import private, tap
from lib.attempt import Attempt, expect_entered
from lib.hosts import Su, Sudo
from lib.private import PRELOAD, environment
from lib.world import World, run, write

CLOCK = "/etc/faketimerc"
LONG_AGO = "1970-01-01 00:01:00"


def library():
    return (glob.glob("/usr/lib/*/faketime/libfaketime.so.1") or [None])[0]


class Clock:
    """A clock that stands long ago: for every program that starts now, also setuid ones."""

    def __init__(self, world):
        self.world = world

    def turn_back(self):
        write(CLOCK, LONG_AGO + "\n")
        write(PRELOAD, library() + "\n")
        self.world.undo(self.mend)

    @staticmethod
    def mend():
        write(PRELOAD, "")
        os.unlink(CLOCK)


def daemon_in_1970(world):
    clock = Clock(world)
    world.stop()
    clock.turn_back()
    world.daemon.start()
    # The people's programs have the right time again.
    world.undone.pop()
    clock.mend()
    world.undo(world.restart)


def machine_in_1970(world):
    world.stop()
    Clock(world).turn_back()
    world.daemon.start()
    world.undo(world.stop)


def server_expired(world):
    with open(world.pki.server["expired"], encoding="utf-8") as file:
        world.change(world.conf + "/server.pem", file.read())
    world.restart()


def person_expired(world):
    world.give("bob", "expired")


def server_ca(text):
    """The CA of servers, as the machine that is logged in to has it; None: gone."""
    def change(world):
        path = world.conf + "/server-ca/ca.pem"
        world.change(path, text or "")
        if text is None:
            os.unlink(path)
    return change


def user_ca_open_to_others(world):
    path = world.conf + "/user-ca/ca.pem"
    world.stop()
    os.chmod(path, 0o666)
    world.undo(lambda: os.chmod(path, 0o644))
    world.daemon.start(expect_ready=False)
    world.ended = world.daemon.wait_end()


# name, change, the person's token, the audit record's (None: none), of check: severity, text, advice
CASES = [
    ("the server's certificate ended", server_expired, "server-expired", "handshake",
     ("error", "server.pem' expired on", "mtlsctl")),
    ("the person's certificate ended", person_expired, "cert-expired", "cert-expired", None),
    ("the daemon's clock stands in 1970", daemon_in_1970, "cert-not-yet-valid", "cert-not-yet-valid", None),
    ("the machine's clock stands in 1970", machine_in_1970, "server-not-yet-valid", "handshake",
     ("error", "is not valid before", "check the clock of this machine")),
    ("the CA of servers is gone", server_ca(None), "config", None,
     ("error", "server-ca/ca.pem", "")),
    ("the CA of servers is empty", server_ca(""), "config", None, ("error", "server-ca/ca.pem", "PEM")),
    ("the CA of servers is no PEM", server_ca("rubbish\n"), "config", None,
     ("error", "server-ca/ca.pem", "PEM")),
    ("others may write the CA of persons", user_ca_open_to_others, "unreachable", None,
     ("error", "user-ca/ca.pem' is writable by group or others", "")),
]


def finding(text, wanted):
    """Empty if `check` has it with its advice behind it."""
    severity, what, advice = wanted
    lines = text.splitlines()
    for line, following in zip(lines, lines[1:] + [""]):
        if line.startswith(severity + " ") and what in line:
            return "" if "->" in following and advice in following else f"no advice behind {line!r}"
    return "not found"


def case(out, world, row):
    name, change, token, audit, wanted = row
    world.passing()
    for host in (Sudo(), Su()):
        expect_entered(out, f"{name}: before, {host.name}", Attempt(world, host, "bob"))
    change(world)
    for host in (Sudo(), Su()):
        attempt = Attempt(world, host, "bob")
        why = attempt.why_not_refused(token, audit)
        out.result(not why, f"{name}: {host.name} says so ({token})", why)
        if audit is None and token not in ("config",):
            out.result(not attempt.audited(), f"{name}: no daemon, no record", attempt)
    if wanted:
        done = run("mtlsctl", "check", check=False)
        why = finding(done.stdout, wanted)
        out.result(not why and done.returncode == 3, f"{name}: check finds it and advises",
                   f"{why} {done.returncode}\n{done.stdout}")


def test(out):
    world = World()
    sanitized = "libasan" in run("ldd", environment("top_builddir") + "/mtlsctl", check=False).stdout
    for row in CASES:
        if "1970" in row[0] and sanitized:
            out.skip(row[0], "faketime does not go with AddressSanitizer")
            continue
        case(out, world, row)
    out.result(world.ended == 78, "mtls-authd does not start with a CA that others may write",
               f"{world.ended} {world.daemon.log.lines()}")
    world.passing()
    expect_entered(out, "at the end, all as before", Attempt(world, Sudo(), "bob"))
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
