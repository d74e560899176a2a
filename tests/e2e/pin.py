# SPDX-License-Identifier: LGPL-2.1-or-later
"""`mtlsctl pin`: new PINs for cards of SoftHSM2, in words; no try is spent on what cannot be right."""
import os
import shutil
import sys

from lib import private, softhsm, tap
from lib.initiated import Done
from lib.private import PROGRAMS, environment
from lib.softhsm import PIN, SO_PIN
from lib.terminal import Terminal, converse
from lib.world import TROUBLE, run, system_user, write

EVIL = PROGRAMS + "/libevil_p11.so"
OLD, NEW, AGAIN, PUK = r"Old PIN: $", r"New PIN[^\n]*: $", r"The same again: $", r"PUK: $"
COUNT_LOW, FINAL_TRY, LOCKED = "10000", "20000", "40000"  # CKF_USER_PIN_*
SO_LOCKED = "400000"


def share():
    """Files that one user has made are the other's too, as with a real reader."""
    for base, _, files in os.walk(softhsm.FOLDER):
        os.chmod(base, 0o777)
        for name in files:
            os.chmod(os.path.join(base, name), 0o666)


class Test:
    def __init__(self, out):
        self.out = out
        self.readers = softhsm.Readers()
        self.card = self.readers.insert("bob's card")
        self.module = ["--module", self.readers.path]

    def pin(self, *words, lines=(), person="bob", module=None):
        """mtlsctl pin, given its PINs as lines of one descriptor."""
        ends = os.pipe()
        os.write(ends[1], "".join(line + "\n" for line in lines).encode())
        os.close(ends[1])
        fds = {"change": "--pin-fd", "unblock": "--puk-fd"}[words[0]]
        os.dup2(ends[0], 9)
        os.set_inheritable(9, True)
        os.close(ends[0])
        prefix = ["setpriv", "--reuid", person, "--regid", person, "--init-groups"] if person != "root" else []
        argv = [*words, fds, "9", "--new-pin-fd", "9", *(self.module if module is None else ["--module", module])]
        done = Done(["pin", *argv], None, prefix=["env", "-i", "PATH=" + os.environ["PATH"], *prefix], keep=[9])
        os.close(9)
        share()
        return done

    def typed(self, action, answers, *words):
        argv = ["mtlsctl", "pin", action, *self.module, *words]
        done = converse(argv, answers, user="bob")
        share()
        return done

    def good(self, pin, name):
        """The card has this PIN now."""
        done = self.pin("change", "bob's card", lines=[pin, pin])
        self.expect(name, done, 0)

    def expect(self, name, done, status, *texts):
        text = getattr(done, "text", None) or done.out + done.err
        passed = done.status == status and all(t in text for t in texts) and not TROUBLE.search(text)
        return self.out.result(passed, name, f"wanted {status}, {texts}; got {done.status}: {text}")


def dialogue(t):
    """As a person types it."""
    done = t.typed("change", [(OLD, PIN, True), (NEW, "2468024", True), (AGAIN, "2468024", True)])
    t.expect("the PIN is changed in a dialogue", done, 0, "New PIN (4 to 255 characters): ", "changed the PIN of 'bob's card'")
    t.out.result(PIN not in done.text and "2468024" not in done.text, "no PIN is shown", done.text)
    t.good("2468024", "the new one is the card's")
    done = t.typed("change", [(OLD, "2468024", True), (NEW, PIN, True), (AGAIN, PIN + "1", True)])
    t.expect("two new ones that differ", done, 1, "the two new PINs differ")
    t.good("2468024", "and it is as before")
    done = t.typed("change", [(OLD, "", True)])
    t.expect("nothing is typed", done, 1, "nothing was typed")
    t.pin("change", lines=["2468024", PIN])
    done = t.typed("unblock", [(PUK, SO_PIN, True), (NEW, "1357913", True), (AGAIN, "1357913", True)])
    t.expect("a new PIN by the PUK, in a dialogue", done, 0, "set a new PIN of 'bob's card'")
    t.good("1357913", "the new one is the card's")
    t.pin("change", lines=["1357913", PIN])


