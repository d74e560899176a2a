# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtls-accountd alone: a mount name space with empty /var/lib and /run and an /etc of its own, the
daemon as a process, and a client of its control sockets that shares no code with the project."""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/e2e"))
# pylint: disable=wrong-import-position
from lib import control, tap, wire  # wire: for the tests
from lib.control import (BUSY, EXISTS, FAILED, NOTFOUND, OK, REFUSED, UNPUBLISHED, USAGE, Answer,
                         end, item, request)

MARK = "/run/mtls-test-private"  # of tests/nss/private.sh
WORK = "/run/work"
STATE = os.environ["MTLS_STATEDIR"]
RUN = os.environ["MTLS_RUNDIR"]
STORE = STATE + "/accountd/store.db"
SNAPSHOT = STATE + "/snapshot/accounts.cdb"
CONTROL = RUN + "/accountd-control.sock"
AUTHD = RUN + "/accountd-authd.sock"
CONF = "/etc/mtls/accountd.conf"
ACCOUNTD_UID, AUTHD_UID = 442, 443
FIRST = 2000200001
SANITIZED = os.environ.get("MTLS_SANITIZERS", "no") not in ("", "no")
if SANITIZED:
    # The crash test's faults are preloaded before the sanitizer's runtime.
    os.environ["ASAN_OPTIONS"] = ":".join(
        option for option in (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")
        if option)
PATIENCE = 60 if SANITIZED else 20  # seconds that an event may take


def build(name):
    return os.path.join(os.environ["top_builddir"], name)


def enter(preload=()):
    """Returns inside the name space; outside it starts one. @preload: libraries for all programs."""
    if os.path.exists(MARK):
        make_etc()
        return
    if os.geteuid() != 0:
        tap.skip_all("needs root for a private mount name space")
    script = os.path.realpath(sys.argv[0])
    sys.stdout.flush()
    os.execvp("sh", ["sh", os.path.join(os.environ["top_srcdir"], "tests/nss/private.sh"),
                     sys.executable, "-B", script] + sys.argv[1:])


def make_etc():
    """This test's own local accounts; no configuration: the defaults."""
    etc = WORK + "/etc"
    os.makedirs(etc)
    for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache", "login.defs"):
        if os.path.exists("/etc/" + name):
            shutil.copy("/etc/" + name, etc)
    write(etc + "/shadow", "root:*:1:0:99999:7:::\n", 0o640)
    for name, number in (("mtls-accountd", ACCOUNTD_UID), ("mtls-authd", AUTHD_UID)):
        write(etc + "/passwd", f"{name}:x:{number}:{number}::/:/usr/sbin/nologin\n", None, "a")
        write(etc + "/group", f"{name}:x:{number}:\n", None, "a")
    os.makedirs(etc + "/mtls")
    subprocess.run(["mount", "--bind", etc, "/etc"], check=True)


def write(path, content, mode=0o644, how="w"):
    with open(path, how, encoding="utf-8") as file:
        file.write(content)
    if mode is not None:
        os.chmod(path, mode)


def wait_for(condition, seconds=None):
    """The first true value of condition(), asked again and again; or the last false one."""
    end = time.monotonic() + (seconds or PATIENCE)
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.01)


# ------------------------------------------------------------------------------- control messages

class Client(control.Client):
    """A connection to a control socket."""

    def __init__(self, path=CONTROL, timeout=None):
        super().__init__(path, timeout or PATIENCE)


def ask(verb, path=CONTROL, timeout=None, **fields):
    client = Client(path, timeout)
    try:
        return client.ask(verb, **fields)
    finally:
        client.close()


def add(name, **fields):
    return ask("user-add", name=name, home="/home/" + name, shell="/bin/sh", **fields)


def getent(database, key, service="mtls"):
    """What this machine's programs see, or ''."""
    done = subprocess.run([build("tests/nss/ask"), service, database, str(key)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    return done.stdout.strip() if done.returncode == 0 else ""


# ------------------------------------------------------------------------------------- the daemon

def status_of(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def words_of(pid):
    """The command line; empty for a process that has ended since it was listed."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


class Daemon:
    def __init__(self, log=WORK + "/accountd.log", options=(), before=(), environment=None):
        self.command = [*before, build("mtls-accountd"), *options]
        self.log = log
        self.environment = environment
        self.process = None
        write(log, "", None, "a")

    def start(self, *options, ready=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [*self.command, *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, **(self.environment or {})})
        if ready:
            self.wait_ready()

    def wait_ready(self):
        """Until a stream was judged: then everything has had its chance to happen."""
        def judged():
            if self.process.poll() is not None:
                raise RuntimeError(f"ended with {self.process.returncode}: {self.text()[-2000:]}")
            told = status()
            return told and (told["published"] == told["generation"] or "error" in told)
        if not wait_for(judged):
            raise RuntimeError("not ready: " + self.text()[-2000:])

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def logged(self, text, seconds=None):
        return wait_for(lambda: text in self.text(), seconds)

    def child(self, kind):
        """The pid of the child "store" or "publisher", or None."""
        option = f"--{kind}-process".encode()
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="utf-8") as file:
            for pid in file.read().split():
                words = words_of(pid)
                if len(words) > 1 and words[1] == option:
                    return int(pid)
        return None

    def stop(self, sign=signal.SIGTERM):
        """The exit code."""
        self.process.send_signal(sign)
        return self.ended()

    def ended(self):
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "did not end"

    def complaints(self):
        """Lines of the log that no test may cause: of a sanitizer, of the sandbox."""
        words = ("Sanitizer", "runtime error:", "sandbox forbids", "internal error")
        return [line for line in self.text().splitlines() if any(word in line for word in words)]

    def run(self, *options):
        """To its end; (code, output)."""
        done = subprocess.run([*self.command, *options], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
                              timeout=PATIENCE, encoding="utf-8",
                              env={**os.environ, **(self.environment or {})})
        return done.returncode, done.stdout


def status():
    """The item `status`, or None while nobody answers."""
    try:
        items = ask("status", timeout=PATIENCE).kind("status")
        return items[0] if items else None
    except OSError:
        return None
