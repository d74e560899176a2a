# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Every text that pam_mtls shows is marked for translation and has one in each language of po/, with the
same places in braces. Without gettext's tools the texts are English, and there is nothing to test.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ.get("top_srcdir", "."), "tests/e2e"))
from lib import tap  # noqa: E402 pylint: disable=wrong-import-position

TOP = os.environ.get("top_srcdir", ".")
# What takes a text: HACKING.md, "Texts". X: the rows of lib/wire/reason.h.
KEYWORDS = ("N_", "words", "words_plural:1,2", "X:4")
TEXT_MAX = 512  # WORDS_TEXT_MAX
PLACE = re.compile(r"\{[a-z]+\}")
# Functions that show their argument to the person: it must not be a bare text.
SHOWN = re.compile(r'\b(?:prompt_(?:error|info|remark|line|secret|number)|words_line)\('
                   r'(?:[^;"]*,)?\s*(?<!words\()"([^"]*)"')
SAME_EVERYWHERE = {"{number}: {account}"}


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def sources():
    return sorted(glob.glob(TOP + "/pam_mtls/*.c")) + [TOP + "/lib/wire/reason.h"]


def unquote(lines):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', lines)).replace('\\"', '"').replace("\\\\", "\\")


def entries(po):
    """{msgid: [msgid, plural...], [msgstr...]} of the text of a .po file, without its header."""
    found = {}
    for block in re.split(r"\n\n+", po):
        parts = re.findall(r'^(msg[a-z_]+(?:\[\d\])?) ((?:"(?:[^"\\]|\\.)*"\n?)+)', block, re.M)
        ids = [unquote(text) for key, text in parts if key.startswith("msgid")]
        texts = [unquote(text) for key, text in parts if key.startswith("msgstr")]
        if ids and ids[0]:
            found[ids[0]] = (ids, texts)
    return found


def wanted():
    options = ["--keyword="] + ["--keyword=" + word for word in KEYWORDS]
    return entries(run("xgettext", "--language=C", "--from-code=UTF-8", "--no-wrap", "-o", "-", *options,
                       *sources()))


def places(text):
    return sorted(PLACE.findall(text))


def wrong(ids, texts):
    """What is wrong with one translation; empty: nothing."""
    if not texts or not all(texts):
        return "not translated"
    if len(texts) != (1 if len(ids) == 1 else 2):
        return "the number of plural forms"
    for text in texts:
        if places(text) != places(ids[-1]):
            return f"places {places(text)} instead of {places(ids[-1])}"
        if len(text.encode()) >= TEXT_MAX or re.search(r"[\x00-\x1f\x7f]|\\", text):
            return "too long, or control characters"
        if text.endswith(" ") != ids[0].endswith(" "):
            return "the space at its end"
    return ""


def bare_texts():
    found = []
    for path in glob.glob(TOP + "/pam_mtls/*.c"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        found += [f"{os.path.basename(path)}: {shown}" for shown in SHOWN.findall(text)
                  if shown not in SAME_EVERYWHERE]
    return found


def test(out):
    texts = wanted()
    out.result(len(texts) > 80 and "Wrong PIN." in texts and "{tries} try left." in texts,
               f"{len(texts)} texts are marked", "\n".join(texts))
    out.result(not bare_texts(), "nothing is shown that is not marked", "\n".join(bare_texts()))
    odd = [ids for ids, _ in texts.values() if len({tuple(places(i)) for i in ids}) > 1]
    out.result(not odd, "one and many have the same places", odd)
    for path in sorted(glob.glob(TOP + "/po/*.po")):
        name = os.path.basename(path)
        with open(path, encoding="utf-8") as file:
            have = entries(file.read())
        bad = [f"{msgid!r}: {why}" for msgid, (ids, _) in texts.items()
               if (why := wrong(ids, have.get(msgid, (ids, []))[1]))]
        out.result(not bad, f"{name} has each of them, with its places", "\n".join(bad))
        differing = [i for i, (ids, _) in have.items() if i in texts and ids != texts[i][0]]
        out.result(not differing, f"{name}: plurals are those of the sources", differing)
        leftover = sorted(set(have) - set(texts))
        out.result(not leftover, f"{name} has no others", "\n".join(leftover))
        checked = subprocess.run(["msgfmt", "--check-format", "--check-domain", "-o", "/dev/null", path],
                                 check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 encoding="utf-8")
        out.result(checked.returncode == 0 and not checked.stdout, f"{name}: msgfmt has no complaint",
                   checked.stdout)


if __name__ == "__main__":
    if not shutil.which("xgettext") or not shutil.which("msgfmt"):
        tap.skip_all("gettext is not installed: the texts are English")
    sys.exit(tap.run(test))