def refusals(t):
    """What goes wrong has words and a code, also for programs."""
    done = t.pin("change", lines=[PIN, "123"])
    t.expect("too short", done, 1, "the new PIN is too short: the card wants 4 characters")
    done = t.pin("change", lines=[PIN, "1" * 256])
    t.expect("too long", done, 1, "too long")
    done = t.pin("change", lines=[PIN])
    t.expect("no new one on the descriptor", done, 1, "nothing was typed")
    done = t.pin("change", "--json", lines=[PIN, PIN])
    t.out.result("few" not in (done.json.get("tries_left") or ""), "none of that has cost a try", done)
    done = t.pin("change", "--json", lines=["000000", "111111"])
    t.out.result(done.status == 3 and done.json["reason"] == "pin-wrong" and done.json["tries_left"] == "few" and
                 done.json["changed"] is False and "Wrong PIN: few tries are left" in done.json["text"],
                 "a wrong old PIN", done)
    t.out.result("000000" not in done.out + done.err and "CKR" not in done.err, "in a person's words", done)
    done = t.pin("change", lines=["000000", "111111"])
    t.expect("the next time it is said before", done, 3, "Old PIN: few tries are left")
    t.good(PIN, "the right one still is")
    done = t.pin("unblock", lines=["00000000", "111111"])
    t.expect("a wrong PUK", done, 3, "Wrong PUK")
    done = t.pin("unblock", "--puk", lines=["00000000", "111111"])
    t.expect("a wrong PUK in the place of the PIN", done, 3, "Wrong PUK")
    done = t.pin("unblock", "--json", lines=[SO_PIN, "654321"])
    t.out.result(done.status == 0 and done.json["changed"] is True and done.json["reason"] == "allowed" and
                 done.json["token"]["uri"].startswith("pkcs11:token=bob%27s%20card;serial="), "the right PUK", done)
    t.good("654321", "and its PIN")
    t.pin("change", lines=["654321", PIN])


def which(t):
    """By label, by URI, by a question; never by what could load code or read files."""
    uri = "pkcs11:token=bob%27s%20card"
    t.expect("by URI", t.pin("change", uri, lines=[PIN, PIN]), 0)
    t.expect("a card that is not there", t.pin("change", "carol's card", lines=[PIN, PIN]), 1, "no card was found")
    for bad in (uri + "?pin-value=1234", uri + "?module-path=/tmp/x.so", uri + ";module-name=x", "pkcs11:token=%",
                "pkcs11:" + "a" * 5000, "pkcs11:object=\x1b[2J", "", "x" * 5000):
        done = t.pin("change", bad, lines=[PIN, PIN])
        t.out.result(done.status == 2 and "\x1b" not in done.err and not TROUBLE.search(done.err),
                     f"hostile: {bad[:40]!r}", done)
    second = t.readers.insert("second", "998877")
    done = t.pin("change", lines=[PIN, PIN])
    t.expect("two cards and nobody to ask", done, 1, ": 'bob's card' in '", ": 'second' in '", "pkcs11:token=second;serial=",
             "name one by its URI")
    number = "1" if done.err.index("bob's card") < done.err.index("'second'") else "2"
    done = t.typed("change", [(r"Which card \(1-2\)\? $", number, False), (OLD, PIN, True), (NEW, PIN, True), (AGAIN, PIN, True)])
    t.expect("two cards and a question", done, 0, "changed the PIN of 'bob's card'")
    t.expect("by label", t.pin("change", "second", lines=["998877", "776655"]), 0, "'second'")
    second.discard()
    t.readers.cards.pop("second")


def gone(t):
    """Taken out between looking and changing."""
    terminal = Terminal(["mtlsctl", "pin", "change", *t.module], "bob")
    terminal.expect([OLD])
    t.card.pull()
    for prompt in (PIN, "112233", "112233"):
        terminal.wait_hidden()
        terminal.send(prompt)
        if prompt != "112233" or terminal.expect([AGAIN, "mtlsctl"]) is None:
            terminal.expect([NEW, AGAIN])
    status = terminal.finish()
    t.out.result(status == 1 and "The card was removed." in terminal.text, "taken out meanwhile", terminal.text)
    done = t.pin("change", lines=[PIN, PIN])
    t.expect("no card", done, 1, "no card was found")
    t.card.push()
    t.good(PIN, "it was not changed")
    t.expect("no driver", t.pin("change", lines=[PIN, PIN], module="/nonexistent.so"), 1, "no card was found", "/nonexistent.so")
    t.expect("a driver that is none", t.pin("change", lines=[PIN, PIN], module="/usr/lib/os-release"), 1, "no card was found")
    done = Done(["pin", "change"], None)
    t.expect("no driver is named anywhere", done, 1, "pam_mtls.conf")


