# SPDX-License-Identifier: LGPL-2.1-or-later
"""
mtlsctl enable, confirm, disable on this machine's own service files (Debian's), with real sudo, su and
login: what is refused and how it is said, the change that stays, the change that goes back by itself,
and a module that is missing. Processes that are killed: enable_killed.py.
"""
import json
import os
import re
import shutil
import sys

from lib import private, tap
from lib.enable import (ASK_PASSWORD, BOB, LONG, PAM, ROOTS, STATE, Stocked, by_certificate, by_password,
                        console, ctl, enable, let_time_pass, login, phase, read, stack, states, sudo,
                        watchers)
from lib.hosts import SECRET
from lib.private import PROGRAMS, environment
from lib.records import wait_for
from lib.terminal import converse
from lib.world import PASSPHRASE, run, write

ENTRIES = environment("MTLS_RUNDIR") + "/entries"
ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# --- refusals ---

def odd_files(t):
    """Stacks that are not understood, files that are not ours to change: a name, and the words."""
    common = "@include common-account\n"
    texts = (
        ("jump", "auth [success=1 default=ignore] pam_permit.so\nauth required pam_unix.so\n",
         "line 1 jumps over lines, and one more would change where to"),
        ("unknown", "auth required pam_permit.so\n", "no line is known to be the one that asks"),
        ("by-hand", "auth sufficient pam_mtls.so\n@include common-auth\n",
         "line 1: pam_mtls.so is there already, by another hand"),
        ("swallowed", "auth required pam_env.so \\\n# a comment\n@include common-auth\n",
         "line 1: not as pam.d(5) has it"),
        ("from-file", "auth include su\n", "takes what it asks from 'su'"),
    )
    for name, text, words in texts:
        write(f"{PAM}/{name}", text + common)
        done = enable(name, ask=False)
        t.says(f"refused: {name}", done, 1, words, "Nothing was changed", "By hand, in",
               "auth sufficient pam_mtls.so")
        t.check(read(f"{PAM}/{name}") == text + common, f"refused: {name}: the file is as before",
                read(f"{PAM}/{name}"))
    os.symlink("sudo", f"{PAM}/linked")
    t.says("refused: a link", enable("linked", ask=False), 1, "is a link")
    write(f"{PAM}/twice", text)
    os.link(f"{PAM}/twice", f"{PAM}/twice-too")
    t.says("refused: a second name", enable("twice", ask=False), 1, "has a second name")
    write(f"{PAM}/open", t.stock["sudo"], 0o664)
    t.says("refused: a file that others may write to", enable("open", ask=False), 1,
           "writable by group or others")
    write(f"{PAM}/fingers", "auth sufficient pam_permit.so\n@include common-auth\n")
    t.says("refused: required, and another way in",
           enable("fingers", "--mode", "required", ask=False), 1,
           "line 1 (pam_permit.so) lets people in without a certificate")
    for name in ("linked", "twice", "twice-too", "open", "fingers") + tuple(x[0] for x in texts):
        os.unlink(f"{PAM}/{name}")


def included(t):
    """A service that others take lines from: they are named; where one counts lines, it is left alone."""
    t.says("who else changes is told", enable("su", "--dry-run", ask=False), 0,
           "'su-l' takes lines from 'su', and changes with it")
    write(f"{PAM}/counts", "auth [success=1 default=ignore] pam_rootok.so\nauth include sudo\n")
    t.says("refused: another file jumps over its lines", enable("sudo", ask=False), 1,
           "'counts' takes lines from it, and line 1 there jumps", "Nothing was changed")
    t.untouched("another file jumps over its lines")
    os.unlink(f"{PAM}/counts")


def unfit_services(t):
    for name, words in (("common-auth", "other services take their lines from it"),
                        ("other", "it is what every service without a file gets"),
                        ("cron", "nobody is asked for anything there"),
                        ("sshd", "certificates do not work there yet"),
                        ("nothing-here", "'/etc/pam.d/nothing-here' is not there"),
                        ("SUDO", "is no name of a service"), ("../shadow", "is no name of a service"),
                        ("su-l", "takes what it asks from 'su'")):
        t.says(f"refused: {name}", enable(name, ask=False), 1, words)
    done = enable("sudo", "other", ask=False)
    t.says("refused: one of two", done, 1, "'other' is not enabled")
    t.untouched("one of two")


