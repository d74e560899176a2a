# SPDX-License-Identifier: LGPL-2.1-or-later
"""The closed enumeration of reasons, read from the one table (lib/wire/reason.h)."""
import os
import re

from lib.private import environment

ROW = re.compile(r'X\((\w+),\s*(\d+), "([^"]*)",\s*"([^"]*)", "([^"]*)"\)')


class Reason:
    def __init__(self, name, number, token, text, advice):
        self.name, self.number, self.token, self.text = name, int(number), token, text
        self.advice = advice


def load():
    """{token: Reason} in table order."""
    path = os.path.join(environment("top_srcdir"), "lib/wire/reason.h")
    with open(path, encoding="utf-8") as file:
        rows = ROW.findall(file.read())
    if len(rows) < 40:
        raise RuntimeError("the table of lib/wire/reason.h was not understood")
    return {row[2]: Reason(*row) for row in rows}


def denials():
    """All but `allowed` and `choose`."""
    return {token: reason for token, reason in load().items() if reason.number >= 10}
