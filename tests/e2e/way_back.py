# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The kernel command line word mtls=off, with the real login, su and sudo: pam_mtls steps aside, so the next
line decides; where there is none, nobody enters by that. Each time it is logged as a warning.
"""
import re
import sys

from lib import private, tap
from lib.hosts import SECRET, READY, PamHost
from lib.private import PROGRAMS, environment
from lib.records import wait_for
from lib.rescue import ASKED, PASSWORD, make_codes
from lib.terminal import converse
from lib.world import PASSPHRASE, World, run, write

CMDLINE = "/run/mtls-test/cmdline"
ENTERED = "ENTERED uid="
PASSWORDS = r"(?:\[sudo\] password[^\n]*|Password): ?"
HOSTS = ("login", "su", "sudo")
RESCUE = environment("MTLS_PAMDIR") + "/pam_mtls_rescue.so"


class Word:
    """`with Word():` as if the kernel had been started with it."""

    def __init__(self, words="root=/dev/vda1 ro mtls=off quiet"):
        self.words = words

    def __enter__(self):
        write(CMDLINE, self.words + "\n")
        run("mount", "--bind", CMDLINE, "/proc/cmdline")

    def __exit__(self, *_):
        run("umount", "/proc/cmdline")


def enter(host, passphrase=None, password=None, person="bob", code=None):
    """The finished terminal; what is None is not answered, so that asking for it would hang the test."""
    answers = [(pattern, text, True) for pattern, text in
               ((SECRET, passphrase), (PASSWORDS, password), (ASKED, code)) if text is not None]
    if host == "login":
        answers += [(r"login: $", person, False), (READY, PROGRAMS + "/entered; exit", False)]
        return converse(["login"], answers)
    command = {"su": ["su", "bob", "-c", PROGRAMS + "/entered"],
               "sudo": ["sudo", "-k", "--", PROGRAMS + "/entered"]}[host]
    return converse(command, answers, user=person)


class Test:
    def __init__(self, out):
        self.out = out
        self.world = World()
        run("chpasswd", text=f"bob:{PASSWORD}\nroot:{PASSWORD}\n")
        run("usermod", "-s", "/bin/sh", "root")

    def check(self, passed, name, done):
        self.out.result(passed, name, getattr(done, "text", done))

    def stacks(self, auth, account=None):
        for host in HOSTS:
            later = account or f"account required pam_permit.so\naccount required {self.world.module}\n"
            write("/etc/pam.d/" + host, auth + later + "session required pam_permit.so\n"
                  f"session optional {self.world.module}\npassword required pam_deny.so\n")

    def warned(self):
        """A warning of authpriv, since the last mark."""
        return wait_for(lambda: any(line.startswith("<84>") and "pam_mtls(" in line and
                                    "reason=off" in line and "mtls=off" in line and
                                    "service='" in line for line in self.world.syslog.lines()))


def certificate_or_password(t):
    t.stacks(f"auth sufficient {t.world.module}\nauth required pam_unix.so\n")
    for host in HOSTS:
        done = enter(host, passphrase=PASSPHRASE)
        t.check(ENTERED in done.text, f"{host}, certificate or password: by certificate", done)
        with Word():
            t.world.mark()
            done = enter(host, password=PASSWORD)
            t.check(ENTERED in done.text and "assphrase" not in done.text,
                    f"{host}, mtls=off: by password, no passphrase is asked for", done)
            t.check(t.warned(), f"{host}, mtls=off: logged as a warning", t.world.syslog.lines())
            done = enter(host, password="wrong")
            t.check(ENTERED not in done.text, f"{host}, mtls=off: not by a wrong password", done)
        with Word("mtls=offline xmtls=off \"mtls=off\""):
            done = enter(host, passphrase=PASSPHRASE)
            t.check(ENTERED in done.text and "assphrase" in done.text, f"{host}, other words: no effect",
                    done)


def broken(t):
    """What the word is for: nothing of ours works any more."""
    t.world.stop()
    write(t.world.conf + "/pam_mtls.conf", "nonsense {\n")
    with Word():
        for host in HOSTS:
            done = enter(host, password=PASSWORD)
            t.check(ENTERED in done.text, f"{host}, mtls=off: no daemon, broken configuration", done)
    write(t.world.conf + "/pam_mtls.conf", t.world.files[t.world.conf + "/pam_mtls.conf"][0])
    t.world.daemon.start()


def nothing_but_ignores(t):
    """libpam refuses where every line has stepped aside."""
    for control in ("required", "sufficient", "optional", "[success=done ignore=ignore default=die]"):
        t.stacks(f"auth {control} {t.world.module}\n")
        for host in HOSTS:
            with Word():
                done = enter(host)
                t.check(ENTERED not in done.text, f"{host}, mtls=off: nothing but '{control}'", done)
    done = enter("su", passphrase=PASSPHRASE)
    t.check(ENTERED in done.text, "without the word that stack lets in", done)
    t.stacks("auth required pam_unix.so\n", account=f"account required {t.world.module}\n")
    for host in HOSTS:
        with Word():
            t.world.mark()
            done = enter(host, password=PASSWORD)
            t.check(ENTERED not in done.text, f"{host}, mtls=off: nothing but ignores in account", done)
            t.check(t.warned(), f"{host}, mtls=off: account logs it too", t.world.syslog.lines())
    write("/etc/pam.d/mtls-alone", "".join(f"{kind} required {t.world.module}\n"
                                           for kind in ("auth", "account", "session", "password")))
    with Word():
        for phase in ("auth", "acct", "setcred", "open", "close", "chauthtok"):
            done = PamHost("mtls-alone", phases=phase).enter("bob")
            t.check(not done.entered, f"mtls=off: {phase} alone lets nobody in", done)


def certificate_only(t):
    """The last example of pam_mtls_rescue(8): certificates only, and passwords after the word."""
    t.stacks(f"auth sufficient {RESCUE} ttys=pts/*\n"
             f"auth [success=done ignore=ignore default=die] {t.world.module}\n"
             "auth required pam_unix.so\n")
    _, codes = make_codes()
    for host in HOSTS:
        done = enter(host, passphrase=PASSPHRASE)
        t.check(ENTERED in done.text, f"{host}, certificates only: by certificate", done)
        done = enter(host, passphrase="", password=PASSWORD)
        t.check(ENTERED not in done.text and not re.search(PASSWORDS, done.text),
                f"{host}, certificates only: no password is asked for", done)
        with Word():
            done = enter(host, password=PASSWORD)
            t.check(ENTERED in done.text, f"{host}, certificates only, mtls=off: by password", done)
            done = enter(host, password="wrong")
            t.check(ENTERED not in done.text, f"{host}, certificates only, mtls=off: a wrong one", done)
    done = enter("login", person="root", code=codes[0])
    t.check(ENTERED + "0" in done.text, "login, certificates only: root by a rescue code", done)
    with Word():
        done = enter("login", person="root", code=codes[1])
        t.check(ENTERED + "0" in done.text and not re.search(PASSWORDS, done.text),
                "login, mtls=off: rescue codes work as before", done)
        done = enter("login", person="root", code="", password=PASSWORD)
        t.check(ENTERED + "0" in done.text, "login, mtls=off: root by password", done)
    done = enter("login", person="root", code="", password=PASSWORD)
    t.check(ENTERED not in done.text, "login, certificates only: root not by password", done)


def test(out):
    t = Test(out)
    for part in (certificate_or_password, broken, nothing_but_ignores, certificate_only):
        part(t)
    t.world.close()
    out.result(not t.world.problems(), "no daemon, worker or signer crashed", t.world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
