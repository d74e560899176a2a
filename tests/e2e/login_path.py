# SPDX-License-Identifier: LGPL-2.1-or-later
"""The thin path, end to end: a real sudo with a certificate and five refusals, then su, login, the
PAM host and an unprivileged host."""
import sys

from lib import private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.hosts import Locker, Login, PamHost, Su, Sudo
from lib.world import World

TCP = "tcp:127.0.0.1:17443"

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


def tcp_path(out, world):
    """The daemon by TCP, behind a first server that is not there; the same refusals."""
    listen = ["unix:" + world.socket, TCP]
    world.change_settings("authd.conf", {**world.authd_settings(), "listen": listen})
    servers = [f"unix:{world.rundir}/nobody.sock", TCP]
    world.change_settings("pam_mtls.conf", {**world.pam_settings(), "servers": servers})
    world.restart()
    for host in (Sudo(), Login()):
        attempt = Attempt(world, host, "bob")
        expect_entered(out, f"{host.name} by TCP", attempt)
        peers = [record.get("peer", {}).get("transport") for record in world.audit.records()]
        out.result(peers == ["tcp"], f"{host.name} by TCP: the record says so", str(peers))
    for what, file, token, audit in REFUSALS:
        world.give("bob", file)
        expect_refused(out, f"sudo by TCP with {what}", Attempt(world, Sudo(), "bob"), token, audit)
    world.give("bob", "host-ca-leaf")
    expect_refused(out, "sudo by TCP with a certificate of the CA for machines",
                   Attempt(world, Sudo(), "bob"), "role", "role")
    world.passing()


def test(out):
    world = World()
    sudo_path(out, world)
    tcp_path(out, world)
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
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
