# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job, shown: who enters and what it looks like, then who is refused and what is said."""
import os
import sys

from lib import private
from lib.attempt import Attempt
from lib.hosts import Login, Su, Sudo
from lib.world import World, run

HOSTS = {host.name: host for host in (Login(), Su(), Sudo())}
# What is typed: PERSON is who sits there, TARGET whom they name. `entered` says as whom it runs.
TYPED = {"login": "(at the console) {target}", "su": "{person}$ su {target} -c entered", "sudo": "{person}$ sudo -k entered"}
STEPS = 19
COLOURS = {"title": "1", "typed": "36", "good": "32", "bad": "1;31", "dim": "2"}


class Shown:
    """The place in the demo, and how things look: colours and progress for terminals only."""

    def __init__(self):
        self.step = 0
        self.terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not os.environ.get("NO_COLOR")

    def paint(self, how, text):
        return f"\033[{COLOURS[how]}m{text}\033[0m" if self.terminal else text


SHOWN = Shown()


def say(text=""):
    print(text, flush=True)


def heading(text):
    SHOWN.step += 1
    say(f"\n{SHOWN.paint('title', f'[{SHOWN.step}/{STEPS}] {text}')}")


def typed(text):
    say("    " + SHOWN.paint("typed", text))


def indent(text):
    for line in text.replace("\r", "").split("\n"):
        if line.strip():
            say("    | " + line)


def command(*argv):
    typed("# " + " ".join(argv))
    indent(run(*argv, check=False).stdout)


def record(attempt):
    """The audit record in short, or what pam_mtls logged where the daemon was not asked."""
    records = attempt.world.audit.records()
    for entry in records:
        verified = entry.get("verified") or {}
        say(SHOWN.paint("dim", f"    audit record: {entry.get('reason')}, {verified.get('subject') or 'nothing verified'}, "
                        f"id {entry.get('audit_id') or entry.get('id')}"))
    for token in [] if records else attempt.logged():
        say(SHOWN.paint("dim", f"    system log: pam_mtls: reason={token}"))


def attempt_to_enter(world, person, host, target=None, passphrase=None):
    typed(TYPED[host].format(person=person, target=target or person))
    options = {"passphrase": passphrase} if passphrase else {}
    attempt = Attempt(world, HOSTS[host], person, target=target, **options)
    indent(attempt.outcome.text.replace("/usr/local/libexec/mtls-tests/", ""))
    record(attempt)
    return attempt


def enters(world, person, host):
    heading(f"{person} enters by {host}")
    attempt = attempt_to_enter(world, person, host)
    say("    " + (SHOWN.paint("good", "entered, as it should be") if attempt.entered else SHOWN.paint("bad", "NOT ENTERED")))
    return attempt.entered


def refused(world, what, person, host, **options):
    heading(f"refused: {what}")
    attempt = attempt_to_enter(world, person, host, **options)
    say("    " + (SHOWN.paint("bad", "ENTERED") if attempt.entered else SHOWN.paint("good", "refused, as it should be")))
    return not attempt.entered


def accounts():
    heading("alice exists for every program; a certificate leads to its account")
    command("id", "alice")
    command("getent", "-s", "mtls", "passwd", "alice")
    command("getent", "-s", "x509", "passwd", "subject:CN=alice,O=Example")
    command("mtlsctl", "bind", "list", "alice")


def certificates(world):
    rows = (("the key belongs to another certificate", "other-key"), ("a certificate of another CA", "wrong-ca"),
            ("an expired certificate", "expired"), ("a revoked one", "revoked"), ("one for servers, not for people", "server-eku"),
            ("one of the CA for machines", "host-ca-leaf"), ("one that is bound to nobody", "stranger"), ("carol's", "carol"))
    good = True
    for what, name in rows:
        world.give("bob", name)
        good &= refused(world, what, "bob", "sudo")
    return good


def situations(world):
    world.give("bob", "unprotected")
    good = refused(world, "a key without a passphrase; somebody types bob", "bob", "login")
    world.passing()
    good &= refused(world, "alice wants to be bob", "alice", "su", target="bob")
    good &= refused(world, "a wrong passphrase", "bob", "sudo", passphrase="guess")
    world.daemon.kill()
    good &= refused(world, "mtls-authd is dead", "bob", "sudo")
    return good


def administrator(world):
    """What the person who looks after it sees."""
    heading("what the administrator sees while mtls-authd is dead")
    command("mtlsctl", "status")
    world.passing()
    world.give("bob", "revoked")
    refusal = Attempt(world, HOSTS["sudo"], "bob")
    world.passing()
    heading("why was bob refused? By the id that he read")
    ids = [entry.get("audit_id") or entry.get("id") for entry in refusal.world.audit.records()]
    for audit_id in ids[-1:]:
        command("mtlsctl", "explain", audit_id)
    heading("all is well again")
    command("mtlsctl", "status")


def main():
    say("alice is an account that only pam-mtls has, bob one of /etc/passwd. Each has a certificate and a key with a")
    say("passphrase, bound to the account. Lines with # are root's, the others a person's. Nothing of this machine is touched.")
    world = World()
    accounts()
    good = all([enters(world, person, host) for host, person in (("login", "alice"), ("su", "alice"), ("sudo", "bob"))])
    good &= certificates(world)
    good &= situations(world)
    administrator(world)
    world.close()
    good &= SHOWN.step == STEPS
    say("\n" + (SHOWN.paint("good", "All is as it should be.") if good else SHOWN.paint("bad", "NOT AS IT SHOULD BE")))
    say("Next: README.md, \"First real set-up\". Every test: ./quickstart check")
    return 0 if good else 1


if __name__ == "__main__":
    private.enter()
    sys.exit(main())
