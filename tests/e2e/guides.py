# SPDX-License-Identifier: LGPL-2.1-or-later
"""
doc/setup-sudo.md, doc/setup-workstation.md and doc/setup-card.md (with a card of SoftHSM2), typed literally on a machine as Debian leaves it, and every
way back that they promise: sudo by certificate, a change that was not confirmed, `disable`, a rescue code,
mtls=off.
"""
import re
import shutil
import subprocess
import sys

from lib import private, softhsm, tap
from lib.accountd import Accountd
from lib.authd import Daemon
from lib.guide import PASSWORD, PHRASE, Guide, Walk, apart, fresh_machine, typed
from lib.hosts import SECRET
from lib.private import environment
from lib.rescue import ASKED, CODE, CONSOLE
from lib.terminal import converse
from lib.world import run, write

ASK_PASSWORD = r"(?:\[sudo\] password[^\n]*|Password): ?"
PROMPT = r"[$#] $"
PAM = "/etc/pam.d"
CMDLINE = "/run/mtls-test/cmdline"
NEW_PHRASE = [(r"Passphrase for the new key: ", PHRASE, True), (r"again: ", PHRASE, True)]
ONCE = [(SECRET, PHRASE, True)]


def console(name, answers, line="id"):
    """Logs in at tty1 and types a line there; answers are given where they are asked for, each once."""
    done = converse(CONSOLE, [(r"login: $", name, False)] + answers[:1] + [(PROMPT, line, False)] + answers[1:] +
                    [(PROMPT, "exit", False)])
    run("umount", "/dev/tty1")
    return done


class Set(Walk):
    """A guide from the first step to the codes; `daemons` are running then."""

    def __init__(self, out, path):
        super().__init__(out, Guide(path))
        self.codes = []
        self.before = {name: open(f"{PAM}/{name}", encoding="utf-8").read() for name in ("login", "sudo")}

    def start(self, number):
        accountd, authd = (line.split() for line in self.guide.steps[number])
        self.keeper = Accountd(accountd[0], "/run/mtls-test/accountd.log", accountd[1:])
        self.keeper.start()
        self.daemon = Daemon(authd, environment("MTLS_RUNDIR") + "/authd.sock",
                             "/run/mtls-test/authd.log")
        self.daemon.start()

    def stop(self):
        for daemon in (self.daemon, self.keeper):
            status = daemon.stop()
            self.out.result(status == 0, "a daemon ends as asked", status)

    def make_codes(self, number):
        for line in self.guide.steps[number]:
            done = typed(line)
            self.asked(f"step {number}: {line}", done.status == 0, done)
            self.codes += re.findall(CODE, done.text)
        self.out.result(len(self.codes) == 10, "ten codes were shown", self.codes)

    def as_before(self, service):
        with open(f"{PAM}/{service}", encoding="utf-8") as file:
            return file.read() == self.before[service]

    def by_code(self, number):
        done = console("root", [(ASKED, self.codes[number], True)])
        self.asked(f"root at the console by code {number + 1}", "uid=0(root)" in done.text, done)


def sudo(answers):
    return typed("sudo -k; sudo id", "bob", answers)


def guide_for_sudo(out):
    walk = Set(out, "doc/setup-sudo.md")
    walk.step(1, "the users")
    walk.step(2, "init")
    walk.start(3)
    walk.step(4, "enroll", answers=NEW_PHRASE)
    walk.step(5, "as bob", "bob", ONCE)
    walk.make_codes(6)
    walk.by_code(0)
    done = sudo([(ASK_PASSWORD, PASSWORD, True)])
    walk.asked("before step 7 sudo knows nothing of certificates",
               "uid=0(root)" in done.text and not re.search(SECRET, done.text), done)
    walk.good("step 6: check finds nothing", typed("mtlsctl check"))
    dry, real = walk.guide.steps[7]
    done = typed(dry)
    walk.asked(f"step 7: {dry}", done.status == 0 and "pam_mtls.so" in done.text and walk.as_before("sudo"), done)
    done = typed(real, answers=ONCE)
    walk.asked(f"step 7: {real}", done.status == 0 and not walk.as_before("sudo"), done)
    confirm = walk.guide.steps[8][0]
    done = typed(confirm, "bob", ONCE)
    walk.asked(f"step 8: {confirm}", done.status == 0, done)
    done = sudo(ONCE)
    walk.asked("sudo by certificate", "uid=0(root)" in done.text and not re.search(ASK_PASSWORD, done.text), done)
    done = sudo([(SECRET, "", True), (ASK_PASSWORD, PASSWORD, True)])
    walk.asked("an empty passphrase goes on to the password", "uid=0(root)" in done.text, done)
    ways_back(walk)
    walk.stop()


