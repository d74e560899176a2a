# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A machine that `mtlsctl init` has set up, as an administrator would: its CAs, its server's certificate, its
configuration. Otherwise as lib/world.py; nobody has a certificate. The CAs of the tests' own pki are outside ones.
"""
import json
import os
import shutil
import subprocess

from lib import terminal
from lib.world import World, pki, pwd_entry, quoted, run, settings_text

NAMES = ("alice", "bob", "carol", "mallory", "dave", "erin")


class Initiated(World):
    def _trust(self):
        shutil.rmtree(self.conf)
        run("mtlsctl", "init", "--name", pki.SERVER_NAME)

    def _settings(self):
        self.append("authd.conf", {"audit_file": self.audit.path})
        self.append("pam_mtls.conf", {"local_ttys": ["pts/*"]})

    def _people(self):
        for name in NAMES:
            run("userdel", "-r", name, check=False)
            run("useradd", "-m", "-s", "/bin/sh", name)
            run("usermod", "-p", "!", name)

    def authority(self, kind):
        """The CA for "user" or "server" that init made, for certificates that mtlsctl would not make."""
        ca = pki.Authority.__new__(pki.Authority)
        ca.base, ca.name = self.pki.base, f"init-{kind}"
        ca.path = os.path.join(ca.base, ca.name)
        ca.folder, ca.pem, ca.key = ca.path + ".d", ca.path + ".pem", ca.path + ".key"
        if not os.path.exists(ca.folder):
            os.makedirs(ca.folder + "/issued")
            pki.write(ca.folder + "/index.txt", "")
            pki.write(ca.folder + "/crlnumber", "7E\n")
            text = pki.CONFIG.format(folder=ca.folder, name=ca.path)
            pki.write(ca.folder + "/ca.cnf", text.replace("[any]", "crlnumber = $dir/crlnumber\n[any]"))
            shutil.copy(self.at(f"{kind}-ca/ca.pem"), ca.pem)
            shutil.copy(self.at(f"private/{kind}-ca.key"), ca.key)
        return ca

    def at(self, name):
        return os.path.join(self.conf, name)

    def append(self, name, settings):
        """Further settings of a file that init made."""
        path = self.at(name)
        lines = [f"{key} = {quoted(value)}\n" for key, value in settings.items()
                 if not isinstance(value, dict)]
        sections = {key: value for key, value in settings.items() if isinstance(value, dict)}
        self.install(path, "".join(lines) + pki.read(path) + settings_text(sections))

    def home(self, person, name=""):
        return os.path.join(pwd_entry(person).pw_dir, ".config/mtls", name)

    def forget(self, person):
        """The person has no key any more, and no binding."""
        shutil.rmtree(os.path.join(pwd_entry(person).pw_dir, ".config"), ignore_errors=True)
        for row in json.loads(run("mtlsctl", "bind", "list", person, "--json").stdout):
            run("mtlsctl", "bind", "remove", person, row["key"])

    def as_person(self, person, *argv):
        """Runs a program as the person; it must succeed."""
        done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=terminal.clean_environment(person),
                              cwd="/", preexec_fn=lambda: terminal.become(person))
        if done.returncode:
            raise RuntimeError(f"{argv} as {person}: {done.stdout.decode()}")
        return done.stdout.decode()

    def own_key(self, person, name, passphrase=pki.PASSPHRASE):
        """A key that the person has made; its path."""
        path = self.home(person, name)
        self.as_person(person, "mkdir", "-p", "-m", "0700", self.home(person))
        encryption = ["-aes256", "-pass", f"pass:{passphrase}"] if passphrase else []
        self.as_person(person, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                       "ec_paramgen_curve:P-256", *encryption, "-out", path)
        return path


def fill(path):
    """Writes until nothing more goes onto the disk, page by page and then byte by byte."""
    with open(path, "wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass


class Done:
    """mtlsctl has run: status, what it printed, and that as JSON."""

    def __init__(self, argv, passphrase=pki.PASSPHRASE, environment=None, prefix=(), keep=()):
        ends = os.pipe()
        os.write(ends[1], (passphrase or "").encode() + b"\n")
        os.close(ends[1])
        argv = [*prefix, "mtlsctl", *argv]
        if passphrase is not None:
            argv += ["--passphrase-fd", str(ends[0])]
        done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, pass_fds=[ends[0], *keep], timeout=600,
                              env={**os.environ, **(environment or {})})
        os.close(ends[0])
        self.argv, self.status = argv, done.returncode
        self.out, self.err = done.stdout.decode(), done.stderr.decode()

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            return {}

    def __str__(self):
        return f"{' '.join(self.argv)}: status {self.status}\n{self.out}\n{self.err}"
