# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Real screen lockers as hosts: enter(person) locks the person's screen, and types what is to be typed. Entered
means: the screen is open again.
"""
import os
import re
import signal
import subprocess
import time

from lib.hosts import Host, Outcome
from lib.records import Tail, wait_for
from lib.terminal import DEADLINE
from lib.world import PASSPHRASE, pwd_entry, write


class Locked(Host):
    """
    What both have in common. @shot: the name of the pictures that are taken of each window that asks or tells,
    and when the answer is there.
    """

    def __init__(self, screen):
        self.screen = screen
        self.process = None
        self.environment = {}  # what the locker is started with, besides the usual

    def lock(self):
        """Returns when the locker takes keys."""
        raise NotImplementedError

    def answer(self, text, picture):
        """
        Types at the prompt, where @text may be a function that gives what is typed; returns the Outcome when
        the locker has decided. picture(name) takes one.
        """
        raise NotImplementedError

    def release(self):
        """Ends the locker, whatever it shows."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
        self.process = None

    def enter(self, person, passphrase=PASSPHRASE, target=None, shot=None):
        if person != self.screen.person or target:
            raise RuntimeError("a locker is for the person whose screen it is")
        def picture(moment):
            if shot:
                self.screen.shot(f"{self.name}-{shot}-{moment}")
        self.lock()
        try:
            outcome = self.answer(passphrase, picture)
            picture("end")
        finally:
            self.release()
        return outcome


class I3lock(Locked):
    """Shows nothing but a ring: green while typing, blue while it asks PAM, red for no."""

    name = service = "i3lock"
    COLOUR = (0x22, 0x44, 0x66)
    INSIDE = (400, 350)  # a point within the ring, below its words

    def _inside(self):
        red, _, blue = self.screen.look().at(*self.INSIDE)
        if (red, blue) == (self.COLOUR[0], self.COLOUR[2]):
            return "nothing"
        return "red" if red > 2 * blue else "blue" if blue > 2 * red else "dark"

    def lock(self):
        self.process = self.screen.popen("i3lock", "--nofork", "--color",
                                         "".join(f"{part:02x}" for part in self.COLOUR),
                                         environment=self.environment, stdout=subprocess.DEVNULL)

        def takes_keys():
            self.screen.key("BackSpace")
            return self._inside() == "red" or self.process.poll() is not None
        if not wait_for(takes_keys, DEADLINE) or self.process.poll() is not None:
            raise RuntimeError("i3lock does not lock")

    def answer(self, text, picture):
        # Something typed and gone again: the ring is not red before Return.
        self.screen.key("a")
        if not wait_for(lambda: self._inside() != "red", DEADLINE):
            raise RuntimeError("i3lock stays red")
        self.screen.key("BackSpace") if not text else self.screen.key("ctrl+u")
        began = time.monotonic()
        self.screen.enter(text)
        if not wait_for(lambda: self.process.poll() is not None or self._inside() == "red",
                        DEADLINE):
            raise RuntimeError("i3lock does not decide")
        outcome = Outcome("", self.process.poll(), entered=self.process.poll() == 0)
        outcome.seconds = time.monotonic() - began
        return outcome

    def again(self):
        """Until it takes another try after a wrong one."""
        if not wait_for(lambda: self._inside() == "nothing", DEADLINE):
            raise RuntimeError("i3lock stays red")


class Xscreensaver(Locked):
    """Shows what PAM says, one window after the other; its log repeats that, and PAM's codes."""

    name = service = "xscreensaver"
    SAID = re.compile(r"(ECHO_OFF|ECHO_ON|TEXT_INFO|ERROR_MSG)=\"(.*)\"")
    PRESSED = "^xscreensaver-auth: .*RawKeyPress"
    CODE = re.compile(r"pam_authenticate \(\.\.\.\) ==> (\d+) \((.*)\)")

    def __init__(self, screen):
        super().__init__(screen)
        entry = pwd_entry(screen.person)
        path = entry.pw_dir + "/.xscreensaver"
        write(path, "lock: True\nmode: blank\nfade: False\nunfade: False\nsplash: False\n"
              "passwdTimeout: 0:02:00\ndpmsEnabled: False\n")
        os.chown(path, entry.pw_uid, entry.pw_gid)
        self.log = Tail("/run/mtls-test/xscreensaver.txt")

    def _logged(self, pattern):
        return [m for m in map(re.compile(pattern).search, self.log.lines()) if m]

    def _wait(self, pattern):
        if not wait_for(lambda: self._logged(pattern) or self.process.poll() is not None, DEADLINE):
            raise RuntimeError(f"xscreensaver does not say {pattern!r}: {self.log.lines()[-20:]}")

    def lock(self):
        self.log.mark()
        with open(self.log.path, "ab") as log:
            self.process = self.screen.popen("xscreensaver", "--no-splash", "--verbose",
                                             environment=self.environment, stdout=log,
                                             stderr=log)
        self._wait("xscreensaver-auth exited normally")
        with self.screen.popen("xscreensaver-command", "--lock", stdout=subprocess.DEVNULL):
            pass
        self._wait("blanking")
        asked = r"pam_authenticate \(\.\.\.\) \.\.\."

        def wakes():
            self.screen.key("BackSpace")
            return wait_for(lambda: self._logged(asked), 0.3) or self.process.poll() is not None
        if not wait_for(wakes, DEADLINE) or self.process.poll() is not None:
            raise RuntimeError(f"xscreensaver does not ask: {self.log.lines()[-20:]}")

    def _wait_reading(self):
        """What is typed before its window reads keys is lost."""
        count = len(self._logged(self.PRESSED))

        def noticed():
            self.screen.key("BackSpace")
            return wait_for(lambda: len(self._logged(self.PRESSED)) > count, 0.3)
        if not wait_for(noticed, DEADLINE):
            raise RuntimeError("xscreensaver reads no keys")

    def answer(self, text, picture):
        began, handled, shown = time.monotonic(), 0, []
        while True:
            wait_for(lambda: len(self._logged(self.SAID.pattern)) > handled
                     or self._logged(self.CODE.pattern) or self.process.poll() is not None, DEADLINE)
            said = self._logged(self.SAID.pattern)
            if len(said) > handled:
                kind, words = said[handled].groups()
                shown.append(words)
                handled += 1
                self._wait_reading()
                picture(handled)
                typed = text if kind.startswith("ECHO") else ""
                self.screen.enter(typed() if callable(typed) else typed)
                continue
            break
        decided = self._logged(self.CODE.pattern)
        code = int(decided[0].group(1)) if decided else None
        if code == 0:
            self._wait("unblanking|unlocking")
        outcome = Outcome("\n".join(shown), self.process.poll(), code, entered=code == 0)
        outcome.seconds = time.monotonic() - began
        return outcome
