# SPDX-License-Identifier: LGPL-2.1-or-later
"""The audit file of mtls-authd and the system log, read from where one stood."""
import json
import os
import re
import select
import time

SYSLOG = "/run/mtls-test/syslog"
REASON = re.compile(r"\breason=([a-z0-9-]+)")


class Tail:
    """The lines that a file gets after mark()."""

    def __init__(self, path):
        self.path = path
        self.offset = 0

    def mark(self):
        try:
            self.offset = os.stat(self.path).st_size
        except FileNotFoundError:
            self.offset = 0

    def lines(self):
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                file.seek(self.offset)
                return file.read().splitlines()
        except FileNotFoundError:
            return []


class Audit(Tail):
    """Records of mtls-authd, one JSON object a line."""

    def records(self):
        return [json.loads(line) for line in self.lines() if line]

    def tokens(self):
        return [record.get("reason") for record in self.records()]


class Syslog(Tail):
    def tokens(self):
        """Reasons that pam_mtls logged."""
        found = [REASON.search(line) for line in self.lines() if "pam_mtls" in line]
        return [match.group(1) for match in found if match]


def wait_for(condition, deadline=10.0):
    """Calls condition() until it is true; False when the deadline passed."""
    until = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > until:
            return False
        select.select([], [], [], 0.003)
    return True
