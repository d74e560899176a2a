# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job, shown: who enters and what it looks like, then who is refused and what is said."""
import sys

from lib import private
from lib.attempt import Attempt
from lib.hosts import Locker, Login, Su, Sudo
from lib.world import World, run

HOSTS = {host.name: host for host in (Login(), Su(), Sudo(), Locker())}
LOCKER = "an unprivileged program"


def say(text=""):
    print(text, flush=True)


def heading(text):
    say(f"\n--- {text}")


def indent(text, first):
    lines = [line for line in text.replace("\r", "").split("\n") if line.strip()]
    for line in lines:
        say(f"    {first}| {line}")


def command(*argv):
    say(f"    $ {' '.join(argv)}")
    indent(run(*argv, check=False).stdout, "")


def record(attempt):
    """The audit record in short, or what pam_mtls logged where the daemon was not asked."""
    for entry in attempt.world.audit.records():
        verified = entry.get("verified") or {}
        say(f"    audit   | verdict={entry.get('verdict')} reason={entry.get('reason')} "
            f"subject={verified.get('subject')} id={entry.get('audit_id') or entry.get('id')}")
    if not attempt.world.audit.records():
        for token in attempt.logged():
            say(f"    syslog  | pam_mtls: reason={token}")


def enters(world, person, host):
    heading(f"{person} enters by {host}")
    attempt = Attempt(world, HOSTS[host], person)
    indent(attempt.outcome.text, "shown   ")
    record(attempt)
    return attempt.entered


def refused(world, what, person, host, **options):
    heading(f"{what}: {host}")
    attempt = Attempt(world, HOSTS[host], person, **options)
    indent(attempt.outcome.text, "shown   ")
    record(attempt)
    return not attempt.entered


def accounts():
    heading("alice exists for every program; a certificate leads to its account")
    command("id", "alice")
    command("getent", "-s", "mtls", "passwd", "alice")
    command("getent", "-s", "x509", "passwd", "subject:CN=alice,O=Example")
    command("mtlsctl", "bind", "list")



def refusals(world):
    rows = (("another key for that certificate", "other-key"), ("a certificate of another CA", "wrong-ca"),
            ("expired", "expired"), ("revoked", "revoked"), ("for servers, not for people", "server-eku"),
            ("a certificate of the CA for machines", "host-ca-leaf"), ("bound to nobody", "stranger"),
            ("bound to carol", "carol"))
    good = True
    for what, name in rows:
        world.give("bob", name)
        good &= refused(world, f"bob's certificate: {what}", "bob", "sudo")
    world.give("bob", "unprotected")
    good &= refused(world, "bob's key has no passphrase; somebody types bob", "bob", "login")
    world.passing()
    good &= refused(world, "alice wants to be bob", "alice", "su", target="bob")
    good &= refused(world, "a wrong passphrase", "bob", "sudo", passphrase="guess")
    world.daemon.kill()
    good &= refused(world, "mtls-authd is dead", "bob", "sudo")
    world.passing()
    return good


def main():
    world = World()
    say("alice: an account of nss_mtls.  bob: an account of /etc/passwd.  Each has a certificate and a")
    say("key with a passphrase, bound to the account.  mtls-authd listens on a unix socket.")
    accounts()
    good = all([enters(world, person, host) for host in ("login", "su", "sudo")
                for person in ("alice", "bob")])
    good &= refusals(world)
    world.close()
    heading("all as it should be" if good else "NOT AS IT SHOULD BE")
    return 0 if good else 1


if __name__ == "__main__":
    private.enter()
    sys.exit(main())
