# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The memo of verified chains in a running mtls-authd: what fills it, what does not, and what it never
decides. One worker, so that the second login meets what the first has left.
"""
import sys

from lib import control, private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.hosts import PamHost
from lib.world import World, run, settings_text


class Memo:
    def __init__(self, out):
        self.out = out
        self.world = World()
        self.world.install(self.world.conf + "/authd.conf",
                           settings_text({**self.world.authd_settings(), "workers": 1}))
        self.world.restart()

    def counts(self):
        """(found, not found) so far."""
        answer = control.ask(self.world.rundir + "/authd-control.sock", "status")
        found = {row.get("label-value"): int(row["value"]) for row in answer.kind("counter")
                 if row["name"] == "mtls_authd_chain_memo_total"}
        return found.get("hit", 0), found.get("miss", 0)

    def enters(self, name, person, hits, misses):
        """@person enters, and the memo was asked with these results meanwhile."""
        before = self.counts()
        expect_entered(self.out, name, Attempt(self.world, PamHost(), person))
        self.asked(name, before, hits, misses)

    def asked(self, name, before, hits, misses):
        after = self.counts()
        self.out.result((after[0] - before[0], after[1] - before[1]) == (hits, misses),
                        f"{name}: found {hits}, not found {misses}", f"{before} {after}")

    def stranger(self):
        """Somebody shows carol's chain, which is not known yet, and cannot sign."""
        before = self.counts()
        self.world.evil_signer("honest", "carol", key=self.world.pki.at("mismatch.key"))
        expect_refused(self.out, "carol's chain without her key",
                       Attempt(self.world, PamHost(), "bob"), "bad-signature", "bad-signature")
        self.asked("a stranger leaves nothing", before, 0, 0)

    def revoke(self):
        """A chain that the memo knows, and a list that came later."""
        ca = self.world.pki.user_ca
        ca.revoke(self.world.pki.leaf["good"])
        ca.crl(self.world.pki.at("later.crl"))
        with open(self.world.pki.at("later.crl"), encoding="utf-8") as file:
            self.world.change(self.world.conf + "/crl/user.pem", file.read())
        run("mtlsctl", "reload")


def test(out):
    memo = Memo(out)
    memo.enters("the first login", "bob", 0, 1)
    memo.enters("the second", "bob", 1, 0)
    memo.enters("another's", "alice", 0, 1)
    memo.stranger()
    memo.world.passing()
    memo.enters("carol, after the stranger", "carol", 0, 1)
    memo.enters("and bob as before", "bob", 1, 0)
    run("mtlsctl", "reload")
    memo.enters("after a reload", "bob", 0, 1)
    memo.enters("and again", "bob", 1, 0)
    memo.revoke()
    expect_refused(out, "revoked since", Attempt(memo.world, PamHost(), "bob"), "cert-revoked",
                   "cert-revoked")
    memo.enters("who was not revoked", "carol", 0, 1)
    memo.world.close()
    out.result(not memo.world.problems(), "no daemon, worker or signer crashed", memo.world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
