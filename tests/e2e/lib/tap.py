# SPDX-License-Identifier: LGPL-2.1-or-later
"""TAP: one line a result, the plan at the end."""
import sys
import traceback


class Tap:
    def __init__(self, stream=sys.stdout):
        self.stream = stream
        self.count = 0
        self.failed = 0

    def note(self, text):
        for line in str(text).splitlines() or [""]:
            print(f"# {line}", file=self.stream, flush=True)

    def result(self, passed, name, details=""):
        self.count += 1
        self.failed += not passed
        word = "ok" if passed else "not ok"
        print(f"{word} {self.count} - {name.replace('#', '')}", file=self.stream, flush=True)
        if not passed and details:
            self.note(details)
        return passed

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}", file=self.stream, flush=True)

    def plan(self):
        print(f"1..{self.count}", file=self.stream, flush=True)


def skip_all(reason):
    """The whole test is skipped: no result, a reason."""
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def run(test):
    """Calls test(tap); an exception is a failed result, never a silent end."""
    tap = Tap()
    try:
        test(tap)
    except Exception:  # pylint: disable=broad-except
        tap.result(False, "the test ran to its end", traceback.format_exc())
    tap.plan()
    return 0  # the results say the rest
