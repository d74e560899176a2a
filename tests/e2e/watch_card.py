# SPDX-License-Identifier: LGPL-2.1-or-later
"""
`mtlsctl watch-card`: cards of SoftHSM2 are taken out and put back; loginctl and pcscd are played. What must not
happen is shown by something later that did.
"""
import os
import shutil
import signal
import socket
import subprocess
import sys

from lib import private, softhsm, tap
from lib.private import PROGRAMS, environment
from lib.records import wait_for
from lib.terminal import become, clean_environment
from lib.world import TROUBLE, run, write

EVIL = PROGRAMS + "/libevil_p11.so"
DONE = "/run/mtls-test/done"  # lines of commands and of loginctl
SESSIONS = "/run/mtls-test/sessions"
READERS = "/run/pcscd/pcscd.comm"
COMMAND = f'echo "gone: $MTLS_TOKEN" >>{DONE}'
LOGINCTL = f"""#!/bin/sh
echo "loginctl $*" >>{DONE}
case $1 in
lock-session | terminate-session) [ "$2" != broken ] ;;
*) sed -n "s/^$*=//p" {SESSIONS} ;;
esac
"""
PATIENCE = 60


def done():
    with open(DONE, encoding="utf-8") as file:
        return file.read().splitlines()


class Watcher:
    """mtlsctl watch-card, run by bob."""

    def __init__(self, t, *words, **variables):
        self.t = t
        self.path = f"/run/mtls-test/watch.{len(t.watchers)}"
        t.watchers.append(self)
        write(DONE, "", 0o666)
        module = [] if "--module" in words else ["--module", t.readers.path]
        with open(self.path, "wb") as output:
            self.process = subprocess.Popen(
                ["mtlsctl", "watch-card", *module, *words], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, cwd="/", env={**clean_environment("bob"), **variables},
                preexec_fn=lambda: become("bob"))

    @property
    def text(self):
        with open(self.path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def said(self, text, times=1):
        """It has said this so many times, at last."""
        return wait_for(lambda: self.text.count(text) >= times or self.process.poll() is not None, PATIENCE) and \
            self.text.count(text) >= times

    def did(self, *lines):
        """Exactly this was done, at last."""
        return wait_for(lambda: len(done()) >= len(lines), PATIENCE) and done() == list(lines)

    def children(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="utf-8") as file:
            return [int(pid) for pid in file.read().split()]

    def end(self):
        """Asked to end: its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def __str__(self):
        return f"{self.text}\ndone: {done()}, status {self.process.poll()}"


class Test:
    def __init__(self, out):
        self.out = out
        self.watchers = []
        self.readers = softhsm.Readers()
        self.card = self.readers.insert("bob's card")

    def result(self, passed, name, watcher):
        self.out.result(passed and not TROUBLE.search(watcher.text), name, str(watcher))


def there(t):
    """The only card; taken out, put back, taken out."""
    w = Watcher(t, "--on-remove", COMMAND)
    t.result(w.said("watching 'bob's card'"), "the card that is there", w)
    t.card.pull()
    t.result(w.did("gone: bob's card"), "taken out", w)
    t.card.push()
    t.result(w.said("'bob's card' is there"), "put back", w)
    t.card.pull()
    t.result(w.did(*["gone: bob's card"] * 2), "taken out again", w)
    children = w.children()
    ended = w.end() == 0
    # Whoever has become their parent reaps them.
    nothing = wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), PATIENCE)
    t.result(ended and children and nothing, "it ends when it is told to, and nothing is left", w)
    # Nothing is there when it starts, and nothing happens before something was.
    w = Watcher(t, "--on-remove", COMMAND, "--once", "--delay", "0")
    wait_for(w.children, PATIENCE)
    t.card.push()
    t.result(w.said("watching 'bob's card'") and not done(), "started without a card: nothing is done", w)
    t.card.pull()
    t.result(w.process.wait(PATIENCE) == 0 and done() == ["gone: bob's card"], "--once", w)
    t.card.push()
    w = Watcher(t, "--on-remove", COMMAND + "; exit 3", "--once")
    w.said("watching")
    t.card.pull()
    t.result(w.process.wait(PATIENCE) == 1 and done() == ["gone: bob's card"] and "ended with 3" in w.text,
             "--once, and the command fails", w)
    t.card.push()


def back_in_time(t):
    """A card that is put back in time was not removed."""
    w = Watcher(t, "--on-remove", COMMAND, "--delay", "60")
    w.said("watching")
    for number in (1, 2):
        t.card.pull()
        w.said("is not there", number)
        t.card.push()
        t.result(w.said("'bob's card' is there", number), "out and in again", w)
    t.result(w.end() == 0 and not done(), "nothing was done", w)


def sessions(t):
    """lock and logout, and which session."""
    def removed(action, said, **variables):
        w = Watcher(t, "--on-remove", action, "--once", **variables)
        w.said("watching")
        t.card.pull()
        status = w.process.wait(PATIENCE)
        t.card.push()
        t.result(status == 0 and done()[-len(said):] == said, f"{action}: {said[-1]}", w)

    uid = run("id", "-u", "bob").stdout.strip()
    user = f"show-user {uid} --value -p "
    write(SESSIONS, f"{user}Display=c2\n")
    removed("lock", ["loginctl lock-session 7"], XDG_SESSION_ID="7")
    removed("logout", ["loginctl terminate-session 7"], XDG_SESSION_ID="7")
    removed("lock", [f"loginctl {user}Display", "loginctl lock-session c2"])
    removed("lock", ["loginctl lock-session c2"], XDG_SESSION_ID="--help")
    write(SESSIONS, f"{user}Display=\n{user}Sessions=1 2 -x\nshow-session 2 --value -p Seat=seat0\n")
    removed("logout", ["loginctl show-session 1 --value -p Seat", "loginctl show-session 2 --value -p Seat",
                       "loginctl terminate-session 2"])
    write(SESSIONS, "")
    w = Watcher(t, "--on-remove", "lock", "--once")
    w.said("watching")
    t.card.pull()
    t.result(w.process.wait(PATIENCE) == 1 and "knows no session" in w.text, "no session: said, and a failure", w)
    t.card.push()
    w = Watcher(t, "--on-remove", "lock", XDG_SESSION_ID="broken")
    w.said("watching")
    t.card.pull()
    t.result(w.said("'loginctl lock-session broken' failed"), "loginctl fails: said", w)
    t.card.push()
    t.result(w.said("is there") and w.end() == 0, "and the watch goes on", w)


def which(t):
    second = t.readers.insert("second")
    w = Watcher(t, "--on-remove", COMMAND)
    t.result(w.process.wait(PATIENCE) == 1 and "name the one" in w.text, "two cards and no name", w)
    for variables, words in (({}, ["--token", "bob's card"]), ({}, ["--token", "pkcs11:token=bob%27s%20card"]),
                             ({"PKCS11_LOGIN_TOKEN_NAME": "bob's card"}, [])):
        w = Watcher(t, "--on-remove", COMMAND, "--delay", "0", "--once", *words, **variables)
        w.said("watching 'bob's card'")
        second.pull()
        t.card.pull()
        t.result(w.process.wait(PATIENCE) == 0 and done() == ["gone: bob's card"],
                 f"by name: {words or variables}", w)
        t.card.push()
        second.push()
    second.discard()
    t.readers.cards.pop("second", None)
    for bad in ("pkcs11:token=x?pin-value=1", "pkcs11:%zz", ""):
        w = Watcher(t, "--on-remove", COMMAND, "--token", bad)
        t.result(w.process.wait(PATIENCE) == 2, f"hostile: {bad!r}", w)
    for words in (["--delay", "61", "--on-remove", "lock"], ["--on-remove", ""], []):
        w = Watcher(t, *words)
        t.result(w.process.wait(PATIENCE) == 2, f"a wrong command line: {words}", w)
    w = Watcher(t, "--on-remove", "lock", "--module", "", "--conf", "/nonexistent")
    t.result(w.process.poll() in (None, 1) and w.end() in (0, 1, -15), "no driver", w)
    told = run("mtlsctl", "watch-card", "--on-remove", "lock", check=False)
    t.out.result(told.returncode == 1 and "not as root" in told.stdout, "not by root", told.stdout)


class Pcscd:
    """The service of the readers: whoever connects stays connected until it ends."""

    def __init__(self):
        os.makedirs(os.path.dirname(READERS), exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        if os.path.exists(READERS):
            os.unlink(READERS)
        self.socket.bind(READERS)
        os.chmod(READERS, 0o666)
        self.socket.listen(5)
        self.client = None

    def accept(self):
        self.socket.settimeout(PATIENCE)
        self.client = self.socket.accept()[0]

    def end(self):
        self.client.close()
        self.socket.close()


def service_restarts(t):
    """pcscd is started anew: cards vanish for a moment, and that is no removal."""
    pcscd = Pcscd()
    w = Watcher(t, "--on-remove", COMMAND, "--delay", "0")
    pcscd.accept()
    w.said("watching")
    eyes = w.children()
    pcscd.end()
    t.card.pull()
    t.result(w.said("is not there") and not done(), "pcscd has ended, and the card with it", w)
    pcscd = Pcscd()
    t.card.push()
    t.result(w.said("'bob's card' is there") and not done(), "both are back: nothing was done", w)
    t.result(wait_for(lambda: w.children() and w.children() != eyes, PATIENCE), "the driver was loaded anew", w)
    t.card.pull()
    t.result(w.did("gone: bob's card"), "taken out afterwards", w)
    w.end()
    t.card.push()


def drivers_fail(t):
    """What cannot be seen is not gone."""
    def orders(*lines):
        write("/run/mtls-test/evil-p11", f"real {t.readers.path}\n" + "".join(line + "\n" for line in lines))

    shutil.copy(os.path.join(environment("top_builddir"), "tests/e2e/.libs/libevil_p11.so"), EVIL)
    orders("noise C_GetTokenInfo")
    w = Watcher(t, "--on-remove", COMMAND, "--delay", "0", "--module", EVIL)
    t.result(w.said("watching") and "NOISE" not in w.text, "a driver that chatters", w)
    for number, order in enumerate(("crash C_GetSlotList", "fail C_GetSlotList 5", "fail C_Initialize 5"), 1):
        orders(order)
        wait_for(w.children, PATIENCE)
        os.kill(w.children()[0], signal.SIGKILL)
        t.result(w.said("nobody can tell", number) and not done(), f"a driver: {order}: said, and nothing done", w)
        orders()
        t.result(w.said("'bob's card' is there", number), "it works again", w)
    t.card.pull()
    t.result(w.did("gone: bob's card"), "taken out", w)
    w.end()
    t.card.push()


def command_hangs(t):
    """The next removal is seen all the same."""
    os.mkfifo("/run/mtls-test/never")
    os.chmod("/run/mtls-test/never", 0o666)
    w = Watcher(t, "--on-remove", COMMAND + "; read x </run/mtls-test/never", "--delay", "0")
    w.said("watching")
    for number in (1, 2):
        t.card.pull()
        t.result(w.did(*["gone: bob's card"] * number), f"removal {number}", w)
        t.card.push()
        w.said("'bob's card' is there", number)
    t.result(w.end() == 0, "it ends", w)


def test(out):
    run("userdel", "-r", "bob", check=False)
    run("useradd", "-m", "-s", "/bin/sh", "bob")
    os.makedirs(PROGRAMS, exist_ok=True)
    write("/usr/local/bin/loginctl", LOGINCTL, 0o755)
    write(SESSIONS, "")
    t = Test(out)
    for part in (there, back_in_time, sessions, which, service_restarts, drivers_fail, command_hangs):
        part(t)


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
