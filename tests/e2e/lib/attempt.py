# SPDX-License-Identifier: LGPL-2.1-or-later
"""One try to enter, with all that it left behind, and the two things a test says about it."""
from lib import reasons
from lib.records import wait_for
from lib.world import TROUBLE

TABLE = reasons.load()


class Attempt:
    """
    What happened when a person used a host: the outcome, audit reasons, reasons in the log. To be
    asked before the next attempt, which moves the marks in the logs.
    """

    def __init__(self, world, host, person, **options):
        self.world, self.host = world, host
        world.mark()
        self.outcome = host.enter(person, **options)

    @property
    def entered(self):
        return self.outcome.entered

    @property
    def shown(self):
        """What the person saw, on one line."""
        return " ".join(self.outcome.text.split())

    def audited(self):
        return self.world.audit.tokens()

    def logged(self):
        return self.world.syslog.tokens()

    def why_not_entered(self):
        """Empty if it entered as it should, else what is wrong."""
        if TROUBLE.search(self.outcome.text):
            return f"something crashed: {self}"
        if not self.entered:
            return f"not entered: {self}"
        if not wait_for(self.logged, 5) or set(self.logged()) != {"allowed"}:
            return f"entered, but not without another word: {self}"
        return ""

    def why_not_refused(self, token, audit=None, told=True):
        """
        Empty if it was refused for exactly this reason: the person read its text, pam_mtls logged
        its token, and where @audit is given the daemon's record has that token.
        """
        if self.entered:
            return f"ENTERED: {self}"
        if TROUBLE.search(self.outcome.text):
            return f"something crashed: {self}"
        wanted = f"{TABLE[token].text} ({token})"
        if told and wanted not in self.shown:
            return f"the person did not read {wanted!r}: {self}"
        if not wait_for(lambda: token in self.logged(), 5) or not self._logged_only(token):
            return f"the log does not have reason={token}: {self}"
        if audit and not (wait_for(lambda: self.audited(), 5) and set(self.audited()) == {audit}):
            return f"the audit record does not have {audit}: {self}"
        return ""

    def _logged_only(self, token):
        """An earlier phase may have been passed."""
        return set(self.logged()) <= {token, "allowed"}

    def __str__(self):
        return (f"{self.outcome}\nlogged={self.logged()} audited={self.audited()}\n"
                f"authd: {self.world.daemon.log.lines()[-5:]}\n"
                f"log: {self.world.syslog.lines()[-8:]}")


def expect_entered(tap, name, attempt):
    why = attempt.why_not_entered()
    return tap.result(not why, f"{name}: enters", why)


def expect_refused(tap, name, attempt, token, audit=None):
    why = attempt.why_not_refused(token, audit)
    return tap.result(not why, f"{name}: refused, {token}", why)
