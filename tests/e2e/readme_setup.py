# SPDX-License-Identifier: LGPL-2.1-or-later
"""README.md, "First real set-up", as an administrator reads it: the commands are taken from the text
and typed on a machine that has nothing of ours but the installed files. So the text stays true."""
import os
import re
import subprocess
import sys

from lib import private, tap
from lib.accountd import Accountd
from lib.authd import Daemon
from lib.guide import ASK_PASSWORD, PASSWORD, PHRASE, Guide, Walk, apart, fresh_machine, typed
from lib.hosts import SECRET
from lib.private import environment
from lib.world import write

SUDO = "/etc/pam.d/sudo"


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def units(walk):
    """What step 3 enables is installed."""
    names = walk.guide.quoted("With systemd:").split("--now ", 1)[1].split()
    folder = os.path.dirname(environment("MTLS_SBINDIR")) + "/lib/systemd/system"
    lost = [n for n in names if not os.path.exists(f"{folder}/{n}.service")]
    walk.out.result(names == ["mtls-accountd", "mtls-authd"] and not lost,
                    "step 3: the units are installed", f"{names} {os.listdir(folder)}")


def install(walk):
    """`make install` was done by the test suite; the rest of its line is typed."""
    last = walk.guide.steps[1][-1]
    walk.out.result("make install && " in last, "step 1 installs, then makes the users", last)
    done = typed(last.split("make install && ", 1)[1])
    users = [u for u in ("mtls-authd", "mtls-accountd", "mtls-signer")
             if subprocess.run(["getent", "passwd", u], check=False,
                               stdout=subprocess.DEVNULL).returncode]
    walk.asked("step 1 makes the users", done.status == 0 and not users, done)


def in_and_back(walk, by_password):
    """Step 7 and the way back."""
    before = walk.stock
    line = re.search(r"^7\.[^`]*`([^`]+)`", walk.guide.text, re.M).group(1)
    done = typed(line, "bob", [(SECRET, PHRASE, True)])
    walk.asked(f"step 7: {line}", "'sudo' stays: 'bob' entered by certificate" in done.text, done)
    walk.asked("step 7 asks for no password", not re.search(ASK_PASSWORD, done.text), done)
    line = "sudo -k; sudo id"
    done = typed(line, "bob", [(SECRET, PHRASE, True)])
    walk.asked("sudo by certificate", "uid=0(root)" in done.text, done)
    done = typed(line, "bob", [(SECRET, "", True)] + by_password)
    walk.asked("an empty passphrase falls through to the password", "uid=0(root)" in done.text, done)
    back = walk.guide.quoted("**The way back**")
    done = typed(back)
    walk.asked(f"the way back: {back}", done.status == 0, done)
    walk.out.result(read(SUDO) == before, "the file is what it was", read(SUDO))
    done = typed(line, "bob", by_password)
    walk.asked("afterwards sudo asks for the password and nothing else",
               "uid=0(root)" in done.text and not re.search(SECRET, done.text), done)


def shown_first(walk):
    """What step 6 says of --dry-run."""
    line = walk.guide.quoted("6. Let sudo take the certificate")
    done = typed(line)
    walk.asked(f"step 6: {line}", done.status == 0 and "+auth\tsufficient\tpam_mtls.so" in done.text and
               read(SUDO) == walk.stock, done)


def accounts(walk):
    line = walk.guide.quoted("Accounts that exist nowhere else:")
    done = typed(line)
    walk.asked(line, done.status == 0, done)
    with open("/etc/nsswitch.conf", encoding="utf-8") as file:
        text = file.read()
    write("/etc/nsswitch.conf", re.sub(r"^((?:passwd|group):\s+files)\b", r"\1 mtls", text,
                                       flags=re.M))
    done = typed("id alice")
    walk.asked("mtls behind files: the account exists for every program",
               "(alice)" in done.text, done)
    walk.good("mtlsctl check with accounts of its own", typed("mtlsctl check"))


def stopped(walk):
    """What the text promises of lookups without the daemon."""
    promised = "Lookups do not need the daemon" in walk.guide.text
    done = typed("id alice")
    walk.asked("the accounts stay when the daemon is stopped", promised and "(alice)" in done.text,
               done)


def test(out):
    walk = Walk(out, Guide("README.md", "## First real set-up"))
    walk.stock = read(SUDO)
    fresh_machine()
    install(walk)
    units(walk)
    walk.step(2, "init")
    accountd, authd = (line.split() for line in walk.guide.steps[3])
    out.result(accountd == ["mtls-accountd"], "step 3 starts the daemon of the accounts", accountd)
    keeper = Accountd(accountd[0], "/run/mtls-test/accountd.log", accountd[1:])
    keeper.start()
    daemon = Daemon(authd, environment("MTLS_RUNDIR") + "/authd.sock", "/run/mtls-test/authd.log")
    daemon.start()
    new = [(r"Passphrase for the new key: ", PHRASE, True), (r"again: ", PHRASE, True)]
    walk.step(4, "certificate", answers=new)
    dry = typed(walk.guide.steps[5][0], "bob", [(SECRET, PHRASE, True)])
    walk.asked(f"step 5 as bob: {walk.guide.steps[5][0]}", dry.status == 0, dry)
    check = walk.guide.steps[5][1]
    walk.good(f"step 5 as root: {check}", typed(check))
    shown_first(walk)
    walk.step(6, "PAM", answers=[(SECRET, PHRASE, True)])
    waits = typed(check)
    walk.asked(f"{check}, now with a change that waits",
               waits.status == 0 and "0 errors, 1 warnings" in waits.text and
               "goes back to what it was" in waits.text, waits)
    in_and_back(walk, [(ASK_PASSWORD, PASSWORD, True)])
    accounts(walk)
    status = daemon.stop()
    out.result(status == 0, "mtls-authd ends as asked", daemon.log.lines())
    status = keeper.stop()
    out.result(status == 0, "mtls-accountd ends as asked", status)
    stopped(walk)


if __name__ == "__main__":
    private.enter()
    apart()
    sys.exit(tap.run(test))