def refused_options(t):
    done = ctl("enable", "sudo")
    t.says("refused: nobody who proves it", done, 1, "Name an administrator with --user")
    t.says("refused: root proves nothing", ctl("enable", "sudo", "--user", "root"), 1, "--user")
    t.says("refused: required without a confirmation",
           enable("sudo", "--mode", "required", "--confirm", "none", ask=False), 2,
           "--mode required always needs a confirmation")
    for word in ("0s", "2h", "4000s", "61m", "s", "120", "-1s"):
        t.says(f"refused: --confirm={word}", ctl("enable", "sudo", f"--confirm={word}"), 2, "--confirm")
    done = ctl("enable", "sudo", "--user", "bob", user="bob")
    t.says("refused: not root", done, 1, "only root may change service files")


def unproven(t):
    """`required` without a proven way in, and whatever keeps the certificate from entering."""
    world = t.world
    run("usermod", "-p", "!", "root")
    done = enable("sudo", "--mode", "required", ask=False)
    t.says("required: root has no password and no codes", done, 1,
           "root has no password that works, and there are no rescue codes")
    t.untouched("root has no password")
    run("chpasswd", text=f"root:{ROOTS}\n")
    done = enable("sudo", "--mode", "required", passphrase="wrong")
    t.says("required: a wrong passphrase", done, 1, "'bob' does not enter 'sudo' by certificate",
           "(secret-wrong)", "Nothing was changed")
    t.untouched("a wrong passphrase")
    no_root = "auth requisite pam_succeed_if.so quiet uid != 0\n" + t.stock["login"]
    write(f"{PAM}/login", no_root)
    t.says("required: root does not get in at the console", enable("login", "--mode", "required"), 1,
           "'login', root at the console: refused, as it is now already", "Nothing was changed")
    t.check(stack("login") == no_root, "root does not get in at the console: nothing is changed", stack("login"))
    write(f"{PAM}/login", t.stock["login"])
    for file, token in (("stranger", "unmapped"), ("expired", "cert-expired"),
                        ("wrong-ca", "issuer-untrusted")):
        world.give("bob", file)
        done = enable("sudo", "--mode", "required")
        t.says(f"required: a certificate that does not enter, {token}", done, 1, f"({token})")
        t.untouched(token)
    world.give("bob", "good")
    world.daemon.kill()
    done = enable("sudo", "--mode", "required", ask=False)
    t.says("required: the daemon does not run", done, 1, "'mtlsctl check' finds")
    t.untouched("no daemon")
    world.passing()
    world.change_settings("pam_mtls.conf", {**world.pam_settings(),
                                            "service sudo": {"account": "enforce"}})
    done = enable("sudo")
    t.says("account = enforce would refuse the password", done, 1, "has account = enforce for 'sudo'")
    t.untouched("account = enforce")
    world.passing()
    write("/etc/nologin", "closed\n")
    done = enable("login")
    t.says("the stack does not let the person in", done, 1, "'login'", "Nothing was changed")
    t.untouched("nologin", "login")
    os.unlink("/etc/nologin")


def looking(t):
    """What only looks leaves no folder behind."""
    shutil.rmtree(STATE, ignore_errors=True)
    for words in (("--list",), ("--restore-expired",), ("sudo", "--dry-run")):
        done = ctl("enable", *words)
        t.check(done.status == 0 and not os.path.exists(STATE), f"enable {' '.join(words)} makes no folder",
                done)


def dry(t):
    done = enable("sudo", "login", "--dry-run", ask=False)
    t.says("--dry-run shows the change and the steps", done, 0, "--- /etc/pam.d/sudo",
           "+auth sufficient pam_mtls.so", " @include common-auth", "would write",
           "'sudo -i' uses the service 'sudo-i'", "nothing was written")
    t.untouched("--dry-run")
    t.check(not states() and not os.path.exists(f"{STATE}/sudo.before"), "--dry-run leaves nothing",
            states())
    done = run("mtlsctl", "enable", "sudo", "--dry-run", "--json", check=False)
    t.check(json.loads(done.stdout)["done"] is True, "--dry-run --json", done.stdout)
    done = run("mtlsctl", "enable", "other", "--json", check=False)
    t.check(done.returncode == 1 and '"done": false' in done.stdout, "a refusal with --json",
            done.stdout)


