# SPDX-License-Identifier: LGPL-2.1-or-later
"""Phases without a prior authenticate of ours (cron, sudo NOPASSWD, sshd with a public key), and after
one: in a stack of pam_mtls alone, where nothing but its own answers counts."""
import sys

from lib import private, tap
from lib.hosts import PamHost
from lib.world import World

LATER = ("acct", "setcred", "open", "close", "chauthtok")


def stack(world, option=""):
    return "".join(f"{kind} required {world.module} {option}\n"
                   for kind in ("auth", "account", "session", "password"))


def code_of(host, phases, **options):
    """The code of the last phase."""
    host.phases = phases
    outcome = host.enter("bob", **options)
    last = phases.rsplit(",", maxsplit=1)[-1]
    codes = [line.split(": ")[1] for line in outcome.text.splitlines()
             if line.startswith(last + ": ")]
    return (codes or ["none"])[-1], outcome


def test(out):
    world = World()
    world.install("/etc/pam.d/mtls-alone", stack(world))
    world.install("/etc/pam.d/mtls-enforce", stack(world, "account=enforce"))
    alone, enforce = PamHost("mtls-alone"), PamHost("mtls-enforce")
    for phase in LATER:
        code, outcome = code_of(alone, phase)
        out.result(code not in ("PAM_SUCCESS", "none"), f"{phase} alone lets nobody in", outcome)
    for count in range(1, 5):
        phases = ",".join(("auth",) + LATER[:count])
        code, outcome = code_of(alone, phases)
        out.result(code == "PAM_SUCCESS", f"{LATER[count - 1]} after authenticate", outcome)
    code, outcome = code_of(alone, "auth,acct", passphrase="wrong")
    out.result(code not in ("PAM_SUCCESS", "none"), "acct after a refused authenticate", outcome)
    code, outcome = code_of(enforce, "acct")
    out.result(code == "PAM_PERM_DENIED", "account = enforce: no certificate, no entry", outcome)
    out.result("(certificate-required)" in outcome.text, "and the person is told why", outcome)
    code, outcome = code_of(enforce, "auth,acct")
    out.result(code == "PAM_SUCCESS", "account = enforce: with a certificate", outcome)
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
