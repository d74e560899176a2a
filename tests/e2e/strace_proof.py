# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The host program (real sudo, su, login) opens no path of the person's, connects to no socket of theirs, loads
no PKCS#11 module and decodes no certificate of theirs, whatever the source of the key: seen by strace, by a
search that finds each of these first where it was planted. The signers do all of it, and nobody with the
same uid can look into them.
"""
import contextlib
import ctypes
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys

from lib import cards, private, tap, terminal
from lib.attempt import Attempt, expect_entered
from lib.hosts import PASSPHRASE, SECRET, Login, Su, Sudo
from lib.p11server import TokenServer, client_module
from lib.private import PROGRAMS
from lib.records import wait_for
from lib.strace import Login as Traced
from lib.world import World, run

PLANTED = PROGRAMS + "/libplanted.so"
MODULE = re.compile(r"libsofthsm2|p11-kit-client|/pkcs11/|/p11-kit/modules|opensc")
NEVER = re.compile(r"^(open_by_handle_at|io_uring_setup|pidfd_getfd|ptrace|process_vm_readv)\(|SCM_RIGHTS")
CALL = re.compile(r"^(\w+)\(")
SUN = re.compile(r'sun_path=@?"([^"]*)"')
# login goes to the person's home itself, in the child that is the person's already.
OWN = {"login": re.compile(r'^chdir\("/home/bob"\) += 0$')}
ALLOWED_SOCKETS = re.compile(r"^(/dev/log|/run/nscd/socket|/var/run/nscd/socket|/run/systemd/userdb/.*)$")


class Person:
    """bob, and where his things are."""

    def __init__(self, world):
        self.world = world
        self.entry = pwd.getpwnam("bob")
        self.runtime = f"/run/user/{self.entry.pw_uid}"
        self.places = (self.entry.pw_dir, self.runtime, world.conf + "/certs.d")
        self.agent_path = self.runtime + "/agent.sock"

    def own(self, path):
        for base, folders, files in os.walk(path):
            for name in [base] + [os.path.join(base, f) for f in folders + files]:
                os.chown(name, self.entry.pw_uid, self.entry.pw_gid)

    def settings(self, *sources, **changes):
        self.world.change_settings("pam_mtls.conf", {**self.world.pam_settings(), "sources": sources,
                                                     **changes})

    def certificate_beside(self):
        self.world.give("bob", None)
        target = self.entry.pw_dir + "/.config/mtls/bob.crt"
        shutil.copy(self.world.pki.leaf["good"], target)
        os.chmod(target, 0o644)
        self.own(self.entry.pw_dir + "/.config")


@contextlib.contextmanager
def with_file(person):
    person.settings("file")
    person.world.give("bob", "good")
    yield PASSPHRASE, {}, person.entry.pw_dir + "/.config/mtls"


@contextlib.contextmanager
def with_card(person):
    cards.passing(person.world)
    yield cards.PIN, {}, cards.readers(person.world).path


@contextlib.contextmanager
def with_token(person):
    cards.passing(person.world)
    person.settings("p11-kit", p11_kit_client=client_module())
    server = TokenServer("bob", cards.readers(person.world).path, cards.CARD).start()
    try:
        yield cards.PIN, {}, server.path
    finally:
        server.stop()


@contextlib.contextmanager
def agent_of(person):
    """bob's own ssh-agent, with his key; its process."""
    os.makedirs(person.runtime, exist_ok=True)
    os.chmod(person.runtime, 0o700)
    person.own(person.runtime)
    person.certificate_beside()
    person.settings("agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", person.agent_path], cwd="/",
                             env=terminal.clean_environment("bob"), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             preexec_fn=lambda: terminal.become("bob"))
    try:
        if not wait_for(lambda: os.path.exists(person.agent_path)):
            raise RuntimeError("ssh-agent does not listen")
        run("env", "SSH_AUTH_SOCK=" + person.agent_path, "ssh-add", "-q", person.world.pki.key)
        yield agent
    finally:
        agent.kill()
        agent.wait()
        os.unlink(person.agent_path)


@contextlib.contextmanager
def with_agent(person):
    with agent_of(person):
        yield "", {"SSH_AUTH_SOCK": person.agent_path}, person.agent_path