def ways_back(walk):
    walk.by_code(1)
    listed = walk.guide.quoted("a rescue code.")
    done = typed(listed)
    walk.asked(f"the way back: {listed}", "8 of 10 codes left" in done.text, done)
    write(CMDLINE, "root=/dev/vda1 mtls=off\n")
    run("mount", "--bind", CMDLINE, "/proc/cmdline")
    done = sudo([(ASK_PASSWORD, PASSWORD, True)])
    walk.asked("mtls=off: the password decides", "uid=0(root)" in done.text and not re.search(SECRET, done.text), done)
    done = typed("mtlsctl check")
    walk.asked("mtls=off: check warns", "mtls=off" in done.text, done)
    run("umount", "/proc/cmdline")
    undo = walk.guide.quoted("want it undone")
    done = typed(undo)
    walk.asked(f"the way back: {undo}", done.status == 0 and walk.as_before("sudo"), done)
    done = sudo([(ASK_PASSWORD, PASSWORD, True)])
    walk.asked("afterwards sudo asks for the password only",
               "uid=0(root)" in done.text and not re.search(SECRET, done.text), done)
    # Not confirmed: with a shorter time, and until the file is there again.
    real = walk.guide.steps[7][1] + " --confirm 1s"
    done = typed(real, answers=ONCE)
    back = typed("until cmp -s /etc/pam.d/sudo /root/sudo.stock; do mtlsctl enable --list >/dev/null; done")
    walk.asked("not confirmed: the old file is back", done.status == 0 and back.status == 0 and
               walk.as_before("sudo"), done)
    copy = walk.guide.quoted("The codes' lines undone")
    remove = re.search(r"then `(mtlsctl rescue remove)`", walk.guide.text).group(1)
    for line in (copy, remove):
        done = typed(line)
        walk.asked(f"the way back: {line}", done.status == 0, done)
    walk.out.result(walk.as_before("login"), "login is as before")
    walk.good("and check finds nothing", typed("mtlsctl check"))
    find = walk.guide.quoted("A lost key:")
    done = typed(find)
    key = re.search(r"spki-sha256:[0-9a-f]{64}", done.text)
    take = walk.guide.quoted("`mtlsctl bind list bob`, then").replace("KEY", key.group(0) if key else "?")
    done = typed(take)
    walk.asked(f"a lost key: {take}", done.status == 0, done)
    done = typed(walk.guide.steps[5][0], "bob", ONCE)
    walk.asked("afterwards nobody enters by it", done.status == 3, done)


def guide_for_a_workstation(out):
    walk = Set(out, "doc/setup-workstation.md")
    walk.step(1, "users and CAs")
    walk.start(2)
    walk.step(3, "enroll", answers=NEW_PHRASE)
    walk.make_codes(4)
    walk.by_code(0)
    walk.good("step 5", typed(walk.guide.steps[5][0]))
    walk.step(6, "what would be written")
    walk.out.result(walk.as_before("sudo"), "nothing was written yet")
    walk.step(7, "written", answers=ONCE)
    confirm = walk.guide.steps[8][0]
    done = console("bob", ONCE + ONCE, confirm)
    walk.asked(f"step 8, at the console: {confirm}", "(bob)" not in done.text and
               len(re.findall(r"assphrase", done.text)) == 2, done)
    confirmed(walk)
    done = console("bob", [(SECRET, "", True), (ASK_PASSWORD, PASSWORD, True)])
    walk.asked("the console by password", "(bob)" in done.text, done)
    certificates_only(walk)
    walk.stop()


