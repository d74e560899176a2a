# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Every conversation as a person sees it: on the terminal of a real program, and in a host without a terminal, which
gets messages of a kind each. Compared with transcripts/*.txt, which are for reading. Cards are played by
evil_signer.c, but for those of SoftHSM2 in real-*; dates and ids of records are replaced by words.

MTLS_TRANSCRIPTS=write writes the files anew instead.
"""
import difflib
import os
import pwd
import re
import subprocess
import sys

from lib import cards, private, tap, terminal
from lib.private import environment
from lib.world import PASSPHRASE, PROGRAMS, SUDOERS, World, run, write

FOLDER = os.path.join(environment("top_srcdir"), "tests/e2e/transcripts")
FIFO = "/run/mtls-test/touch"
PIN = "123456"
SECRET = r"(?:Passphrase|PIN) (?:for|für) [^\n]*: $"
CARD = (("secret", "pin"), ("token", "Bob's card"), ("label", "Bob"), ("issuer", "Example CA"),
        ("until", "4102444800"), ("pin", PIN))
NORMAL = ((r"\b20[2-9]\d-\d\d-\d\d\b", "DATE"), (r"\[id [0-9a-f]+\]", "[id ID]"), (r"\r", ""),
          (r"uid=\d{4,}", "uid=N"), (r"(?m)^Last login: .*\n", ""), (r"(?m)^(fds|children|env): .*\n", ""))


def normal(text):
    for pattern, word in NORMAL:
        text = re.sub(pattern, word, text)
    return text.strip("\n") + "\n"


class Typed:
    """What the person does when @pattern is shown: something, and types a line; None: no line."""

    def __init__(self, pattern, text, hidden=False, does=None):
        self.pattern, self.text, self.hidden, self.does = pattern, text, hidden, does


def secret(text):
    return Typed(SECRET, text, hidden=True)


def touch():
    with open(FIFO, "wb") as fifo:
        fifo.write(b"x")


def on_terminal(argv, steps, user="root", env=None):
    """What the terminal showed; in brackets what was typed there without being shown."""
    shown = terminal.Terminal(argv, user, env)
    text, at = "", 0
    for step in steps:
        if shown.expect([step.pattern]) is None:
            break
        text += shown.text[at:shown.seen]
        at = shown.seen
        if step.does:
            step.does()
        if step.text is None:
            continue
        if step.hidden:
            shown.wait_hidden()
            text += f"[not shown: {step.text}]"
        shown.send(step.text)
    shown.finish()
    return normal(text + shown.text[at:])


def without_terminal(steps, extra=(), env=None, user="bob"):
    """Messages with their kinds; behind > what was answered."""
    answers = [step.text for step in steps if step.text is not None]
    command = [PROGRAMS + "/pam_host", "--service", "mtls-test", "--locale", "--tty", "pts/0",
               "--setuid-of", str(pwd.getpwnam("bob").pw_uid), *extra]
    if user:
        command += ["--user", user]
    for answer in answers:
        command += ["--answer", answer]
    host = subprocess.Popen(command, env={**terminal.clean_environment("bob"), **(env or {})}, cwd="/",
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text, waiting = "", [step for step in steps if step.does]
    for line in host.stdout:
        line = line.decode("utf-8", "replace")
        text += line
        if line.startswith("prompt-") and answers:
            text += f"> {answers.pop(0)}\n"
        if waiting and re.search(waiting[0].pattern, line):
            waiting.pop(0).does()
    host.wait(terminal.DEADLINE)
    return normal(text)


class Stage:
    """The world, and the ways to play in it."""

    def __init__(self):
        self.world = World()
        self.program = environment("MTLS_LIBEXECDIR") + "/mtls-signer-token"
        os.mkfifo(FIFO)
        os.chmod(FIFO, 0o666)
        run("localedef", "-i", "de_DE", "-f", "UTF-8", "de_DE.UTF-8")

    def settings(self, **more):
        self.world.change_settings("pam_mtls.conf", {**self.world.pam_settings(),
                                                     "pkcs11_modules": ["/usr/lib/played.so"], **more})

    def card(self, *more, card=CARD, **settings):
        self.settings(**{"sources": ["pkcs11"], **settings})
        self.world.evil_signer("honest", card=(*card, *more), program=self.program)

    def certificate(self, name, days=None, bound=False):
        """The only credential of bob."""
        if days:
            self.world.pki.add(name, self.world.pki.user_ca, days=days)
        if bound:
            self.world.bind("bob", name)
        self.world.give("bob", name)


def sudo(steps, env=None, options=()):
    return on_terminal(["sudo", "-k", *options, PROGRAMS + "/entered"], steps, user="bob", env=env)


def su(steps):
    return on_terminal(["su", "bob", "-c", PROGRAMS + "/entered"], steps, user="bob")


def login(steps, name=True):
    typed = [Typed("login: $", "bob")] if name else []
    return on_terminal(["login"], [*typed, *steps, Typed("ready> $", PROGRAMS + "/entered; exit")])


def everywhere(steps, name=True):
    """The programs that people know, and a host without a terminal."""
    return {"sudo": sudo(steps), "su": su(steps), "login": login(steps, name),
            "without a terminal": without_terminal(steps)}


def briefly(steps, **options):
    return {"sudo": sudo(steps, **options), "without a terminal": without_terminal(steps, **options)}


DAY = 86400
NO = (("appears", "0"), ("absent", "no-token"))
INSERT = "Insert your card"
LAST = "This is the last try"


def files(stage):
    yield "passphrase", "A key in a file, and its passphrase.", everywhere([secret(PASSPHRASE)])
    yield "passphrase-wrong", "Another passphrase.", everywhere([secret("wrong")])
    yield "passphrase-empty", "Enter, for the next way to log in.", briefly([secret("")])
    stage.world.give("bob", "p12")
    yield "passphrase-hidden", "A PKCS#12 file shows what it holds with the passphrase only.", briefly([secret(PASSPHRASE)])
    stage.world.give("bob", "unprotected")
    yield "unprotected", "A key that needs no passphrase.", briefly([])
    stage.world.give("bob", None)
    yield "nothing", "No key at all.", briefly([])
    stage.world.give("bob", "good")


def certificates(stage):
    stage.certificate("soon", days=(-DAY, 5 * DAY + 3600))
    yield "end-near", "The certificate ends in some days.", briefly([secret(PASSPHRASE)])
    stage.certificate("sooner", days=(-DAY, DAY + 3600))
    yield "end-tomorrow", "The certificate ends in a day.", briefly([secret(PASSPHRASE)])
    stage.certificate("expired")
    yield "expired", "The only certificate has expired.", briefly([secret(PASSPHRASE)])
    stage.certificate("wrong-ca")
    yield "issuer", "An issuer that is not accepted.", briefly([secret(PASSPHRASE)])
    stage.certificate("good")
    stage.world.bind("carol", "good")
    yield "accounts", "One certificate, two accounts, no name given.", {
        "without a terminal": without_terminal([secret(PASSPHRASE), Typed("Which account", "1")], user="")}
    stage.world.unbind("carol", "good")
    stage.world.unbind("bob", "good")
    yield "unmapped", "No account belongs to the certificate.", briefly([secret(PASSPHRASE)])
    stage.world.bind("bob", "good")


def pins(stage):
    stage.card()
    yield "pin", "A card and its PIN. login needs no name: the card says who.", everywhere([secret(PIN)], name=False)
    stage.card(("tries", "4"))
    yield "pin-wrong", "Another PIN; the card counts.", everywhere([secret("1")], name=False)
    yield "pin-empty", "Enter, for the next way to log in: the card is told nothing.", briefly([secret("")])
    stage.card(("tries", "1"))
    yes = Typed(LAST, "yes")
    yield "pin-last-try", "The last try, wanted and right.", briefly([yes, secret(PIN)])
    yield "pin-last-try-wrong", "The last try, wanted and wrong.", briefly([yes, secret("1")])
    yield "pin-last-try-left", "The last try, not wanted.", briefly([Typed(LAST, "no")])
    stage.card(("tries", "0"))
    yield "pin-locked", "A locked PIN is not asked for.", briefly([])
    stage.card(("secret", "pin-pad"), ("tries", "3"), card=CARD[1:5])
    yield "keypad", "A reader with a keypad.", briefly([])
    stage.card(("secret", "pin-pad"), ("tries", "3"), card=CARD[1:])
    yield "keypad-wrong", "A reader with a keypad, another PIN.", briefly([])


def played_cards(stage):
    stage.card(("more", "Bob as administrator"))
    yield "certificates", "Two certificates on a card.", everywhere([Typed("Which certificate", "2"), secret(PIN)], name=False)
    yield "certificates-neither", "Two certificates, and a number that none has.", briefly([Typed("Which certificate", "3")])
    stage.card(("touch", FIFO))
    steps = [secret(PIN), Typed("Touch your key", None, does=touch)]
    yield "touch", "A key that waits to be touched.", briefly(steps)
    stage.card(*NO)
    yield "no-card", "No card, and nobody is asked for one.", briefly([])
    stage.card(*NO, **{"service sudo": {"card_wait": "10s"}, "service mtls-test": {"card_wait": "10s"},
                       "service login": {"card_wait": "10s"}})
    yield "insert-nothing", "Asked for a card, there is none.", briefly([Typed(INSERT, "")])
    stage.card(("appears", "2"), NO[1], **{"service sudo": {"card_wait": "10s"}, "service login": {"card_wait": "10s"},
                                           "service mtls-test": {"card_wait": "10s"}})
    steps = [Typed(INSERT, ""), secret(PIN)]
    yield "insert", "Asked for a card, it comes.", {"sudo": sudo(steps), "login": login(steps, name=False),
                                                   "without a terminal": without_terminal(steps)}
    for reason in ("module-failed", "reader-refused", "token-gone"):
        stage.card(("appears", "0"), ("absent", reason))
        yield reason, "Trouble with a card: its reason in words.", briefly([])


def real_cards(stage):
    card = cards.passing(stage.world)
    yield "real-pin", "A card of SoftHSM2 and its PIN.", everywhere([secret(cards.PIN)], name=False)
    yield "real-pin-wrong", "Another PIN.", briefly([secret("1")])
    card.pull()
    yield "real-no-card", "The card is not in its reader.", briefly([])
    cards.settings(stage.world, **{"service sudo": {"card_wait": "10s"}, "service login": {"card_wait": "10s"}})
    steps = [Typed(INSERT, "", does=card.push), secret(cards.PIN)]
    yield "real-insert", "The card is inserted when it is asked for.", {"sudo": sudo(steps)}
    card.pull()
    yield "real-insert-login", "The same at login, without a name.", {"login": login(steps, name=False)}


def nobody(stage):
    write("/etc/sudoers", SUDOERS + "Defaults noninteractive_auth\n", 0o440)  # PAM is called
    stage.card(**{"service sudo": {"card_wait": "10s"}})
    yield "nobody", "Nobody can be asked: sudo -n, whose conversation fails, and a host without one.", {
        "sudo -n": sudo([], options=["-n"]), "without a conversation": without_terminal([], extra=["--noconv"])}
    stage.card(*NO, **{"service sudo": {"card_wait": "10s"}, "service mtls-test": {"card_wait": "10s"}})
    yield "nobody-no-card", "Nobody can be asked for a card.", {
        "sudo -n": sudo([], options=["-n"]), "without a conversation": without_terminal([], extra=["--noconv"])}
    stage.card(**{"sources": ["file"], "service sudo": {"presence": "not-required"}})
    stage.world.give("bob", "unprotected")
    yield "nobody-needed", "Nobody can be asked, and nothing has to be: sudo -n with a key that needs no secret.", {
        "sudo -n": sudo([], options=["-n"])}
    stage.card(**{"sources": ["pkcs11", "file"], "service mtls-test": {"presence": "not-required"}})
    yield "nobody-next", "Without a conversation a card is passed over, and the next source is used.", {
        "without a conversation": without_terminal([], extra=["--noconv"])}
    stage.world.give("bob", "good")
    write("/etc/sudoers", SUDOERS, 0o440)
    stage.card(("more", "Bob as administrator"),
               **{"sources": ["pkcs11", "file"], "service mtls-test": {"presence": "not-required"}})
    stage.world.give("bob", "unprotected")
    yield "broken-off", "A question that fails, as ^C makes it: no other key is used, though one could be.", {
        "without a terminal": without_terminal([])}
    stage.settings(sources=["file"])
    stage.certificate("soon")
    yield "silent", "PAM_SILENT keeps back remarks.", {
        "without a terminal": without_terminal([secret(PASSPHRASE)], extra=["--silent"])}
    stage.certificate("good")


def german(stage):
    env = {"LC_ALL": "de_DE.UTF-8"}
    stage.certificate("wrong-ca")
    yield "german-issuer", "An issuer that is not accepted.", briefly([secret(PASSPHRASE)], env=env)
    stage.card(("tries", "2"))
    yield "german", "The same in German: another PIN.", briefly([secret("1")], env=env)
    stage.card(("tries", "1"))
    yield "german-last-try", "The last try in German.", briefly([Typed("letzte Versuch", "ja"), secret(PIN)], env=env)
    stage.world.daemon.kill()
    stage.card()
    yield "german-unreachable", "The daemon is not there.", briefly([secret(PIN)], env=env)


def file_text(name, about, shown):
    text = f"{about}\n" + "".join(f"\n== {where}\n{text}" for where, text in shown.items())
    # On a machine that is busy any key is slow.
    return text if name == "touch" else re.sub(r"(?m)^(info: )?Touch your key.*\n", "", text)


def compare(out, name, text):
    path = os.path.join(FOLDER, name + ".txt")
    folder = os.environ.get("MTLS_TRANSCRIPTS_FD")
    if folder:
        target = os.open(name + ".txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=int(folder))
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
        out.result(True, f"{name}: written")
        return
    wanted = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            wanted = file.read()
    out.result(text == wanted, name, "\n".join(difflib.unified_diff(
        wanted.splitlines(), text.splitlines(), "transcripts/" + name + ".txt", "shown", lineterm="")))


def test(out):
    stage = Stage()
    names = set()
    for group in (files, certificates, pins, played_cards, real_cards, nobody, german):
        for name, about, shown in group(stage):
            compare(out, name, file_text(name, about, shown))
            names.add(name + ".txt")
        stage.world.passing()
    leftover = set(os.listdir(FOLDER)) - names
    out.result(not leftover, "each transcript has its conversation", sorted(leftover))
    stage.world.close()
    out.result(not stage.world.problems(), "no daemon, worker or signer crashed", stage.world.problems())


if __name__ == "__main__":
    if os.environ.get("MTLS_TRANSCRIPTS") == "write" and not private.inside():
        # The private root has a copy of the sources; this is the way to the real folder.
        descriptor = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
        os.set_inheritable(descriptor, True)
        os.environ["MTLS_TRANSCRIPTS_FD"] = str(descriptor)
    private.enter()
    sys.exit(tap.run(test))
