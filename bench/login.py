# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What one login costs: pam_mtls with mtls-authd on this machine, and what others do for the same, each
time in a new process that is what sudo is, taking turns. Only the ratios of one run count.

    pam_mtls            the key is a file of the person's that needs no passphrase (presence =
                        not-required, as sudo may have it)
    pam_mtls-secret     the key is encrypted, the passphrase is typed: the key derivation is in it
    pam_mtls-agent      a P-256 key in ssh-agent, its certificate beside; against pam_ssh_agent_auth
    pam_mtls-pkcs11     a P-256 key in SoftHSM, with PIN; against pam_p11 and pam_pkcs11 (the same
                        token, key, certificate and PIN)
    pam_unix            yescrypt

Usage: login.py [--rounds N] [--json FILE] [--alone]

--alone gives all contenders, their daemons and agents a real-time priority, so that what else runs on the
machine does not count.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from lib import private  # noqa: E402
from lib.world import PASSPHRASE, PROGRAMS, World, run, write  # noqa: E402
from login_peers import Peers  # noqa: E402

FOLDER = "/run/mtls-test/bench.d"
# ours, theirs, at most so many times theirs
AIMS = (("pam_mtls", "pam_ssh_agent_auth", 1.1), ("pam_mtls-agent", "pam_ssh_agent_auth", 1.2),
        ("pam_mtls-pkcs11", "pam_p11", 0.8))
SECRET = "pam_mtls-secret"


def measure(world, peers, program, rounds):
    """Two turns: a locked file would be a second credential of the person's. The second's figures stand
    against its own pam_permit."""
    for service, text in peers.services.items():
        write(f"{FOLDER}/{service}", text)
    run("chpasswd", "--crypt-method", "YESCRYPT", text=f"bob:{PASSPHRASE}\n")
    above, base = {}, 0
    for file, services in (("good", [SECRET, "pam_permit"]),
                           ("unprotected", [name for name in peers.services if name != SECRET])):
        world.give("bob", file)
        peers.give_certificates()
        done = subprocess.run([program, FOLDER, "bob", PASSPHRASE, str(rounds), *services],
                              stdout=subprocess.PIPE, encoding="ascii", env=peers.environment, check=False)
        if done.returncode:
            raise SystemExit("\n".join(world.syslog_all()[-5:]))
        found = {service: [float(t) / 1000 for t in times]
                 for service, *times in map(str.split, done.stdout.splitlines())}
        base = found.pop("pam_permit")[0]
        for name, times in found.items():
            above[name] = [t - base for t in times]
    return base, above


def report(base, above, floor, rounds, missing):
    print(f"one login, median of {rounds}: pam_permit {base:.3f} ms; above it:")
    theirs = [name for name in ("pam_ssh_agent_auth", "pam_p11") if name in above]
    print(f"  {'':22} {'ms':>8} {'quartiles':>17}" + "".join(f" {'/ ' + name:>21}" for name in theirs))
    for name, (median, lower, upper) in sorted(above.items(), key=lambda item: item[1]):
        ratios = "".join(f" {median / above[other][0]:21.2f}" for other in theirs)
        print(f"  {name:22} {median:8.3f} {lower:8.3f}-{upper:<8.3f}{ratios}")
    print(f"  {'handshake in memory':22} {floor:8.3f}")
    for name in missing:
        print(f"  not here: {name}")
    for ours, other, aim in AIMS:
        if ours in above and other in above:
            ratio = above[ours][0] / above[other][0]
            print(f"aim: {ours} at most {aim} x {other}: {ratio:.2f}, {'met' if ratio <= aim else 'missed'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json")
    parser.add_argument("--alone", action="store_true")
    arguments = parser.parse_args()
    target = os.path.abspath(arguments.json) if arguments.json else None
    private.enter()
    if arguments.alone:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    world = World()
    built = os.environ["top_builddir"] + "/bench"
    program = shutil.copy(built + "/bench_login", PROGRAMS)
    peers = None
    try:
        peers = Peers(world)
        base, above = measure(world, peers, program, arguments.rounds)
    finally:
        if peers:
            peers.close()
        world.close()
    floor = float(run(built + "/bench_handshake").stdout) / 1000
    report(base, above, floor, arguments.rounds, peers.missing)
    if target:
        with open(target, "w", encoding="utf-8") as out:
            json.dump({"rounds": arguments.rounds, "pam_permit_ms": base, "above_ms": above,
                       "handshake_in_memory_ms": floor}, out, indent=1)


if __name__ == "__main__":
    main()