def guide_for_a_card(out):
    walk = Set(out, "doc/setup-card.md")
    readers = softhsm.Readers()
    readers.insert("bob's card", "123456")
    driver = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"
    walk.guide.steps[4] = [line.replace(driver, readers.path) for line in walk.guide.steps[4]]
    out.result(driver in walk.guide.text and readers.path in walk.guide.steps[4][0], "the driver is that of the test's card")
    walk.step(1, "users and CAs")
    walk.start(2)
    walk.good("step 3", typed(walk.guide.steps[3][0]))
    walk.step(4, "the driver")
    walk.step(5, "a PIN of his own", "bob", [(r"Old PIN: $", "123456", True), (r"New PIN[^\n]*: $", softhsm.PIN, True),
                                            (r"The same again: $", softhsm.PIN, True)])
    readers.change(lambda module: None)
    pin = [(r"PIN (of|for) [^\n]*: ?$", softhsm.PIN, True)]
    done = walk.step(6, "a key on the card", answers=pin)
    readers.change(lambda module: None)
    out.result("the key 'bob' on 'bob's card'" in done.text and "tried      Access granted." in done.text, "it is tried", done.text)
    done = walk.step(7, "as bob", "bob", pin)
    out.result("Access granted." in done.text, "the exchange", done.text)
    walk.make_codes(8)
    walk.step(9, "what would be written")
    walk.step(10, "written", answers=pin)
    # The test's console is a pseudo-terminal, as which sudo sees it: on a real one this is not needed.
    with open("/etc/mtls/pam_mtls.conf", encoding="utf-8") as file:
        conf = file.read()
    write("/etc/mtls/pam_mtls.conf", 'local_ttys = { "tty[1-9]", "pts/*" }\n' + conf)
    confirm = walk.guide.steps[11][0]
    done = console("bob", pin + pin, confirm)
    walk.asked(f"step 11, at the console: {confirm}", "(bob)" not in done.text and
               len(re.findall(r"PIN for", done.text)) == 2, done)
    confirmed(walk)
    readers.clear()
    done = console("bob", [(ASK_PASSWORD, PASSWORD, True)])
    walk.asked("without the card the console asks for the password", "(bob)" in done.text, done)
    walk.stop()


def confirmed(walk):
    done = typed("mtlsctl enable --list")
    walk.asked("both are confirmed", len(re.findall(r"\tconfirmed\t", done.text)) == 2, done)


def certificates_only(walk):
    for line in walk.guide.steps[9]:
        done = typed(line, answers=ONCE)
        walk.asked(f"step 9: {line}", done.status == 0, done)
    confirm = walk.guide.steps[10][0]
    done = console("bob", ONCE + ONCE, confirm)
    walk.asked(f"step 10, at the console: {confirm}", len(re.findall(r"assphrase", done.text)) == 2, done)
    confirmed(walk)
    done = sudo([(SECRET, "", True)] * 3)
    walk.asked("no password is asked for any more", "uid=0" not in done.text and
               not re.search(ASK_PASSWORD, done.text), done)
    walk.by_code(1)
    done = console("root", [(ASKED, "", True), (ASK_PASSWORD, PASSWORD, True)])
    walk.asked("root at the console by password", "uid=0(root)" in done.text, done)


def test(out):
    for guide in (guide_for_sudo, guide_for_a_workstation, guide_for_a_card):
        fresh_machine()
        subprocess.run(["chpasswd"], input=f"root:{PASSWORD}\n".encode(), check=True)
        for name in ("login", "sudo"):
            shutil.copy(f"{PAM}/{name}", f"/root/{name}.stock")
        guide(out)
        for name in ("login", "sudo"):
            shutil.copy(f"/root/{name}.stock", f"{PAM}/{name}")


if __name__ == "__main__":
    private.enter()
    apart()
    sys.exit(tap.run(test))
