# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A greeter that behaves as GDM does: a service for cards, which it starts again at once when it fails, and one for
passwords; the name given first or not. The card is played by tests/e2e/evil_signer.c.
"""
import re
import subprocess
import sys
import time

from lib import cards, private, tap, terminal
from lib.private import environment
from lib.world import PASSPHRASE, PROGRAMS, World

PHASES = "auth,acct,setcred,open"
CARD = (("secret", "pin"), ("token", "Bob's card"), ("label", "Bob"), ("issuer", "Example CA"), ("pin", "123456"))
INSERT = "prompt-on: Insert your card, then press Enter"
PAUSE = "prompt-on: Press Enter to try again: "
PIN = "prompt-off: PIN for Bob's card (Bob, from Example CA, until "


class Greeting:
    """One run of the PAM host as a greeter; `lines` is what it printed, `took` how long it was."""

    def __init__(self, service="gdm-smartcard", user="", answers=(), extra=(), phases=PHASES):
        command = [PROGRAMS + "/pam_host", "--service", service, "--tty", "pts/0", "--phases", phases, *extra]
        if user:
            command += ["--user", user]
        for answer in answers:
            command += ["--answer", answer]
        start = time.monotonic()
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd="/",
                              stderr=subprocess.STDOUT, env=terminal.clean_environment("root"),
                              timeout=terminal.DEADLINE)
        self.took = time.monotonic() - start
        self.text = done.stdout.decode("utf-8", "replace")
        self.lines = self.text.splitlines()

    @property
    def questions(self):
        return [line for line in self.lines if line.startswith("prompt-")]

    def has(self, *wanted):
        """Each of these is a line, or the beginning of one."""
        return all(any(line.startswith(text) for line in self.lines) for text in wanted)

    def code(self):
        return re.search(r"^auth: (\w+)$", self.text, re.M)[1]


class Greeter:
    """The world with GDM's services, and a card that is played."""

    def __init__(self, out):
        self.out = out
        self.world = World()
        self.program = environment("MTLS_LIBEXECDIR") + "/mtls-signer-token"
        module = self.world.module
        for service in ("gdm-smartcard", "gdm-password"):
            self.world.install("/etc/pam.d/" + service, f"auth required {module}\naccount required {module}\n"
                               f"session required {module}\n")
        self.settings({"sources": ["pkcs11"]})

    def settings(self, greeter):
        self.world.change_settings("pam_mtls.conf", {
            **self.world.pam_settings(), "pkcs11_modules": ["/usr/lib/played.so"],
            "service gdm-smartcard": greeter})

    def card(self, *more, card=CARD):
        self.world.evil_signer("honest", card=(*card, *more), program=self.program)

    def expect(self, name, greeting, code, lines, questions):
        good = greeting.code() == code and greeting.has(*lines) and len(greeting.questions) == questions
        self.out.result(good, name, greeting.text)


def with_a_card(greeter):
    greeter.card()
    done = Greeting(answers=["123456"])
    greeter.expect("no name: the card says who", done, "PAM_SUCCESS",
                   [PIN, "user: bob", "open: PAM_SUCCESS", "env: PKCS11_LOGIN_TOKEN_NAME=Bob's card"], 1)
    greeter.expect("the name first", Greeting(user="bob", answers=["123456"]), "PAM_SUCCESS", [PIN, "user: bob"], 1)
    greeter.expect("another's name first", Greeting(user="carol", answers=["123456"]), "PAM_AUTH_ERR",
                   [PIN, "error: This certificate belongs to another account. (mapped-to-other)"], 1)
    greeter.expect("wrong PIN", Greeting(answers=["1"]), "PAM_AUTH_ERR", [PIN, "error: Wrong PIN. (pin-wrong)"], 1)
    greeter.expect("empty PIN", Greeting(answers=[""]), "PAM_AUTHINFO_UNAVAIL",
                   [PIN, "error: No passphrase or PIN was given. (secret-empty)"], 1)
    greeter.card(("more", "Bob as administrator"))
    for name in ("", "bob"):
        done = Greeting(user=name, answers=["2", "123456"])
        greeter.expect(f"several identities, {'the name first' if name else 'no name'}", done, "PAM_SUCCESS",
                       ["info: 1: Bob (from Example CA, until ", "info: 2: Bob as administrator (from ",
                        "prompt-on: Which certificate (1-2)? ",
                        "prompt-off: PIN for Bob's card (Bob as administrator, ", "user: bob"], 2)


