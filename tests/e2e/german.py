# SPDX-License-Identifier: LGPL-2.1-or-later
"""
German, in real programs: what the locale of the host program says is what a person reads; codes, names and
dates stay as they are. A catalog that is wrong in every way cannot do more than be odd.
"""
import os
import pwd
import subprocess
import sys

from lib import private, tap, terminal
from lib.hosts import PamHost
from lib.world import PASSPHRASE, PROGRAMS, World, run, write

LOCALE = "de_DE.UTF-8"
CATALOG = "/usr/share/locale/de/LC_MESSAGES/pam-mtls.mo"
QUESTION = r"Passphrase für bob \(von [^,]*, bis \d{4}-\d\d-\d\d\): "
WRONG = "Falsche Passphrase. (secret-wrong)"
ENGLISH = "Wrong passphrase. (secret-wrong)"


def host(environment, answers=("wrong",), extra=()):
    """The PAM host with setlocale(3), as bob's setuid program."""
    command = [PROGRAMS + "/pam_host", "--service", "mtls-test", "--user", "bob", "--tty", "pts/0", "--locale",
               "--setuid-of", str(pwd.getpwnam("bob").pw_uid), *extra]
    for answer in answers:
        command += ["--answer", answer]
    env = {**terminal.clean_environment("bob"), **environment}
    return subprocess.run(command, check=False, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=terminal.DEADLINE).stdout.decode("utf-8", "replace")


def programs(out):
    german = {"LC_ALL": LOCALE}
    for name, argv, who in (("sudo", ["sudo", "-k", PROGRAMS + "/entered"], "bob"),
                            ("su", ["su", "bob", "-c", PROGRAMS + "/entered"], "bob")):
        done = terminal.converse(argv, [(QUESTION, "wrong", True)], user=who, environment=german)
        out.result(WRONG in done.text, f"{name} speaks German", done.text)
        # glibc takes no path from the environment of a setuid program.
        done = terminal.converse(argv, [(r"Passphrase (for|für) bob", "wrong", True)], user=who,
                                 environment={**german, "LANGUAGE": "../../../tmp/evil"})
        out.result("(secret-wrong)" in done.text and "EVIL" not in done.text,
                   f"{name} takes no catalog of the caller", done.text)
        done = terminal.converse(argv, [(r"Passphrase for bob \(", "wrong", True)], user=who)
        out.result(ENGLISH in done.text, f"{name} speaks English", done.text)


def languages(out):
    for name, environment, wanted in (
            ("a German locale", {"LC_ALL": LOCALE}, WRONG),
            ("LANGUAGE in another locale", {"LC_ALL": "en_GB.UTF-8", "LANGUAGE": "fr:de"}, WRONG),
            ("no locale, whatever LANGUAGE says", {"LC_ALL": "C", "LANGUAGE": "de"}, ENGLISH),
            ("a language without a catalog", {"LC_ALL": "en_GB.UTF-8"}, ENGLISH),
            ("an encoding in which letters are signs of a format",
             {"LC_ALL": LOCALE, "OUTPUT_CHARSET": "IBM037"}, "(secret-wrong)")):
        text = host(environment)
        out.result("auth: PAM_AUTH_ERR" in text and wanted in text, name, text)
    text = host({"LC_ALL": LOCALE}, answers=(PASSPHRASE,))
    out.result("auth: PAM_SUCCESS" in text, "and the login works", text)


def plurals(world, out):
    world.pki.add("soon", world.pki.user_ca, days=(-86400, 5 * 86400 + 3600))
    world.pki.add("sooner", world.pki.user_ca, days=(-86400, 86400 + 3600))
    for name, words in (("soon", "in 5 Tagen."), ("sooner", "in 1 Tag.")):
        world.give("bob", name)
        text = host({"LC_ALL": LOCALE}, answers=(PASSPHRASE,))
        out.result(f"{words} Erneuern Sie es vorher." in text, f"one and many: {words}", text)
    world.give("bob", "good")


def evil_catalogs(out):
    """Each text of the catalog replaced: by what would hurt if it were a format, endless, or steered a terminal."""
    with open(CATALOG, "rb") as file:
        good = file.read()
    texts = [line[7:-1] for line in run("msgunfmt", "--no-wrap", CATALOG).stdout.splitlines()
             if line.startswith('msgid "') and line != 'msgid ""']
    for name, text, wanted in (("formats", "%s%n%999999d EVIL{label}{who}", "EVIL"),
                               ("endless", "x" * 100000, ENGLISH),
                               ("a terminal's commands", "\\033[2J", ENGLISH)):
        po = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n'
        po += "".join(f'\nmsgid "{msgid}"\nmsgstr "{text}"\n' for msgid in dict.fromkeys(texts))
        write("/tmp/evil.po", po)
        run("msgfmt", "-o", CATALOG, "/tmp/evil.po")
        shown = host({"LC_ALL": LOCALE})
        out.result("auth: PAM_AUTH_ERR" in shown and wanted in shown and "\033" not in shown and
                   len(shown) < 10000, f"a catalog of {name}", shown[:2000])
    with open(CATALOG, "wb") as file:
        file.write(b"\xde\x12\x04\x95" + b"\xff" * 64)
    shown = host({"LC_ALL": LOCALE})
    out.result(ENGLISH in shown, "a catalog of garbage", shown)
    with open(CATALOG, "wb") as file:
        file.write(good)


def test(out):
    if not os.path.exists(CATALOG):
        raise RuntimeError("the catalog was not installed")
    for name in ("de_DE", "en_GB"):
        run("localedef", "-i", name, "-f", "UTF-8", name + ".UTF-8")
    world = World()
    os.makedirs("/tmp/evil/LC_MESSAGES")
    write("/tmp/evil.po", 'msgid ""\nmsgstr ""\n\nmsgid "Wrong passphrase."\nmsgstr "EVIL"\n')
    run("msgfmt", "-o", "/tmp/evil/LC_MESSAGES/pam-mtls.mo", "/tmp/evil.po")
    out.result("auth: PAM_SUCCESS" in PamHost(phases="auth").enter("bob").text, "the passing set-up enters")
    programs(out)
    languages(out)
    plurals(world, out)
    evil_catalogs(out)
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