SOURCES = {
    "a file": (with_file, "mtls-signer", (Sudo, Su, Login)),
    "a card": (with_card, "mtls-signer-token", (Sudo, Su, Login)),
    "p11-kit": (with_token, "mtls-signer-token", (Sudo, Su)),
    "the agent": (with_agent, "mtls-signer-agent", (Sudo,)),
}


def forbidden(person, host, lines):
    """What a host program must not do: ["word: line"]."""
    found, own = [], OWN.get(host.name)
    for line in lines:
        if own and own.match(line):
            own = None  # once
            continue
        call = CALL.match(line)
        if NEVER.search(line):
            found.append(f"never: {line}")
        if not call or call.group(1) in ("sendmsg", "recvmsg"):
            continue
        sockets = SUN.findall(line) if call.group(1) == "connect" else []
        for path in sockets:
            if path != person.world.socket and not ALLOWED_SOCKETS.match(path):
                found.append(f"connect: {line}")
        # The arguments of a program that is started are words, not yet opened.
        if call.group(1) == "execve" or sockets:
            continue
        if MODULE.search(line):
            found.append(f"load: {line}")
        if any(re.search(re.escape(place) + r'[/">]', line) for place in person.places):
            found.append(f"open: {line}")
    return found


def words_of(found):
    return {line.split(":")[0] for line in found}


def trace(out, person, what, source, host):
    """One login; the trace, or None."""
    login = Traced(host)
    secret, environment, _ = source
    attempt = Attempt(person.world, login, "bob", passphrase=secret, environment=environment)
    if not expect_entered(out, what, attempt):
        return None
    return login.trace


def one(out, person, name, host):
    start, program, _ = SOURCES[name]
    what = f"{host.name} with {name}"
    with start(person) as source:
        seen = trace(out, person, what, source, host())
        if not seen:
            return
        found = forbidden(person, host, seen.host)
        opened = sum(line.startswith("openat(") for line in seen.host)
        out.result(not found and opened > 10 and any("/dev/log" in line for line in seen.host),
                   f"{what}: the host program keeps off ({len(seen.host)} calls)",
                   "\n".join(found[:20]))
        signer = seen.signers.get(program, [])
        out.result(list(seen.signers) == [program] and any(source[2] in line for line in signer[1:]),
                   f"{what}: the signer goes to {source[2]}", f"{list(seen.signers)}\n" +
                   "\n".join(signer[:20]))
        shown = [line for line in seen.host if "libsystemd" in line and "shared" not in line]
        # Where the terminal of a setuid program is the caller's choice, logind is asked about cards.
        asked = host.name != "login" and what.endswith("card")
        out.result(bool(shown) == asked, f"{what}: libsystemd is {'' if asked else 'not '}asked",
                   "\n".join(shown))
    person.world.passing()


def planted(out, person):
    """The same search, where there is something to find; and what it says is what was planted."""
    world = person.world
    orders = {
        "open": person.entry.pw_dir + "/.config/mtls/login.pem",
        "connect": person.runtime + "/agent.sock",
        "load": cards.readers(world).path,
    }
    for host in (Sudo, Su, Login):
        path = "/etc/pam.d/" + host.service
        for word, target in orders.items():
            with with_file(person) as source:
                world.change(path, f"auth optional {PLANTED} {word}={target}\n" +
                             world.files[path][0])
                seen = trace(out, person, f"{host.name}, planted {word}", source, host())
                found = forbidden(person, host, seen.host) if seen else []
                out.result(words_of(found) == {word} and all(target in line for line in found),
                           f"{host.name}: the search finds the planted {word}", "\n".join(found))
            world.passing()


def garbage(out, person):
    """
    A certificate that is no DER at all: who decodes it, stumbles. The host program sends it, and the daemon
    refuses it.
    """
    world = person.world
    person.settings("file")
    world.evil_signer("honest")
    expect_entered(out, "the signer of the test", Attempt(world, Sudo(), "bob"))
    world.evil_signer("rubbish")
    attempt = Attempt(world, Sudo(), "bob")
    why = attempt.why_not_refused("certificate-refused")
    out.result(not why, "rubbish for a certificate gets to the daemon, which refuses it", why)
    world.passing()