def without_a_card(greeter):
    greeter.card(("appears", "0"), ("absent", "no-token"))
    for name in ("", "bob"):
        greeter.expect(f"no card: asked for one, once{', the name first' if name else ''}",
                       Greeting(user=name, answers=["", "again"]), "PAM_AUTHINFO_UNAVAIL",
                       [INSERT, "error: No card was found. (no-token)"], 1)
    greeter.expect("nobody answers", Greeting(), "PAM_CONV_ERR", [INSERT], 1)
    greeter.card(("appears", "2"), ("absent", "no-token"))
    greeter.expect("a card that is slow", Greeting(answers=["", "123456"]), "PAM_SUCCESS", [INSERT, PIN, "user: bob"], 2)
    greeter.settings({"sources": ["pkcs11", "file"]})
    greeter.card(("appears", "0"), ("absent", "no-token"))
    greeter.expect("no card, then the name and a file", Greeting(answers=["", "bob", PASSPHRASE]), "PAM_SUCCESS",
                   [INSERT, "prompt-on: login:", "prompt-off: Passphrase for bob", "user: bob"], 3)
    greeter.settings({"sources": ["pkcs11"]})


def never_fails_at_once(greeter):
    """GDM would start the service again in a loop."""
    for absent, text in (("module-failed", "The card's driver failed."),
                         ("reader-refused", "The card reader may not be used from here.")):
        greeter.card(("appears", "0"), ("absent", absent))
        greeter.expect(f"{absent}: a pause", Greeting(answers=[""]), "PAM_AUTHINFO_UNAVAIL",
                       [f"error: {text} ({absent})", PAUSE], 1)
    greeter.card(("tries", "0"))
    greeter.expect("locked: a pause", Greeting(answers=[""]), "PAM_AUTHINFO_UNAVAIL",
                   ["error: The PIN is locked. (pin-locked)", "info: To unblock it", PAUSE], 1)
    greeter.world.change(greeter.world.conf + "/pam_mtls.conf", "no such key\n")
    greeter.expect("a broken configuration: a pause", Greeting(answers=[""]), "PAM_AUTHINFO_UNAVAIL",
                   ["error: Certificate login is not set up correctly. (config)", PAUSE], 1)
    greeter.settings({"sources": ["pkcs11"]})
    greeter.card(("appears", "0"), ("absent", "module-failed"))
    greeter.expect("without a conversation there is nothing to pause", Greeting(extra=["--noconv"]),
                   "PAM_AUTHINFO_UNAVAIL", [], 0)


def the_card_of_the_session(greeter):
    greeter.card()
    for service, name, questions, line in (
            ("gdm-smartcard", "Bob's card", 1, PIN), ("gdm-smartcard", "Another", 1, INSERT),
            ("gdm-password", "Another", 1, PIN)):
        done = Greeting(service, user="bob", answers=["wrong"], extra=["--putenv", f"PKCS11_LOGIN_TOKEN_NAME={name}"])
        greeter.out.result(done.has(line) and len(done.questions) == questions,
                           f"{service}: the session's card is '{name}'", done.text)


def passwords(greeter):
    """The service beside it: who has no card is not asked for one, and does not wait."""
    greeter.card(("appears", "0"), ("absent", "no-token"))
    greeter.world.give("bob", None)
    done = Greeting("gdm-password", user="bob", phases="auth")
    greeter.expect("gdm-password, no card: no question", done, "PAM_AUTHINFO_UNAVAIL", [], 0)
    greeter.world.passing()
    cards.settings(greeter.world, sources=["pkcs11", "file"])
    greeter.world.give("bob", None)
    runs = [Greeting("gdm-password", user="bob", phases="auth") for _ in range(5)]
    greeter.expect("the same with readers of SoftHSM2", runs[0], "PAM_AUTHINFO_UNAVAIL", [], 0)
    greeter.out.note("gdm-password, readers of SoftHSM2 without a card: answer after "
                     f"{min(run.took for run in runs) * 1000:.0f} ms, the host's start included")


def test(out):
    greeter = Greeter(out)
    with_a_card(greeter)
    without_a_card(greeter)
    never_fails_at_once(greeter)
    the_card_of_the_session(greeter)
    passwords(greeter)
    greeter.world.passing()
    greeter.world.close()
    out.result(not greeter.world.problems(), "no daemon, worker or signer crashed", greeter.world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
