# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A TPM in a private root: swtpm behind tpm2-abrmd on a message bus of its own, with tpm2-pkcs11 before
it. What signers, which have no environment, find by themselves: /run/dbus/system_bus_socket and the
store /etc/tpm2_pkcs11.
"""
import glob
import os
import shutil
import signal
import subprocess

from lib import p11
from lib.private import inside
from lib.records import wait_for
from lib.softhsm import PIN, SO_PIN

FOLDER = "/run/mtls-test/tpm"
BUS = "/run/dbus/system_bus_socket"
STORE = "/etc/tpm2_pkcs11"
BUS_CONF = f"""<busconfig>
<listen>unix:path={BUS}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow receive_sender="*"/><allow send_type="*"/></policy>
</busconfig>
"""


def module():
    found = glob.glob("/usr/lib/*/pkcs11/libtpm2_pkcs11.so")
    if not found:
        raise RuntimeError("tpm2-pkcs11 is missing (libtpm2-pkcs11-1)")
    return found[0]


class Tpm:
    """`path` is the module. There is one token, which has its own way to count wrong PINs."""

    def __init__(self):
        if not inside():
            raise RuntimeError("not in a private root")
        self.path = module()
        self.processes = []
        for folder in (FOLDER, os.path.dirname(BUS), STORE):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, 0o755)
        self.start()

    def start(self):
        with open(FOLDER + "/bus.conf", "w", encoding="utf-8") as file:
            file.write(BUS_CONF)
        self._start("dbus-daemon", f"--config-file={FOLDER}/bus.conf", "--nofork", "--nopidfile")
        socket = FOLDER + "/tpm"
        self._start("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={FOLDER}", "--ctrl",
                    f"type=unixio,path={socket}.ctrl", "--server", f"type=unixio,path={socket}",
                    "--flags", "not-need-init,startup-clear")
        for path in (BUS, socket, socket + ".ctrl"):
            if not wait_for(lambda p=path: os.path.exists(p)):
                raise RuntimeError(f"{path} was not made: {self.log()}")
        os.chmod(BUS, 0o666)
        self._start("tpm2-abrmd", "--allow-root", f"--tcti=swtpm:path={socket}", "--flush-all")
        if not wait_for(self.answers, 20):
            raise RuntimeError(f"tpm2-abrmd does not answer: {self.log()}")

    def _start(self, *argv):
        with open(f"{FOLDER}/{argv[0]}.output", "ab") as log:
            self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                                                   stderr=log, cwd="/", start_new_session=True))

    @staticmethod
    def log():
        text = ""
        for path in glob.glob(FOLDER + "/*.output"):
            with open(path, encoding="utf-8", errors="replace") as file:
                text += f"{path}: {file.read()[-2000:]}\n"
        return text

    @staticmethod
    def answers():
        """True once tpm2-abrmd has its name on the bus."""
        done = subprocess.run(["dbus-send", f"--bus=unix:path={BUS}", "--print-reply=literal",
                               "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner",
                               "string:com.intel.tss2.Tabrmd"], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return b"true" in done.stdout

    def stop(self):
        """The TPM vanishes, as a broken driver would make it."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.processes = []
        for path in (BUS, FOLDER + "/tpm", FOLDER + "/tpm.ctrl"):
            if os.path.exists(path):
                os.unlink(path)

    def discard(self):
        """Nothing is left; the next one is another."""
        self.stop()
        for folder in (FOLDER, STORE):
            shutil.rmtree(folder, ignore_errors=True)

    def freeze(self):
        """It takes commands, and answers none."""
        self.processes[1].send_signal(signal.SIGSTOP)

    def forget(self):
        """The chip is there, and no token of ours on it."""
        shutil.rmtree(STORE)
        os.makedirs(STORE)
        os.chmod(STORE, 0o777)

    def guess(self, label, pin, times):
        """Somebody types wrong PINs."""
        def work(module):
            for _ in range(times):
                try:
                    module.session(module.slot(label), pin)
                except p11.P11Error:
                    pass
        self.change(work)

    def change(self, work):
        p11.do_with(self.path, work)
        for base, _, files in os.walk(STORE):
            os.chmod(base, 0o777)
            for name in files:
                os.chmod(os.path.join(base, name), 0o666)

    def insert(self, label, pin=PIN):
        self.change(lambda m: m.init_token(m.free_slot(), label, SO_PIN, pin))
        return Card(self, label, pin)


class Card:
    """The token of the TPM. Its keys are made in it."""

    def __init__(self, tpm, label, pin):
        self.tpm, self.label, self.pin = tpm, label, pin
        self.public = FOLDER + "/public.pem"

    def change(self, work):
        self.tpm.change(lambda m: work(m, m.session(m.slot(self.label), self.pin)))

    def new_key(self, authority, out, subject, curve="P-256", ident=b"\x01", label="login"):
        """A key of the TPM, its certificate as file @out and on the token."""
        def make(module, session):
            spki = p11.new_ec_key(module, session, ident, label, curve)
            with open(FOLDER + "/public.der", "wb") as file:
                file.write(spki)
        self.change(make)
        p11.pki.openssl("pkey", "-pubin", "-inform", "DER", "-in", FOLDER + "/public.der", "-out",
                        self.public)
        authority.sign_public(out, self.public, subject)
        self.change(lambda m, s: p11.put_certificate(m, s, p11.of_pem(out), ident, label))
        return self