# --- the change that stays ---

def not_confirmed(t):
    """Each way to confirm that does not count."""
    script = f"mtlsctl enable sudo --user bob --confirm {LONG}; mtlsctl confirm; exec true"
    done = converse(["bash", "-c", script], by_certificate())
    t.says("confirm from the session that enabled it", done, 0,
           "this is the session that changed 'sudo'")
    t.check(phase("sudo") == "pending", "it still waits", states())
    t.says("confirm when nobody has entered", ctl("confirm"), 3,
           "nobody has entered by certificate through 'sudo'")
    done = converse(["sudo", "-k", "mtlsctl", "confirm"], by_password(), user=BOB)
    t.says("confirm after an entry by password", done, 3, "nobody has entered by certificate")
    done = sudo(by_certificate())
    t.says("meanwhile a certificate enters", done, 0, "uid=0")
    t.says("confirm by somebody else's entry", ctl("confirm", "sudo"), 3,
           "'bob' entered through 'sudo', but this command does not come from there")
    t.check(phase("sudo") == "pending", "it still waits after all that", states())
    t.says("confirm as nobody special", ctl("confirm", user=BOB), 1, "only root may confirm")


def stays(t):
    not_confirmed(t)
    done = enable("sudo", ask=False)
    t.says("enable what waits already", done, 1, "'sudo' is enabled already (sufficient, pending)")
    shutil.rmtree(ENTRIES)
    done = converse(["sudo", "-k", "mtlsctl", "confirm"], by_certificate(), user=BOB)
    t.says("confirm when /run was cleared meanwhile", done, 3, "enter anew")
    with open(ENTRIES + "/sudo", "a", encoding="utf-8") as file:
        file.write("1 1 carol\n" * 70)
    done = converse(["sudo", "-k", "mtlsctl", "confirm", "--json"], by_certificate(), user=BOB)
    t.says("confirm from where bob has entered, after many others", done, 0, '"service": "sudo"',
           '"user": "bob"')
    row = states()["sudo"]
    t.check(row["phase"] == "confirmed" and row["file"] == "as written" and row["left_s"] is None,
            "--list says so", row)
    t.check(wait_for(lambda: not watchers()), "the watcher has gone", watchers())
    t.says("confirm again", ctl("confirm"), 1, "nothing waits for a confirmation")
    t.check(os.stat(f"{PAM}/sudo").st_mode & 0o7777 == 0o644, "the mode is kept",
            oct(os.stat(f"{PAM}/sudo").st_mode))
    done = sudo(by_password())
    t.says("certificate-or-password: the password too", done, 0, "uid=0")
    done = ctl("disable", "sudo", "--dry-run")
    t.says("disable --dry-run", done, 0, "-auth sufficient pam_mtls.so")
    t.check("pam_mtls" in stack("sudo"), "disable --dry-run writes nothing", stack("sudo"))
    t.says("disable", ctl("disable", "sudo"), 0, "'sudo' is without pam_mtls")
    t.untouched("disable")
    t.check(not states(), "disable forgets", states())
    t.says("disable again", ctl("disable", "sudo"), 1, "'sudo' is not enabled")


def login_stays(t):
    """Another host program: bob logs in by certificate, and confirms from that session."""
    done = enable("login", "--confirm", LONG)
    t.says("enable login", done, 0, "skips line")
    done = login(BOB, by_certificate(), f"PATH={ROOT_PATH} sudo -k mtlsctl confirm; exit",
                 more=[(r"\[sudo\] password[^\n]*: ?", "bobs old password", True)])
    t.says("confirm from a login", done, 0, "'login' stays: 'bob' entered by certificate")
    ctl("disable", "login")
    t.untouched("disable login", "login")


# --- edited by others ---

