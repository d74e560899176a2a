# SPDX-License-Identifier: LGPL-2.1-or-later
"""The thin path, end to end: a real sudo with a certificate and five refusals, then su, login, the
PAM host and an unprivileged host."""
import sys

from lib import private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.hosts import Locker, Login, PamHost, Su, Sudo
from lib.world import World

# What bob holds instead of his certificate: the reason, and the daemon's own where it sees one.
REFUSALS = (
    ("another key for his certificate", "other-key", "key-unusable", None),
    ("a certificate of another CA", "wrong-ca", "issuer-untrusted", "issuer-untrusted"),
    ("an expired certificate", "expired", "cert-expired", "cert-expired"),
    ("a certificate without a binding", "stranger", "unmapped", "unmapped"),
)


def sudo_path(out, world):
    sudo = Sudo()
    expect_entered(out, "sudo by bob with his certificate", Attempt(world, sudo, "bob"))
    for what, file, token, audit in REFUSALS:
        world.give("bob", file)
        expect_refused(out, f"sudo by bob with {what}", Attempt(world, sudo, "bob"), token, audit)
        world.passing()
    world.daemon.kill()
    expect_refused(out, "sudo while the daemon is dead", Attempt(world, sudo, "bob"), "unreachable")
    world.passing()
    expect_entered(out, "sudo by bob, all as before", Attempt(world, sudo, "bob"))


def test(out):
    world = World()
    sudo_path(out, world)
    for host in (Su(), Login()):
        for person in ("bob", "alice"):
            name = f"{host.name} by {person}"
            attempt = Attempt(world, host, person)
            expect_entered(out, name, attempt)
            out.result(f"name={person} " in attempt.shown, f"{name}: is {person} afterwards",
                       attempt)
    attempt = Attempt(world, Sudo(), "alice")
    expect_entered(out, "sudo by alice", attempt)
    out.result("uid=0 " in attempt.shown and "subject=CN=alice,O=Example" in attempt.shown,
               "sudo by alice: root afterwards, who knows the certificate", attempt)
    expect_entered(out, "pam_host as setuid program of bob", Attempt(world, PamHost(), "bob"))
    expect_entered(out, "unprivileged host of bob", Attempt(world, Locker(), "bob"))
    for kind in ("p12", "P-384", "Ed25519", "RSA-2048", "level1-leaf"):
        world.give("bob", kind)
        expect_entered(out, f"sudo by bob with {kind}", Attempt(world, Sudo(), "bob"))
    world.passing()
    for host in (Sudo(), Su(), Login(), PamHost()):
        expect_refused(out, f"{host.name} with a wrong passphrase",
                       Attempt(world, host, "bob", passphrase="wrong"), "secret-wrong")
    world.stop()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
