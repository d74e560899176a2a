# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The set-up in which every test starts, made in a private root, and the ways to change one thing of it.

    alice    an account of nss_mtls (mtlsctl account add), with a certificate bound to her
    bob      an account of /etc/passwd, with a binding
    carol    as bob; the one whom bob is not
    mallory  an account of /etc/passwd without a binding

mtls-accountd keeps the accounts; mtls-authd listens on its unix socket; login, su, sudo and two services of the tests use pam_mtls.
"""
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys

from lib import private
from lib.accountd import Accountd
from lib.authd import Daemon
from lib.private import PROGRAMS, SANITIZER, environment
from lib.records import Audit, Syslog, Tail

sys.path.insert(0, os.path.join(environment("top_srcdir"), "tests/certs"))
import pki  # noqa: E402 pylint: disable=wrong-import-position

PASSPHRASE = pki.PASSPHRASE
SERVICES = ("login", "su", "sudo", "mtls-test", "mtls-locker")
PEOPLE = ("alice", "bob", "carol", "mallory")
ENTERED = """#!/bin/sh
# What a person does who has entered.
echo "ENTERED uid=$(id -u) name=$(id -un) subject=${MTLS_CERT_SUBJECT-}"
"""
TROUBLE = re.compile(r"Sanitizer|runtime error:|sandbox forbids|died: (?!Killed)|dumped core|Assertion")
SUDOERS = """Defaults !lecture, passwd_tries=1, timestamp_timeout=0
Defaults env_keep += "MTLS_CERT_SUBJECT"
root ALL=(ALL:ALL) ALL
alice, bob, carol, mallory ALL=(ALL:ALL) ALL
"""


def run(*argv, text=None, check=True):
    done = subprocess.run(argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, encoding="utf-8", errors="replace")
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: status {done.returncode}: {done.stdout}")
    return done


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pki.write(path, text, mode)
    os.chmod(path, mode)


def quoted(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(quoted(v) for v in value) + " }"
    return str(value) if isinstance(value, int) else f'"{value}"'


def settings_text(settings):
    """{key: value} in the grammar of the configuration files; {} as a value is a section."""
    lines = []
    for key, value in settings.items():
        if isinstance(value, dict):
            lines.append(f"{key} {{\n{settings_text(value)}}}\n")
        elif value is not None:
            lines.append(f"{key} = {quoted(value)}\n")
    return "".join(lines)


class World:
    def __init__(self):
        if not private.inside():
            raise RuntimeError("not in a private root")
        self.conf = environment("MTLS_CONFDIR")
        self.state = environment("MTLS_STATEDIR")
        self.rundir = environment("MTLS_RUNDIR")
        self.module = os.path.join(environment("MTLS_PAMDIR"), "pam_mtls.so")
        self.socket = self.rundir + "/authd.sock"
        self.audit = Audit("/run/mtls-test/audit.json")
        self.syslog = Syslog("/run/mtls-test/syslog")
        self.signer = environment("MTLS_LIBEXECDIR") + "/mtls-signer"
        self.undone = []  # what passing() calls
        self.originals = {}  # programs that a row replaced: path -> copy
        self.files = {}  # path: the text that the passing set-up has
        self.dirty = set()
        self.impostor = None
        self.daemon = Daemon([environment("MTLS_SBINDIR") + "/mtls-authd"], self.socket,
                             "/run/mtls-test/authd.log")
        self.accountd = Accountd(environment("MTLS_SBINDIR") + "/mtls-accountd",
                                 "/run/mtls-test/accountd.log")
        self._programs()
        self._machine()
        self.pki = pki.Pki("/etc/mtls-test-pki")
        self._trust()
        self._settings()
        self.accountd.start()
        self._people()
        self._pam()
        self.daemon.start()

    # The set-up.

    def _programs(self):
        os.makedirs(PROGRAMS, exist_ok=True)
        self._program("tests/pam/pam_host")
        write(PROGRAMS + "/entered", ENTERED, 0o755)

    @staticmethod
    def _program(name):
        """A test program to where everybody may run it."""
        source = os.path.join(environment("top_builddir"), name)
        if os.path.exists(source):
            shutil.copy(source, PROGRAMS)

    def _machine(self):
        for folder in (self.conf, self.state):
            shutil.rmtree(folder, ignore_errors=True)
        for folder, mode in ((self.conf, 0o755), (self.conf + "/private", 0o750),
                             (self.rundir, 0o755), (self.state, 0o755)):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, mode)
        users = glob.glob("/usr/lib/sysusers.d/mtls.conf")
        if not users:
            raise RuntimeError("no sysusers.d file was installed")
        for line in "".join(pki.read(path) for path in users).splitlines():
            if line.startswith("u "):
                system_user(line.split()[1])
        write("/etc/login.defs", "UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\n"
              "LOGIN_RETRIES 1\nLOGIN_TIMEOUT 60\nENCRYPT_METHOD SHA512\n")
        write("/etc/profile", "PS1='ready> '\nexport PS1\n")
        write("/etc/securetty", "")
        write("/etc/sudoers", SUDOERS, 0o440)
        shutil.rmtree("/etc/sudoers.d", ignore_errors=True)
        self.install("/etc/nsswitch.conf", "passwd: files mtls\ngroup: files mtls\n"
                     "shadow: files\nhosts: files\n")
        hang = os.path.join(environment("top_builddir"), "tests/e2e/.libs/libnss_hang.so")
        shutil.copy(hang, environment("MTLS_NSSDIR") + "/libnss_hang.so.2")
        run("ldconfig")
        write("/run/mtls-test/hang", "")
        os.chown("/run/mtls-test/hang", pwd.getpwnam("mtls-authd").pw_uid, -1)

    def _trust(self):
        for source, target in ((self.pki.user_ca.pem, "user-ca/ca.pem"),
                               (self.pki.host_ca.pem, "host-ca/ca.pem"),
                               (self.pki.server_ca.pem, "server-ca/ca.pem"),
                               (self.pki.crl, "crl/user.pem"),
                               (self.pki.server["good"], "server.pem")):
            self.install(os.path.join(self.conf, target), pki.read(source))
        key = self.conf + "/private/server.key"
        self.install(key, pki.read(self.pki.server_key), 0o640)
        group = pwd.getpwnam("mtls-authd").pw_gid
        os.chown(self.conf + "/private", 0, group)
        os.chown(key, 0, group)

    def authd_settings(self):
        return {
            "audit_file": self.audit.path,
            "penalty": "0s",  # tests fail in a row on purpose
            "ca people": {"role": "user", "files": [self.conf + "/user-ca/ca.pem"],
                          "crl": [self.conf + "/crl/user.pem"]},
            "ca machines": {"role": "host", "files": [self.conf + "/host-ca/ca.pem"]},
        }

    def pam_settings(self):
        return {"server_name": pki.SERVER_NAME, "local_ttys": ["pts/*"]}

    def _settings(self):
        self.install(self.conf + "/authd.conf", settings_text(self.authd_settings()))
        self.install(self.conf + "/pam_mtls.conf", settings_text(self.pam_settings()))

    def _people(self):
        for name in PEOPLE[1:]:
            run("userdel", "-r", name, check=False)
            run("useradd", "-m", "-s", "/bin/sh", name)
            run("usermod", "-p", "!", name)
        run("mtlsctl", "account", "add", "alice")
        home = pwd_entry("alice").pw_dir
        os.makedirs(home, exist_ok=True)
        os.chown(home, pwd_entry("alice").pw_uid, pwd_entry("alice").pw_gid)
        for name, certificate in (("alice", "alice"), ("bob", "good"), ("carol", "carol")):
            self.bind(name, certificate)
        run("mtlsctl", "bind", "add", "alice", "subject:CN=alice,O=Example")
        for kind in ("P-384", "P-521", "Ed25519", "RSA-2048", "huge-rsa"):
            self.bind("bob", kind)
        for name in PEOPLE[:3]:
            self.give(name, {"bob": "good"}.get(name, name))

    def _pam(self):
        later = (f"account required pam_permit.so\naccount required {self.module}\n"
                 f"session required pam_permit.so\nsession required {self.module}\n"
                 "password required pam_deny.so\n")
        sufficient = f"auth sufficient {self.module}\nauth required pam_deny.so\n"
        for service in SERVICES:
            # The PAM host shall see the module's own code.
            auth = f"auth required {self.module}\n" if service.startswith("mtls-") else sufficient
            self.install("/etc/pam.d/" + service, auth + later)

    # Changing one thing, and back.

    def install(self, path, text, mode=0o644):
        """A file of the passing set-up."""
        write(path, text, mode)
        self.files[path] = (text, mode)

    def change(self, path, text):
        """Another content, until passing()."""
        write(path, text, self.files[path][1])
        self.dirty.add(path)

    def change_settings(self, name, settings):
        """authd.conf or pam_mtls.conf, until passing()."""
        self.change(f"{self.conf}/{name}", settings_text(settings))

    def bind(self, account, certificate):
        run("mtlsctl", "bind", "add", account, "--cert", self.pki.leaf[certificate])

    def unbind(self, account, certificate):
        run("mtlsctl", "bind", "remove", account, "--cert", self.pki.leaf[certificate])

    def give(self, person, name):
        """The only credential that this person has; None: none."""
        entry = pwd_entry(person)
        folder = os.path.join(entry.pw_dir, ".config/mtls")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        if name is not None:
            source = self.pki.file[name]
            target = os.path.join(folder, "login" + os.path.splitext(source)[1])
            shutil.copy(source, target)
            os.chmod(target, 0o600)
        for base, _, files in os.walk(os.path.join(entry.pw_dir, ".config")):
            for path in [base] + [os.path.join(base, f) for f in files]:
                os.chown(path, entry.pw_uid, entry.pw_gid)
        os.chmod(folder, 0o700)

    def undo(self, function):
        """passing() will call it."""
        self.undone.append(function)

    def cut_snapshot(self):
        path = self.state + "/snapshot/accounts.cdb"
        os.rename(path, path + ".whole")
        with open(path + ".whole", "rb") as whole, open(path, "wb") as cut:
            cut.write(whole.read()[:1024])
        # As the publisher does it: replaced by rename, then counted.
        self.count_generation()
        self.undo(lambda: (os.rename(path + ".whole", path), self.count_generation()))

    def count_generation(self):
        """Tells the readers that the file is another one."""
        with open(self.state + "/snapshot/accounts.gen", "r+b") as file:
            page = file.read(8)
            file.seek(0)
            file.write((int.from_bytes(page, "little") + 1).to_bytes(8, "little"))

    def credential(self, person):
        """The path of the person's only credential."""
        return glob.glob(os.path.join(pwd_entry(person).pw_dir, ".config/mtls/*"))[0]

    def replace_program(self, path, script):
        """Another program under the same path and mode, until passing()."""
        self._move_away(path)
        write(path, script, 0o755)

    def _move_away(self, path):
        if path in self.originals:
            return
        self.originals[path] = path + ".original" if os.path.exists(path) else None
        if self.originals[path]:
            os.rename(path, self.originals[path])

    def evil_signer(self, mode, certificate="good", key=None, card=(), program=None):
        """
        A signer that lies, or plays a card ([(word, value)], see evil_signer.c), in the place of
        mtls-signer or another.
        """
        program = program or self.signer
        self._move_away(program)
        shutil.copy(os.path.join(environment("top_builddir"), "tests/e2e/evil_signer"), program)
        os.chmod(program, 0o755)
        shutil.copy(key or self.pki.key, "/run/mtls-test/evil.key")
        shutil.copy(self.pki.leaf[certificate], "/run/mtls-test/evil.crt")
        os.chmod("/run/mtls-test/evil.key", 0o644)
        os.chmod("/run/mtls-test/evil.crt", 0o644)
        write("/run/mtls-test/evil-signer",
              f"{mode} /run/mtls-test/evil.crt /run/mtls-test/evil.key\n" +
              "".join(f"{word} {value}\n" for word, value in card))

    def ghost(self, certificate):
        """A binding to an account that has vanished since."""
        run("useradd", "-M", "ghost")
        self.bind("ghost", certificate)
        run("userdel", "ghost")
        self.give("bob", certificate)

    def restart(self):
        self.stop()
        self.daemon.start()

    def stop(self):
        status = self.daemon.stop()
        if status != 0:
            raise RuntimeError(f"mtls-authd ended with {status}: {self.daemon.log.lines()}")

    def close(self):
        """The end: both daemons do as they are told."""
        self.stop()
        if self.accountd.ended():
            raise RuntimeError("mtls-accountd has ended before")
        status = self.accountd.stop()
        if status != 0:
            raise RuntimeError(f"mtls-accountd ended with {status}")

    def evil(self, mode, account="bob", uid=None):
        """A daemon that lies, with the true server key, in the place of mtls-authd."""
        if self.impostor:
            self.impostor.kill()
        else:
            self.stop()
        self._program("tests/e2e/evil_authd")
        uid = str(pwd_entry(account).pw_uid if uid is None else uid)
        argv = [PROGRAMS + "/evil_authd", "--socket", self.socket, "--cert",
                self.conf + "/server.pem", "--key", self.conf + "/private/server.key",
                "--account", account, "--uid", uid, mode]
        self.impostor = Daemon(argv, self.socket, "/run/mtls-test/evil.log")
        self.impostor.start()

    def passing(self):
        """Back to the passing set-up."""
        if self.impostor:
            self.impostor.kill()
            self.impostor = None
            os.unlink(self.socket)
        while self.undone:
            self.undone.pop()()
        for path, copy in self.originals.items():
            if copy:
                os.rename(copy, path)
            else:
                os.unlink(path)
        self.originals.clear()
        restart = any(path != self.conf + "/pam_mtls.conf" for path in self.dirty)
        for path in self.dirty:
            write(path, *self.files[path])
        self.dirty.clear()
        if not self.daemon.ended():
            self.daemon.signal_all(signal.SIGCONT)
        if self.daemon.ended():
            self.daemon.start()
        elif restart:
            self.restart()
        self.give("bob", "good")

    def problems(self):
        """Crashes that nobody announced: reports of sanitizers, processes that ended by a signal."""
        found = []
        for path in glob.glob(SANITIZER + "/*"):
            found += Tail(path).lines()
        for path in glob.glob("/run/mtls-test/*.log"):
            found += [line for line in Tail(path).lines() if TROUBLE.search(line)]
        found += [line for line in self.syslog_all() if TROUBLE.search(line)]
        return "\n".join(found)

    def syslog_all(self):
        return Tail(self.syslog.path).lines()

    def mark(self):
        self.audit.mark()
        self.syslog.mark()


def pwd_entry(name):
    """From the sources that /etc/nsswitch.conf of the private root names, by a process of its own:
    this one may have read another nsswitch.conf."""
    done = run("getent", "passwd", name)
    return pwd.struct_passwd(field if i not in (2, 3) else int(field) for i, field in
                             enumerate(done.stdout.rstrip("\n").split(":")))


def system_user(name):
    if run("getent", "passwd", name, check=False).returncode:
        run("useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell",
            "/usr/sbin/nologin", "--user-group", name)