def edited_around(t):
    done = enable("sudo", "--confirm", "none")
    t.says("--confirm none is for good at once", done, 0, "for good")
    t.check(phase("sudo") == "confirmed" and not watchers(), "and nobody watches", states())
    text = stack("sudo")
    edited = "# mine\n" + text.replace("@include common-account", "account required pam_permit.so\n"
                                       "@include common-account") + "# and mine\n"
    write(f"{PAM}/sudo", edited)
    t.check(states()["sudo"]["file"] == "edited around", "--list sees the edit", states())
    damaged = edited.replace("# pam-mtls: end\n", "", 1)
    write(f"{PAM}/sudo", damaged)
    done = ctl("disable", "sudo")
    t.says("disable with a damaged mark", done, 1, "is between marks of mtlsctl and not its own",
           "By hand, take out line", "sufficient pam_mtls.so")
    t.check(stack("sudo") == damaged and states()["sudo"]["file"] == "damaged marks",
            "and nothing is changed", states())
    write(f"{PAM}/sudo", edited)
    t.says("disable of a file that was edited around", ctl("disable", "sudo"), 0, "is without")
    wanted = "# mine\n" + t.stock["sudo"].replace(
        "@include common-account", "account required pam_permit.so\n@include common-account") + "# and mine\n"
    t.check(stack("sudo") == wanted, "takes our lines out and no other", stack("sudo"))
    write(f"{PAM}/sudo", t.stock["sudo"])


def disabled_while_waiting(t):
    """The way out without waiting; sudo and sudo -i together."""
    before = stack("sudo-i")
    done = enable("sudo", "sudo-i", "--confirm", LONG)
    t.says("enable sudo and sudo-i", done, 0, "/etc/pam.d/sudo-i")
    t.check("which stays as it is" not in done.text, "no note about sudo-i then", done)
    done = ctl("disable", "sudo", "sudo-i", "--json")
    t.check(json.loads(done.text) == {"disabled": [{"service": "sudo", "lines_removed": True},
                                                   {"service": "sudo-i", "lines_removed": True}],
                                      "dry_run": False}, "disable what waits", done)
    t.check(wait_for(lambda: not watchers()), "and nobody watches any more", watchers())
    t.untouched("disabled while it waited")
    t.check(stack("sudo-i") == before, "disabled while it waited: 'sudo-i' is as before", stack("sudo-i"))


def edited_while_waiting(t):
    enable("sudo", "--confirm", LONG)
    edited = stack("sudo") + "# others were here\n"
    write(f"{PAM}/sudo", edited)
    let_time_pass("sudo")
    t.check(wait_for(lambda: phase("sudo") == "returned"), "it goes back all the same", states())
    t.untouched("edited while it waited")
    note = states()["sudo"]["note"]
    kept = re.search(r"is kept in (\S+)", note)
    t.check(kept and read(kept.group(1)) == edited, "what others wrote is kept, and told where", note)


# --- the change that goes back ---

def wrong_set_up(t):
    """Show 1: enabled, then wrong: bob cannot enter, and by itself he can again."""
    t.world.mark()
    done = enable("sudo", "su", "--mode", "required", "--confirm", LONG)
    t.says("enable sudo and su, required", done, 0, "waiting")
    t.says("sudo by certificate", sudo(by_certificate()), 0, "uid=0")
    t.world.daemon.kill()
    done = sudo(by_certificate())
    t.check("uid=0" not in done.text and not re.search(ASK_PASSWORD, done.text) and done.status,
            "wrong set-up, required: nobody enters, no password is asked for", done)
    let_time_pass("sudo", "su")
    t.check(wait_for(lambda: not watchers()), "the watcher comes to its end", watchers())
    for name in ("sudo", "su"):
        t.untouched("automatic return", name)
    t.says("sudo by password, as before", sudo(by_password(False)), 0, "uid=0")
    t.check(all("was not confirmed in time" in states()[n]["note"] for n in ("sudo", "su")),
            "--list says why", states())
    said = [line for line in t.world.syslog.lines() if "mtlsctl" in line and "as it was before" in line]
    t.check(len(said) == 2, "and so does the system log", t.world.syslog.lines())
    t.world.passing()


def in_real_time(t):
    done = enable("sudo", "--confirm", "2s")
    t.says("enable for two seconds", done, 0, "for 2s")
    t.check(wait_for(lambda: stack("sudo") == t.stock["sudo"], 60), "the old file comes back",
            states())
    t.check(wait_for(lambda: phase("sudo") == "returned"), "--list says so", states())
    t.says("too late to confirm", ctl("confirm", "sudo"), 1, "does not wait for a confirmation",
           "was not confirmed in time")