# The signers' memory.

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SEIZE = 16, 17, 0x4206


def looks(pid):
    """What a process that is bob may see of @pid: names of the ways that work."""
    found = []
    for name in ("maps", "mem", "environ", "auxv", "smaps", "io"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                if name != "mem":
                    file.read(1)
            found.append(name)
        except PermissionError:
            pass
    for name in ("exe", "cwd", "fd/0", "map_files"):
        try:
            os.stat(f"/proc/{pid}/{name}")
            if name == "map_files":
                os.listdir(f"/proc/{pid}/{name}")
            found.append(name)
        except PermissionError:
            pass
    pid = ctypes.c_long(pid)
    for name, request in (("attach", PTRACE_ATTACH), ("seize", PTRACE_SEIZE)):
        if LIBC.ptrace(ctypes.c_long(request), pid, None, None) == 0:
            found.append(name)
            os.waitpid(pid.value, 0) if request == PTRACE_ATTACH else None
            LIBC.ptrace(ctypes.c_long(PTRACE_DETACH), pid, None, None)
    return found


def as_bob(pid):
    """looks(pid) in a process that is bob."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            terminal.become("bob")
            # Who changes its user id is not dumpable itself, which is another matter.
            os.write(writer, ",".join(looks(pid)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        text = file.read()
    os.waitpid(child, 0)
    return text


def signer_of(pid):
    """The signer that this process has started, once it is its own program."""
    found = []

    def look():
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            for child in file.read().split():
                with open(f"/proc/{child}/comm", encoding="utf-8") as file2:
                    if file2.read().startswith("mtls-signer"):
                        found.append(int(child))
        return bool(found)

    if not wait_for(look):
        raise RuntimeError("no signer was started")
    return found[0]


def unreadable(out, person, program, running):
    pid = signer_of(running.pid)
    out.result(os.stat(f"/proc/{pid}/mem").st_uid == 0 and uid_of(pid) == person.entry.pw_uid,
               f"{program}: runs as bob, and is not dumpable")
    seen = as_bob(pid)
    out.result(seen == "", f"{program}: bob cannot look into it", seen)


def uid_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"^Uid:\t(\d+)", file.read(), re.M).group(1))


def closed_memory(out, person):
    control = subprocess.Popen(["sleep", "600"], preexec_fn=lambda: terminal.become("bob"))
    if not wait_for(lambda: uid_of(control.pid) == person.entry.pw_uid
                    and os.readlink(f"/proc/{control.pid}/exe").endswith("sleep")):
        raise RuntimeError("no sleep")
    seen = as_bob(control.pid)
    control.kill()
    control.wait()
    out.result({"maps", "mem", "environ", "attach", "seize"} <= set(seen.split(",")),
               "bob can look into another process of his", seen)
    for name in ("a file", "a card"):
        start, program, _ = SOURCES[name]
        with start(person) as (secret, environment, _):
            running = terminal.Terminal(["sudo", "-k", PROGRAMS + "/entered"], "bob", environment)
            if running.expect([SECRET]) is None:
                raise RuntimeError(running.text)
            unreadable(out, person, program, running)
            running.wait_hidden()
            running.send(secret)
            running.finish()
            out.result("ENTERED" in running.text, f"{program}: enters afterwards", running.text)
        person.world.passing()
    with agent_of(person) as agent:
        os.kill(agent.pid, signal.SIGSTOP)
        running = terminal.Terminal(["sudo", "-k", PROGRAMS + "/entered"], "bob",
                                    {"SSH_AUTH_SOCK": person.agent_path})
        unreadable(out, person, "mtls-signer-agent", running)
        os.kill(agent.pid, signal.SIGCONT)
        running.finish()
        out.result("ENTERED" in running.text, "mtls-signer-agent: enters afterwards", running.text)
    person.world.passing()


def test(out):
    world = World()
    shutil.copy(os.path.join(private.environment("top_builddir"), "tests/e2e/.libs/libplanted.so"),
                PLANTED)
    person = Person(world)
    planted(out, person)
    for name, (_, _, hosts) in SOURCES.items():
        for host in hosts:
            one(out, person, name, host)
    garbage(out, person)
    closed_memory(out, person)
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
