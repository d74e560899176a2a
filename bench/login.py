# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What one login costs: pam_mtls with mtls-authd on this machine, and what others do for the same, each
time in a new process that is what sudo is, taking turns. Only the ratios of one run count.

    pam_mtls            the key is a file of the person's that needs no passphrase (presence =
                        not-required, as sudo may have it): what pam_ssh_agent_auth is compared with
    pam_mtls+secret     the key is encrypted, the passphrase is typed: the key derivation is in it
    pam_ssh_agent_auth  a key in ssh-agent; pam_p11: a key in SoftHSM, with PIN; pam_unix: yescrypt

Usage: login.py [--rounds N] [--json FILE]
"""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))

from lib import private  # noqa: E402 pylint: disable=wrong-import-position
from lib.world import PASSPHRASE, PROGRAMS, World, pwd_entry, run, write  # noqa: E402 pylint: disable=wrong-import-position

FOLDER = "/run/mtls-test/bench.d"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
AIM = 1.1


def module(name):
    """True where the module is installed."""
    return any(glob.glob(f"{folder}/security/{name}") for folder in ("/lib/*", "/usr/lib/*", "/lib", "/usr/lib"))


class Peers:
    """Sets up what is installed here; `services` is the text of each, `missing` says what is not."""

    def __init__(self, world):
        self.world, self.services, self.missing = world, {}, []
        self.agent = None
        self.environment = dict(os.environ)
        ours = f"auth required {world.module}\n"
        self.services["pam_permit"] = "auth required pam_permit.so\n"
        self.services["pam_unix"] = "auth required pam_unix.so\n"
        self.services["pam_mtls"] = ours
        self.services["pam_mtls+secret"] = ours
        settings = world.pam_settings()
        settings["service pam_mtls"] = {"presence": "not-required"}
        world.change_settings("pam_mtls.conf", settings)
        self.ssh_agent()
        self.p11()

    def ssh_agent(self):
        if not (shutil.which("ssh-agent") and module("pam_ssh_agent_auth.so")):
            self.missing.append("pam_ssh_agent_auth (libpam-ssh-agent-auth, openssh-client)")
            return
        bob = pwd_entry("bob")
        folder, key = "/run/mtls-test/agent", "/run/mtls-test/agent.key"
        run("ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f", key)
        shutil.copy(key + ".pub", "/etc/mtls-test-agent.pub")
        os.chmod("/run/mtls-test", 0o711)
        os.makedirs(folder)
        for path in (folder, key):
            os.chown(path, bob.pw_uid, bob.pw_gid)
        socket = folder + "/socket"
        demote = {"user": bob.pw_uid, "group": bob.pw_gid, "extra_groups": []}
        self.agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE, **demote)
        self.agent.stdout.readline()
        self.environment["SSH_AUTH_SOCK"] = socket
        subprocess.run(["ssh-add", "-q", key], env={"SSH_AUTH_SOCK": socket, "PATH": os.environ["PATH"]},
                       check=True, **demote)
        self.services["pam_ssh_agent_auth"] = \
            "auth required pam_ssh_agent_auth.so file=/etc/mtls-test-agent.pub\n"

    def p11(self):
        if not (os.path.exists(SOFTHSM) and module("pam_p11.so") and shutil.which("pkcs11-tool")):
            self.missing.append("pam_p11 (libpam-p11, softhsm2, opensc)")
            return
        bob = pwd_entry("bob")
        write("/etc/softhsm/softhsm2.conf", "directories.tokendir = /run/mtls-test/tokens\n"
              "objectstore.backend = file\nlog.level = ERROR\n")
        os.makedirs("/run/mtls-test/tokens", exist_ok=True)
        run("softhsm2-util", "--init-token", "--free", "--label", "bob", "--so-pin", "12345678",
            "--pin", PASSPHRASE)
        token = ["pkcs11-tool", "--module", SOFTHSM, "--login", "--pin", PASSPHRASE]
        run(*token, "--keypairgen", "--key-type", "rsa:2048", "--id", "01", "--label", "bob")
        run("pkcs11-tool", "--module", SOFTHSM, "--read-object", "--type", "pubkey", "--id", "01",
            "-o", "/run/mtls-test/p11.der")
        pem = run("openssl", "rsa", "-pubin", "-inform", "DER", "-in", "/run/mtls-test/p11.der").stdout
        write("/run/mtls-test/p11.pem", "-----BEGIN" + pem.split("-----BEGIN", 1)[1])
        line = run("ssh-keygen", "-i", "-m", "PKCS8", "-f", "/run/mtls-test/p11.pem").stdout
        folder = bob.pw_dir + "/.ssh"
        write(folder + "/authorized_keys", line)
        for base, folders, files in os.walk("/run/mtls-test/tokens"):
            for name in [base] + [os.path.join(base, f) for f in folders + files]:
                os.chown(name, bob.pw_uid, bob.pw_gid)
        for path in (folder, folder + "/authorized_keys"):
            os.chown(path, bob.pw_uid, bob.pw_gid)
        self.services["pam_p11"] = f"auth required pam_p11.so {SOFTHSM}\n"

    def close(self):
        if self.agent:
            self.agent.kill()
            self.agent.wait()


def measure(world, peers, program, rounds):
    """Two turns: bob has one file at a time, and a locked one would be a second credential."""
    for service, text in peers.services.items():
        write(f"{FOLDER}/{service}", text)
    run("chpasswd", "--crypt-method", "YESCRYPT", text=f"bob:{PASSPHRASE}\n")
    found = {}
    for name, file in (("pam_mtls+secret", "good"), ("pam_mtls", "unprotected")):
        world.give("bob", file)
        others = [s for s in peers.services if not s.startswith("pam_mtls")]
        done = subprocess.run([program, FOLDER, "bob", PASSPHRASE, str(rounds), name, *others],
                              stdout=subprocess.PIPE, encoding="ascii", env=peers.environment, check=True)
        for line in done.stdout.splitlines():
            service, *times = line.split()
            found[service] = [float(t) / 1000 for t in times]
        # The other turn's figures stand against its own pam_permit.
        found[name] = [t - found["pam_permit"][0] for t in found[name]]
    base = found.pop("pam_permit")[0]
    return base, {name: times if name.startswith("pam_mtls") else [t - base for t in times]
                  for name, times in found.items()}


def report(base, above, floor, rounds, missing):
    ours = above["pam_mtls"][0]
    print(f"one login, median of {rounds}: pam_permit {base:.3f} ms; above it:")
    print(f"  {'':22} {'ms':>8} {'quartiles':>17} {'pam_mtls / it':>14}")
    for name, (median, lower, upper) in sorted(above.items(), key=lambda item: item[1]):
        print(f"  {name:22} {median:8.3f} {lower:8.3f}-{upper:<8.3f} {ours / median:14.2f}")
    print(f"  {'handshake in memory':22} {floor:8.3f} {'':17} {ours / floor:14.2f}")
    for name in missing:
        print(f"  not here: {name}")
    if "pam_ssh_agent_auth" in above:
        ratio = ours / above["pam_ssh_agent_auth"][0]
        print(f"aim: pam_mtls at most {AIM} x pam_ssh_agent_auth: {ratio:.2f}, "
              f"{'met' if ratio <= AIM else 'missed'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    target = os.path.abspath(arguments.json) if arguments.json else None
    private.enter()
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