# --- a module that is missing ---

def without_module(t):
    """The file is gone from the disk: certificate-or-password keeps the password."""
    module = t.world.module
    enable("sudo", "su", "login", "--confirm", LONG)
    os.rename(module, module + ".away")
    t.says("sufficient, no module: sudo by password", sudo(by_password(False)), 0, "uid=0")
    done = converse(["su", "root", "-c", PROGRAMS + "/entered"], by_password(False, ROOTS), user=BOB)
    t.says("sufficient, no module: su by password", done, 0, "uid=0")
    done = login(BOB, by_password(False), "id; exit")
    t.says("sufficient, no module: login by password", done, 0, "(bob)")
    os.rename(module + ".away", module)
    t.says("disable all three", ctl("disable", "sudo", "su", "login"), 0, "'login' is without")


def required_without_module(t):
    """certificate-only keeps root's console, and nothing else."""
    module = t.world.module
    done = enable("sudo", "login", "--mode", "required", "--confirm", LONG)
    t.says("enable sudo and login, required", done, 0, "root at the console")
    done = login(BOB, by_certificate(), "id; exit")
    t.says("required: login by certificate", done, 0, "(bob)")
    done = converse(["login", "-f", BOB], [(r"ready> ", "id; exit", False)])
    t.says("required: login -f, which asks nobody, still enters", done, 0, "(bob)")
    done = login(BOB, by_password(), "id; exit")
    t.check("uid=" not in done.text and not re.search(ASK_PASSWORD, done.text),
            "required: bob is not asked for a password", done)
    done = console("root", by_password(False, ROOTS), "id; exit")
    t.says("required: root at the console by password", done, 0, "uid=0(root)")
    done = login("root", by_password(False, ROOTS), "id; exit")
    t.check("uid=" not in done.text and not re.search(ASK_PASSWORD, done.text),
            "required: root from elsewhere is not asked for a password", done)
    os.rename(module, module + ".away")
    done = sudo(by_password(False))
    t.check("uid=0" not in done.text and not re.search(ASK_PASSWORD, done.text) and done.status,
            "required, no module: sudo is refused, no password is asked for", done)
    done = console("root", by_password(False, ROOTS), "id; exit")
    t.says("required, no module: root at the console by password", done, 0, "uid=0(root)")
    done = login(BOB, by_password(False), "id; exit")
    t.check("uid=" not in done.text, "required, no module: bob does not log in", done)
    os.rename(module + ".away", module)
    let_time_pass("sudo", "login")
    t.check(wait_for(lambda: not watchers()), "all goes back", states())
    t.untouched("required, login", "login")


def rescue_codes(t):
    """Without a password of root, codes are the proven way in."""
    run("usermod", "-p", "!", "root")
    codes = re.findall(r"\b(?:[0-9A-Z]{4}-){4}[0-9A-Z]{4}\b", ctl("rescue", "new").text)
    done = enable("login", "--mode", "required", "--confirm", LONG)
    t.says("required with rescue codes", done, 0, "root at the console: rescue codes")
    t.check("-auth\tsufficient\tpam_mtls_rescue.so services=login\n" in stack("login"),
            "the stack asks for them", stack("login"))
    t.world.daemon.kill()
    done = console("root", [(r"Rescue code[^\n]*: ", codes[0], True)], "id; exit")
    t.says("no daemon, no password: a rescue code enters at the console", done, 0, "uid=0(root)")
    t.world.passing()
    t.says("disable", ctl("disable", "login"), 0, "'login' is without")
    t.untouched("with rescue lines", "login")
    ctl("rescue", "remove")
    run("chpasswd", text=f"root:{ROOTS}\n")


def test(out):
    t = Stocked(out)
    for part in (odd_files, included, unfit_services, refused_options, unproven, looking, dry, stays, login_stays,
                 edited_around, disabled_while_waiting, edited_while_waiting, wrong_set_up, in_real_time, without_module,
                 required_without_module, rescue_codes):
        t.part(part)
    t.close()


if __name__ == "__main__":
    private.enter()
    os.setsid()  # a developer's terminal is no session of what is tested
    sys.exit(tap.run(test))
