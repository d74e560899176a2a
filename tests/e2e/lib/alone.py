# SPDX-License-Identifier: LGPL-2.1-or-later
"""
mtls-authd alone in a private root: no PAM, only the daemon, two accounts, and certificates. The daemon
of the accounts runs while they are made and not later: lookups do not need it.
"""
import os
import pwd
import subprocess

import pki
from lib.accountd import Accountd
from lib.authd import Daemon
from lib.private import environment
from lib.records import Audit

CONF = "/etc/mtls/authd.conf"
BASE = "/etc/mtls-test-pki"
TCP = ("127.0.0.1", 7443)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          stdin=subprocess.DEVNULL, encoding="utf-8", errors="replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stdout}")
    return done.stdout


class Alone:
    def __init__(self):
        for name in ("mtls-authd", "mtls-accountd", "mtls-signer", "mtls-ssh-keys"):
            subprocess.run(["useradd", "-r", "-s", "/usr/sbin/nologin", name], check=False,
                           stderr=subprocess.DEVNULL)
        run("useradd", "-m", "bob")
        run("useradd", "-m", "carol")
        self.socket = environment("MTLS_RUNDIR") + "/authd.sock"
        self.control = environment("MTLS_RUNDIR") + "/authd-control.sock"
        self.program = environment("MTLS_SBINDIR") + "/mtls-authd"
        self.audit = Audit("/run/mtls-test/audit.json")
        self.daemon = Daemon([self.program], self.socket, "/run/mtls-test/authd.log")
        self._certificates()
        pki.write("/etc/nsswitch.conf", "passwd: files mtls\ngroup: files mtls\nhosts: files\n")
        os.chmod("/etc/nsswitch.conf", 0o644)
        self._accounts()
        self.settings = {
            "listen": '{ "unix:%s", "tcp:127.0.0.1:7443" }' % self.socket,
            "certificate": self.at("server.pem"),
            "private_key": self.at("server.key"),
            "audit_file": self.audit.path,
            "handshake_timeout": "800ms",
            "tcp_sign_timeout": "1200ms",
            "request_timeout": "800ms",
            "choice_timeout": "800ms",
            "lookup_timeout": "500ms",
            "max_per_uid": "8",
            "workers": "1",
            "penalty": "0s",  # tests fail in a row on purpose
        }
        self.cas = {
            "people": {"role": "user", "files": self.at("user-ca.pem")},
            "machines": {"role": "host", "files": self.at("host-ca.pem")},
        }
        self.write_settings()

    def _accounts(self):
        accountd = Accountd(environment("MTLS_SBINDIR") + "/mtls-accountd",
                            "/run/mtls-test/accountd.log")
        accountd.start()
        run("mtlsctl", "account", "add", "alice")
        self.bind("bob", "bob")
        self.bind("alice", "both")
        self.bind("bob", "both")
        status = accountd.stop()
        if status != 0:
            raise RuntimeError(f"mtls-accountd ended with {status}")

    def at(self, name):
        return os.path.join(BASE, name)

    def _certificates(self):
        os.makedirs(BASE)
        self.user_ca = pki.Authority(BASE, "user-ca", "/O=Example/CN=User CA")
        self.host_ca = pki.Authority(BASE, "host-ca", "/O=Example/CN=Host CA")
        self.server_ca = pki.Authority(BASE, "server-ca", "/O=Example/CN=Server CA")
        self.other_ca = pki.Authority(BASE, "other-ca", "/O=Other/CN=Other CA")
        for name, authority in (("bob", self.user_ca), ("both", self.user_ca),
                                ("stranger", self.user_ca), ("foreign", self.other_ca),
                                ("machine", self.host_ca)):
            key = pki.new_key(self.at(name + ".key"))
            authority.sign(self.at(name + ".crt"), key, f"/O=Example/CN={name}")
        key = pki.new_key(self.at("server.key"))
        self.server_ca.sign(self.at("server.pem"), key, "/CN=auth.test", pki.SERVER)
        run("chown", "root:mtls-authd", key)
        os.chmod(key, 0o640)

    def bind(self, account, certificate):
        run("mtlsctl", "bind", "add", account, "--cert", self.at(certificate + ".crt"))

    def write_settings(self, cas=None, **changes):
        """authd.conf of the passing set-up with @changes; None leaves a key out."""
        text = ""
        for key, value in {**self.settings, **changes}.items():
            if value is not None:
                text += f"{key} = {value}\n"
        for name, values in (cas or self.cas).items():
            text += f"ca {name} {{\n"
            text += "".join(f"\t{key} = {value}\n" for key, value in values.items()) + "}\n"
        os.makedirs(os.path.dirname(CONF), exist_ok=True)
        pki.write(CONF, text, 0o644)
        os.chmod(CONF, 0o644)

    def worker(self):
        """The worker's pid: the child that is not a lookup process."""
        for pid in self.daemon.pids():
            words = words_of(pid)
            if words and b"--lookup-process" not in words and pid != self.daemon.process.pid:
                return pid
        return None

    def lookups(self):
        found = []
        for pid in self.daemon.pids():
            words = words_of(pid)
            if b"--lookup-process" in words:
                found.append((pid, words[2].decode()))
        return found


def words_of(pid):
    """The command line; empty for a process that has ended since it was listed, or is a zombie."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.split(b"\0") if text else []


def uid_of(name):
    return pwd.getpwnam(name).pw_uid


def status_of(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def cpu_ms(pid):
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")
