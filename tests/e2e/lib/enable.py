# SPDX-License-Identifier: LGPL-2.1-or-later
"""For the tests of mtlsctl enable: the world, with the service files of the machine as Debian has them, with
passwords, and ways to enter."""
import glob
import json
import os
import traceback

from lib.hosts import SECRET
from lib.private import PROGRAMS, environment
from lib.terminal import converse
from lib.world import PASSPHRASE, TROUBLE, World, run, write

PAM = "/etc/pam.d"
STATE = environment("MTLS_STATEDIR") + "/pam.d"
STOCK = ("login", "su", "su-l", "sudo", "sudo-i")
BOB = "bob"
PASSWORD = "bobs old password"
ROOTS = "roots old password"
ASK_PASSWORD = r"[Pp]assword[^\n]*: ?"
LONG = "3000s"  # longer than any test takes
WATCHER = "mtls-pam-return"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def stack(service):
    return read(f"{PAM}/{service}")


def ctl(*words, answers=(), user="root"):
    """mtlsctl in a terminal and session of its own, which ends with it."""
    return converse(["mtlsctl"] + list(words), list(answers), user=user)


def enable(*words, ask=True, passphrase=PASSPHRASE):
    answers = [(SECRET, passphrase, True)] if ask else []
    return ctl("enable", *words, "--user", BOB, answers=answers)


def states():
    done = run("mtlsctl", "enable", "--list", "--json", check=False)
    return {row["service"]: row for row in json.loads(done.stdout)}


def phase(service):
    """As the state file has it: mtlsctl itself would bring back what is due."""
    try:
        return json.loads(read(f"{STATE}/{service}.json"))["phase"]
    except FileNotFoundError:
        return None


def change_state(service, **fields):
    path = f"{STATE}/{service}.json"
    state = json.loads(read(path))
    state.update(fields)
    write(path + ".new", json.dumps(state), 0o600)
    os.rename(path + ".new", path)


def let_time_pass(*services):
    """For what waits: as if the deadline had come."""
    for service in services:
        change_state(service, deadline_ms=1)


def watchers():
    found = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            if read(path).strip() == WATCHER:
                found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


class Stocked:
    def __init__(self, out):
        self.out = out
        self.stock = {name: stack(name) for name in STOCK}
        self.world = World()
        for name, text in self.stock.items():
            write(f"{PAM}/{name}", text)
        for name, word in ((BOB, PASSWORD), ("root", ROOTS)):
            run("chpasswd", text=f"{name}:{word}\n")

    def check(self, passed, name, details):
        text = f"{getattr(details, 'status', '')} {getattr(details, 'text', details)}"
        self.out.result(bool(passed) and not TROUBLE.search(text), name, text)

    def says(self, name, done, status, *words):
        shown = " ".join(done.text.split())
        self.check(done.status == status and all(word in shown for word in words), name, done)

    def untouched(self, name, service="sudo"):
        self.check(stack(service) == self.stock[service], f"{name}: '{service}' is as before",
                   stack(service))

    def part(self, function):
        """One group of results; what it leaves is taken away, so that the next does not suffer."""
        try:
            function(self)
        except Exception:  # pylint: disable=broad-except
            self.out.result(False, f"{function.__name__} ran to its end", traceback.format_exc())
        self.clean()

    def clean(self):
        for pid in watchers():
            os.kill(pid, 9)
        if os.path.exists(STATE):
            os.chmod(STATE, 0o700)
        for path in glob.glob(STATE + "/*"):
            os.unlink(path)
        for name, text in self.stock.items():
            write(f"{PAM}/{name}", text)
        if os.path.exists(self.world.module + ".away"):
            os.rename(self.world.module + ".away", self.world.module)
        self.world.passing()

    def close(self):
        self.clean()
        self.world.close()
        self.out.result(not self.world.problems(), "nothing crashed", self.world.problems())


# --- how people enter ---

def by_certificate():
    return [(SECRET, PASSPHRASE, True)]


def by_password(secret_first=True, word=PASSWORD):
    first = [(SECRET, "", True)] if secret_first else []
    return first + [(ASK_PASSWORD, word, True)]


def sudo(answers):
    return converse(["sudo", "-k", "--", PROGRAMS + "/entered"], answers, user=BOB)


def login(name, answers, command, more=()):
    return converse(["login", name], answers + [(r"ready> ", command, False)] + list(more))


def console(name, answers, command):
    """`login` at a terminal whose name is tty1."""
    script = ('touch /dev/tty1; mount --bind "$(tty)" /dev/tty1; '
              f'login {name} </dev/tty1 >/dev/tty1 2>&1; umount /dev/tty1')
    return converse(["sh", "-c", script], answers + [(r"ready> ", command, False)])
