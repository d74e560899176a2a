# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A real sshd on loopback with keys and configuration of its own, and `ssh` to it from the machine in front of
the person (lib/elsewhere.py). Which key opens the door is not the subject: a key of ssh's own does.
"""
import contextlib
import os
import re
import signal
import subprocess

from lib import terminal
from lib.elsewhere import HOME
from lib.hosts import Host, Outcome
from lib.private import environment
from lib.records import Tail, wait_for
from lib.world import PASSPHRASE, PROGRAMS, pki, pwd_entry, run, write

PORT = 2222
FOLDER = "/run/mtls-test/sshd"
CONFIG = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/keys.%u
StrictModes yes
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication yes
UsePAM yes
PermitRootLogin prohibit-password
AllowAgentForwarding yes
AllowStreamLocalForwarding yes
StreamLocalBindUnlink yes
PrintMotd no
PrintLastLog no
MaxStartups 100
LogLevel VERBOSE
{more}
"""
SECRET = r"(?i)(passphrase|PIN)\b[^\n]*: ?$"
AFTER = """
status=$?
echo "STATUS=$status"
[ "$(stty -g)" = "$before" ] && echo TERMINAL-AS-BEFORE
read -r line
echo "GOT=$line"
"""


class Sshd:
    """start() returns when it accepts."""

    def __init__(self, elsewhere, more=""):
        self.elsewhere = elsewhere
        os.makedirs(FOLDER, exist_ok=True)
        os.chmod(FOLDER, 0o755)
        os.makedirs("/run/sshd", exist_ok=True)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", FOLDER + "/host_key")
        write(FOLDER + "/sshd_config", CONFIG.format(port=PORT, folder=FOLDER, more=more))
        host = " ".join(pki.read(FOLDER + "/host_key.pub").split()[:2])
        self.known = elsewhere.put(".ssh/known_hosts", f"[127.0.0.1]:{PORT} {host}\n")
        elsewhere.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", HOME + "/.ssh/door")
        self.door = elsewhere.run("cat", HOME + "/.ssh/door.pub")
        self.log = Tail("/run/mtls-test/sshd.txt")
        self.process = None

    def admit(self, *people):
        """henry's own key opens the door to these accounts."""
        for person in people:
            write(f"{FOLDER}/keys.{person}", self.door)

    def start(self):
        run("/usr/sbin/sshd", "-t", "-f", FOLDER + "/sshd_config")
        self.process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-f", FOLDER + "/sshd_config", "-E", self.log.path],
            stdin=subprocess.DEVNULL, start_new_session=True)
        listening = "Server listening on"
        if not wait_for(lambda: self.process.poll() is not None
                        or any(listening in line for line in self.log.lines())):
            raise RuntimeError("sshd does not listen")
        if self.process.poll() is not None:
            raise RuntimeError(f"sshd ended: {self.log.lines()}")
        return self

    def ssh(self, person, *options):
        """The command by which henry goes to @person's account, without what is to be done there."""
        return self.elsewhere.argv(
            "ssh", "-F", "none", "-p", str(PORT), "-o", "UserKnownHostsFile=" + self.known,
            "-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes",
            "-o", "IdentitiesOnly=yes", "-i", HOME + "/.ssh/door", *options,
            f"{person}@127.0.0.1")

    def stop(self):
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def connection(self, person, *options):
        """While an ssh is there that runs no command, but forwards."""
        command = self.ssh(person, "-N", *options)
        with subprocess.Popen(command, env=self.elsewhere.environment(), stdin=subprocess.DEVNULL,
                              cwd="/", start_new_session=True) as ssh:
            try:
                yield ssh
            finally:
                ssh.kill()


class Remote(Host):
    """
    A command that the person gives on the far machine after `ssh OPTIONS`, on a terminal. Afterwards the
    terminal must be as it was, and usable: `terminal_usable` of the outcome.
    """

    def __init__(self, sshd, name, command, *options, environment=None):
        self.sshd, self.name, self.service = sshd, name, name
        self.command, self.options, self.environment = command, options, environment

    def enter(self, person, passphrase=PASSPHRASE, target=None, answers=None, command=None,
              options=None):
        """
        @answers: [(pattern, reply, hidden)] in any order, instead of the secret's; a reply may be a function
        that gives it.
        """
        script = 'before=$(stty -g)\n' + (command or self.command) + AFTER
        shown = terminal.Terminal(
            self.sshd.ssh(person, "-tt", *(self.options if options is None else options)) + [script],
            environment={**self.sshd.elsewhere.environment(), **(self.environment or {})})
        self._converse(shown, [(SECRET, passphrase, True)] if answers is None else list(answers))
        if shown.expect([r"GOT=.*\n"]) is not None:
            os.kill(shown.pid, signal.SIGTERM)  # ssh would wait for what it forwards to end
        shown.finish()
        outcome = Outcome(shown.text, shown.status)
        outcome.terminal_usable = "TERMINAL-AS-BEFORE" in shown.text and "GOT=hello" in shown.text
        outcome.asked = shown.asked
        return outcome

    @staticmethod
    def _converse(shown, left):
        left = left + [(r"STATUS=\d+", "hello", False)]
        shown.asked = 0
        while left:
            index = shown.expect([a[0] for a in left])
            if index is None:
                return
            last = index == len(left) - 1
            _, reply, hidden = left.pop(index)
            if callable(reply):
                reply = reply()
            # ssh puts its own terminal into raw mode: what counts is the far one's.
            shown.send(reply)
            shown.asked += not last
            if last:
                return


def sudo_command(target="root", options="-k"):
    return f"sudo {options} -u {target} -- {PROGRAMS}/entered"


KEY = re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----", re.MULTILINE)
PLACES = ("/home", "/root", "/tmp", "/run/user", "/run/mtls-test", "/etc", "/var/lib/mtls",
          "/var/tmp")


def private_keys(places=PLACES):
    """Files that hold a private key in any form that a test makes, but for this project's own tree."""
    trees = {os.path.realpath(environment(name)) for name in ("top_srcdir", "top_builddir")}
    found = []
    for place in places:
        for base, folders, names in os.walk(place):
            folders[:] = [name for name in folders if os.path.join(base, name) not in trees]
            paths = [os.path.join(base, name) for name in names]
            found += [path for path in paths if os.path.isfile(path) and holds_key(path)]
    return found


def holds_key(path):
    with open(path, "rb") as file:
        return bool(KEY.search(file.read())) or path.endswith((".p12", ".object"))


def readable_by(person, paths):
    """Those that the account can read."""
    entry = pwd_entry(person)
    return [path for path in paths
            if run("setpriv", "--reuid", str(entry.pw_uid), "--regid", str(entry.pw_gid),
                   "--clear-groups", "test", "-r", path, check=False).returncode == 0]