def odd_cards(t):
    """Cards that say more of themselves than SoftHSM does, and drivers that fail."""
    shutil.copy(os.path.join(environment("top_builddir"), "tests/e2e/.libs/libevil_p11.so"), EVIL)

    def evil(*orders):
        write("/run/mtls-test/evil-p11", f"real {t.readers.path}\n" + "".join(o + "\n" for o in orders))

    def change(*words, lines=(PIN, PIN)):
        return t.pin("change", *words, lines=lines, module=EVIL)

    evil(f"flags {LOCKED}")
    t.expect("locked", change(), 3, "the PIN is locked: mtlsctl pin unblock")
    t.expect("locked, and unblocked", t.pin("unblock", lines=[SO_PIN, PIN], module=EVIL), 0)
    evil(f"flags {SO_LOCKED}")
    t.expect("the PUK is locked", t.pin("unblock", lines=[SO_PIN, PIN], module=EVIL), 3, "the PUK is locked")
    evil(f"flags {FINAL_TRY}")
    t.expect("the last try is not used up by a script", change(), 3, "one try is left", "the last try is kept: --last-try uses it")
    t.expect("but where it says so", change("--last-try"), 0, "one try is left")
    ask = r"Use the last try\? \[y/N\] $"
    rest = [(OLD, PIN, True), (NEW, PIN, True), (AGAIN, PIN, True)]
    module, t.module = t.module, ["--module", EVIL]
    t.expect("a person says no", t.typed("change", [(ask, "", False)]), 3, "the last try is kept")
    t.expect("a person says yes", t.typed("change", [(ask, "yes", False)] + rest), 0, "changed the PIN")
    evil("pad " + PIN)
    done = t.typed("change", [])
    t.out.result("Type the old PIN and twice the new one at the reader." in done.text and "Old PIN:" not in done.text,
                 "at a PIN pad nothing is asked here", done.text)
    t.module = module
    for orders, status, text in (
            (["crash C_GetTokenInfo"], 1, "died"),
            (["noise C_GetTokenInfo", "noise C_OpenSession"], 0, "changed"),
            (["fail C_OpenSession e0"], 1, "The card was removed."),
            (["fail C_OpenSession 30"], 1, "driver failed"),
            (["fail C_GetSlotList 5"], 1, "no card was found")):
        evil(*orders)
        done = change()
        t.expect(f"a driver: {orders[0]}", done, status, text)
        t.out.result("NOISE" not in done.out + done.err, "and nothing of it is shown", done)
    evil("hang C_GetTokenInfo")
    t.expect("a driver that hangs is given up", change(), 1, "took too long")
    t.good(PIN, "afterwards the PIN is what it was")


def for_root(t):
    """Root loads no driver: it works as the system user of the signers."""
    done = t.pin("change", lines=[PIN, PIN], person="root")
    t.expect("root, as the signers' user", done, 0, "changed")
    os.chmod(t.card.folder, 0o700)
    os.chown(t.card.folder, 0, 0)
    done = t.pin("change", lines=[PIN, PIN], person="root")
    t.expect("what that user may not see, root does not see", done, 1, "no card was found")
    os.chmod(t.card.folder, 0o777)
    write(environment("MTLS_CONFDIR") + "/pam_mtls.conf", f'server_name = "x"\npkcs11_modules = {{ "{t.readers.path}" }}\n')
    done = t.pin("change", lines=[PIN, PIN], module="")
    t.out.result(done.status in (1, 2), "an empty driver", done)
    module, t.module = t.module, []
    done = t.pin("change", lines=[PIN, PIN])
    t.expect("the driver of pam_mtls.conf", done, 0)
    t.module = module


def test(out):
    for name in ("bob", "carol"):
        run("userdel", "-r", name, check=False)
        run("useradd", "-m", "-s", "/bin/sh", name)
    system_user("mtls-signer")
    os.makedirs(environment("MTLS_CONFDIR"), exist_ok=True)
    os.makedirs(PROGRAMS, exist_ok=True)
    t = Test(out)
    for part in (dialogue, refusals, which, gone, odd_cards, for_root):
        part(t)


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
