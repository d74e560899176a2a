# SPDX-License-Identifier: LGPL-2.1-or-later
"""
No copy of a PIN or passphrase stays in memory: images of the host program and of the signer, taken when
the key is open, when it has signed, and of the host when the person has entered. Each image is searched
for pieces of the secret, as bytes and as wide characters; another secret that was planted in the same
process has to be found. Afterwards all logs are searched.
"""
import os
import pwd
import subprocess
import sys

from lib import cards, memory, private, tap, terminal
from lib.gate import Gate
from lib.hosts import SECRET
from lib.p11server import TokenServer, client_module
from lib.private import PROGRAMS
from lib.tpm import Tpm
from lib.world import World, pki

GATE = "/run/mtls-test/gate.sock"
ENTERED = "ENTERED "
STAY = "echo ENTERED $((40 + 2)); read answer"  # what is typed is not what is shown
LOGS = ("/run/mtls-test", "/var/log", "/run/log")


class Running:
    """A host program with a person in front of it: pid, say(), wait_entered(), end()."""


class OnTerminal(Running):
    """@name is typed if it is asked for: a card says itself whose it is."""

    def __init__(self, argv, user, name=None, later=()):
        self.terminal = terminal.Terminal(argv, user)
        self.pid = self.terminal.pid
        self.name, self.later = name, later

    def _expect(self, *patterns):
        found = self.terminal.expect(patterns)
        if found is None:
            raise RuntimeError(f"no {patterns} in {self.terminal.text!r}")
        return found

    def say(self, secret):
        if self.name and self._expect(SECRET, r"login: $") == 1:
            self.terminal.send(self.name)
            self._expect(SECRET)
        elif not self.name:
            self._expect(SECRET)
        self.terminal.wait_hidden()
        self.terminal.send(secret)

    def wait_entered(self):
        for pattern, reply in self.later:
            self._expect(pattern)
            self.terminal.send(reply)
        return self.terminal.expect([ENTERED + "42"]) is not None

    def end(self):
        self.terminal.send("")
        self.terminal.send("exit")
        self.terminal.finish()
        return self.terminal.text


