# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Who comes by ssh does not sit in front of this machine: sshd itself finds no key here, and cards in its readers
are for nobody behind a pseudo-terminal of it, whatever program asks. Files and what is forwarded are.
"""
import os
import sys

from lib import cards, private, tap, terminal
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.cards import PIN
from lib.forwarding import Scene
from lib.hosts import Host, Outcome, READY
from lib.sshd import Remote, sudo_command
from lib.world import PASSPHRASE, PROGRAMS

SANITIZED = os.environ.get("MTLS_SANITIZERS", "no") not in ("", "no")
DEVICES = {"local_ttys": None, "sources": ["pkcs11", "file"]}


class Ssh(Host):
    """sshd as the host: without a key of ssh's own."""

    name = service = "sshd"

    def __init__(self, sshd):
        self.sshd = sshd

    def enter(self, person, passphrase=PASSPHRASE, target=None):
        command = self.sshd.ssh(person, "-o", "PubkeyAuthentication=no",
                                "-o", "NumberOfPasswordPrompts=1")
        done = terminal.converse(command + [PROGRAMS + "/entered"], self.secret(passphrase),
                                 environment=self.sshd.elsewhere.environment())
        return Outcome(done.text, done.status)


def sshd_itself(out, scene):
    if SANITIZED:
        # The listener's own lock of translations is held before it has started anything.
        out.skip("sshd itself", "sshd hangs in bindtextdomain(3) with AddressSanitizer")
        return
    world, ssh = scene.world, Ssh(scene.sshd)
    world.give("bob", "good")
    for name, settings in (
            ("with a file's key", {"sources": ["file"]}),
            ("with a card in this machine's reader", {}),
            ("with every source", {"sources": ["pkcs11", "p11-kit", "agent", "file"]})):
        if not settings:
            cards.card(world, "good")
        # sshd's name for its terminal before there is one: PAM_RHOST decides.
        cards.settings(world, **{"local_ttys": ["ssh", "pts/*"], **settings})
        attempt = Attempt(world, ssh, "bob")
        expect_refused(out, f"sshd, {name}", attempt, "no-source")
        out.result("assphrase" not in attempt.shown, f"sshd, {name}: nothing is asked", attempt)
    scene.passing()


def programs(scene):
    """su, sudo and login on a terminal of sshd's, and their answers."""
    pin = [(r"PIN[^\n]*: ?$", PIN, True)]
    secret = [(r"Passphrase[^\n]*: ?$", PASSPHRASE, True)]
    return (
        ("sudo", "bob", Remote(scene.sshd, "sudo", sudo_command()), pin, secret),
        ("su", "bob", Remote(scene.sshd, "su", f"su bob -c {PROGRAMS}/entered"), pin, secret),
        ("login", "root", Remote(scene.sshd, "login", "login bob"),
         pin, secret + [(READY, f"{PROGRAMS}/entered; exit", False)]))


def devices(out, scene):
    world = scene.world
    scene.sshd.admit("root")
    for name, account, host, pin, secret in programs(scene):
        world.give("bob", "good")
        cards.settings(world, **DEVICES)
        attempt = Attempt(world, host, account, answers=secret)
        expect_entered(out, f"{name} over ssh, a file", attempt)
        cards.card(world, "good")
        cards.settings(world, **{**DEVICES, "sources": ["pkcs11"]})
        attempt = Attempt(world, host, account, answers=pin)
        expect_refused(out, f"{name} over ssh, a card in this machine's reader", attempt,
                       "not-local")
        out.result(attempt.outcome.asked == 0, f"{name} over ssh: no PIN is asked for", attempt)
        cards.settings(world, **{**DEVICES, "sources": ["pkcs11", "file"]})
        attempt = Attempt(world, host, account, answers=pin)
        expect_refused(out, f"{name} over ssh, the same, and no file either", attempt, "not-local")
        cards.settings(world, **{**DEVICES, "local_ttys": ["pts/*"]})
        attempt = Attempt(world, host, account, answers=pin + secret[1:])
        expect_entered(out, f"{name} over ssh, if its terminal is said to be local", attempt)
        scene.passing()


def test(out):
    scene = Scene("file")
    sshd_itself(out, scene)
    devices(out, scene)
    scene.close()
    out.result(not scene.world.problems(), "no daemon, worker or signer crashed",
               scene.world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