class OnPipe(Running):
    """The PAM host, which reads an answer when it is asked and keeps none itself."""

    def __init__(self, person):
        reader, self.answers = os.pipe()
        argv = [PROGRAMS + "/pam_host", "--service", "mtls-test", "--tty", "pts/0", "--user", person,
                "--setuid-of", str(pwd.getpwnam(person).pw_uid), "--ask-fd", str(reader)]
        self.process = subprocess.Popen(argv, env=terminal.clean_environment(person), cwd="/",
                                        pass_fds=[reader], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        os.close(reader)
        self.pid = self.process.pid

    def say(self, secret):
        os.write(self.answers, secret.encode() + b"\n")

    def wait_entered(self):
        return True

    def end(self):
        os.close(self.answers)
        return self.process.communicate(timeout=terminal.DEADLINE)[0].decode()


HOSTS = {
    "pam_host": lambda: OnPipe("bob"),
    "sudo": lambda: OnTerminal(["sudo", "-k", "sh", "-c", STAY], "bob"),
    "login": lambda: OnTerminal(["login"], "root", "bob", [(r"ready> ", STAY)]),
}


def signers(pid):
    """The signers that this process has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
        children = file.read().split()
    found = {}
    for child in children:
        with open(f"/proc/{child}/comm", encoding="utf-8") as file:
            name = file.read().strip()
        if name.startswith("mtls-signer"):
            found[f"{name} ({len(found) + 1})"] = int(child)
    return found


def judge(out, name, look):
    out.result(not look.planted, f"{name}: a planted secret is found", look.planted)
    out.result(not look.left, f"{name}: the secret is not there", look.left)


def key_open(out, name, running, secret):
    """The looks at the host and its signers; traps for the one that will sign."""
    judge(out, f"{name}, key open", memory.Look(running.pid, secret))
    found = signers(running.pid)
    out.result(bool(found), f"{name}, key open: there is a signer")
    for signer, pid in found.items():
        judge(out, f"{name}, key open, {signer}", memory.Look(pid, secret))
    return {f"{name}, signed, {signer}": memory.Look(pid, secret, after_send=True)
            for signer, pid in found.items()}


def one_host(out, world, what, host, secret):
    name = f"{host} with {what}"
    gate = Gate(GATE, world.socket)
    running = HOSTS[host]()
    try:
        running.say(secret)
        gate.wait_unlocked()
        traps = key_open(out, name, running, secret)
        gate.wait_signed()
        for signed, trap in traps.items():
            trap.take()
            judge(out, signed, trap)
        judge(out, f"{name}, signed", memory.Look(running.pid, secret))
        gate.finish()
        entered = running.wait_entered()
        if entered and host != "pam_host":
            judge(out, f"{name}, entered", memory.Look(running.pid, secret))
        text = running.end()
    finally:
        gate.close()
    entered &= host != "pam_host" or "auth: PAM_SUCCESS" in text
    out.result(entered and secret not in text, f"{name}: enters", text)


def has_file(world, ending):
    """Bob's key is in a file with a new passphrase, which is returned."""
    secret = memory.new_secret()
    path = world.pki.at("memory." + ending)
    if ending == "p12":
        pki.person_p12(path, world.pki.leaf["good"], world.pki.key, secret)
    else:
        protected = pki.protect(world.pki.key, world.pki.at("memory.enc"), secret)
        pki.person_pem(path, [world.pki.leaf["good"]], protected)
    world.pki.file["memory"] = path
    settings(world)
    world.give("bob", "memory")
    return secret


def has_card(world):
    """Bob's key is on a card with a new PIN."""
    secret = memory.new_secret()
    cards.card(world, "good", pin=secret)
    settings(world, sources=["pkcs11"], pkcs11_modules=[world.readers.path])
    return secret


def has_tpm(world):
    """The same in a TPM."""
    secret = memory.new_secret()
    world.give("bob", None)
    tpm = Tpm()
    world.undo(tpm.stop)
    tpm.insert("chip", secret).new_key(world.pki.user_ca, world.pki.at("chip.crt"), "/O=Example/CN=bob")
    world.pki.leaf["chip"] = world.pki.at("chip.crt")
    world.bind("bob", "chip")
    settings(world, sources=["pkcs11"], pkcs11_modules=[tpm.path])
    return secret


def has_forwarded(world):
    """The card is elsewhere; p11-kit brings it here."""
    secret = memory.new_secret()
    cards.card(world, "good", pin=secret)
    server = TokenServer("bob", world.readers.path, cards.CARD).start()
    world.undo(server.stop)
    settings(world, sources=["p11-kit"], p11_kit_client=client_module())
    return secret


KINDS = {
    "a PEM file": lambda world: has_file(world, "pem"),
    "a PKCS#12 file": lambda world: has_file(world, "p12"),
    "a card": has_card,
    "a TPM": has_tpm,
    "a forwarded token": has_forwarded,
}


def settings(world, **changes):
    """The gate is the server, and everybody has patience."""
    world.change_settings("pam_mtls.conf", {
        **world.pam_settings(), "servers": ["unix:" + GATE], "exchange_timeout": "60s",
        "signer_timeout": "60s", **changes})


def search_logs(out, secrets):
    """Everything that was written meanwhile; that bob stands there shows that the search works."""
    left, named = [], 0
    for top in LOGS:
        for base, _, files in os.walk(top):
            for path in (os.path.join(base, name) for name in files):
                if not os.path.isfile(path) or path.startswith("/run/mtls-test/softhsm"):
                    continue
                with open(path, "rb") as file:
                    data = file.read()
                named += b"CN=bob" in data or b"user='bob'" in data
                left += [f"{path}: {found}" for s in secrets for found in memory.found_in(data, s)]
    out.result(named >= 2, "logs: bob is in the audit record and in the log", str(named))
    out.result(not left, "logs: no secret is there", "\n".join(left))


def test(out):
    world = World()
    secrets = []
    for what, has in KINDS.items():
        world.passing()
        world.change_settings("authd.conf", {**world.authd_settings(), "handshake_timeout": "60s",
                                             "request_timeout": "60s"})
        world.restart()
        secrets.append(has(world))
        for host in HOSTS:
            if (host, what) == ("login", "a forwarded token"):
                continue  # nothing is forwarded to a console
            one_host(out, world, what, host, secrets[-1])
    search_logs(out, secrets)
    world.passing()
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    if private.environment("MTLS_SANITIZERS") != "no":
        tap.skip_all("the sanitizer keeps what was freed")
    private.enter()
    sys.exit(tap.run(test))
