#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every program, module and file has a page; the pages say what --help says, nothing more, refer to pages that
exist, and are free of warnings. Keys of configuration files are compared with the tables by tests/unit/test_settings,
mtlsctl's commands by test_documents.sh."""
import glob
import os
import re
import shutil
import subprocess
import sys

TOP, BUILD = os.environ["top_srcdir"], os.environ["top_builddir"]
sys.path.insert(0, TOP + "/tests/e2e")
# pylint: disable=wrong-import-position
from lib.tap import Tap  # noqa: E402

SECTIONS = {  # the order is the page's own
    "program": ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "FILES", "SEE ALSO"],
    "file": ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "FILES", "SEE ALSO"],
    "module": ["NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUES", "FILES", "SEE ALSO"],
    "nss": ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "SEE ALSO"],
}
PROGRAMS = ["mtls-accountd", "mtls-authd", "mtls-signer", "mtls-signer-agent", "mtls-signer-token", "mtlsctl"]
tap = Tap()


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def listed(variable):
    """A list of the build's Makefile, with its continuations."""
    text = read(BUILD + "/Makefile").replace("\\\n", " ")
    return re.search(rf"^{variable} =(.*)$", text, re.M)[1].split()


PAGES = {os.path.basename(path): read(path) for path in sorted(glob.glob(TOP + "/doc/*.[1-8]"))}


def kind(page):
    if page.endswith(".5"):
        return "file"
    if page[:-2] in PROGRAMS:
        return "program"
    return "nss" if page.startswith("nss_") else "module"


def sections(text):
    return [title.strip().strip('"') for title in re.findall(r"^\.SH (.*)$", text, re.M)]


def section(text, title):
    return re.split(rf'^\.SH "?{title}"?$', text, maxsplit=1, flags=re.M)[-1].split("\n.SH ")[0]


def references(text):
    """(name, number) of all pages that are named in bold with a number behind."""
    plain = text.replace("\\-", "-").replace("\\", "")
    return set(re.findall(r'^\.BR "?([\w.-]+)"? "?\((\d)\)', plain, re.M))


def ours(name):
    return re.match(r"(pam_mtls|nss_mtls|libnss_mtls|mtls|authd|accountd)", name)


# --- every thing has a page, every page is installed ---

installed = {os.path.basename(path) for path in listed("dist_man_MANS")}
tap.result(installed == set(PAGES), "every page is installed", f"{installed ^ set(PAGES)}")
programs = {re.sub(r"\$\(EXEEXT\)", "", os.path.basename(name)) for name in
            listed("sbin_PROGRAMS") + listed("pkglibexec_PROGRAMS") + listed("bin_PROGRAMS")}
tap.result(programs == set(PROGRAMS), "programs that are installed", programs)
wanted = [f"{name}.8" for name in sorted(programs)]
wanted += [os.path.basename(path)[:-3] + ".8" for path in listed("pammod_LTLIBRARIES")] + ["nss_mtls.8"]
wanted += [os.path.basename(path) + ".5" for path in glob.glob(TOP + "/dist/conf/*.conf")]
for page in wanted:
    tap.result(page in PAGES, f"there is a page {page}")
readme = read(TOP + "/README.md")
for page in PAGES:
    tap.result(f"{page[:-2]}({page[-1]})" in readme, f"README.md names {page}")

# --- what is in them ---

for page, text in PAGES.items():
    missing = [title for title in SECTIONS[kind(page)] if title not in sections(text)]
    tap.result(not missing, f"{page}: sections", f"missing: {missing}")
    tap.result(sections(text)[-1] == "SEE ALSO", f"{page}: ends with SEE ALSO", sections(text))
    title = re.search(r"^\.TH \"?(\S+?)\"? (\d)", text, re.M)
    name = re.match(r"([\w.\\-]+(?:, [\w.\\-]+)*) \\- \S", section(text, "NAME").strip())
    tap.result(title and title[1].replace("\\-", "-").lower() + "." + title[2] == page
               and name and page[:-2] in name[1].replace("\\-", "-").split(", "), f"{page}: title and name", title and title[0])
    lost = [f"{name}({number})" for name, number in references(text) if ours(name) and f"{name}.{number}".replace("libnss", "nss") not in PAGES]
    tap.result(not lost, f"{page}: pages that it refers to exist", lost)
    tap.result(references(section(text, "SEE ALSO")), f"{page}: refers to others")

# --- options: --help and the page, both ways ---

for program in PROGRAMS[:-1]:
    done = subprocess.run([f"{BUILD}/{program}", "--help"], capture_output=True, text=True, check=False, timeout=60)
    said = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.stdout))
    options = section(PAGES[program + ".8"], "OPTIONS").replace("\\-", "-")
    documented = {word for line in re.findall(r"^\.TP\n(\.B.*)$", options, re.M) for word in re.findall(r"--[a-z][a-z-]*", line)}
    tap.result(done.returncode == 0 and said and documented == said, f"{program}: options of --help and of the page", f"{documented ^ said}")

# --- files ---

for page, text in PAGES.items():
    if kind(page) == "file":
        tap.result(f"/etc/mtls/{page[:-2]}" in section(text, "FILES").replace("\\-", "-").replace("\\", ""), f"{page}: FILES has the file itself")

# --- how they are set ---

def warnings(program, arguments, page):
    done = subprocess.run([program, *arguments, f"{TOP}/doc/{page}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"})
    return done.stderr.strip() or ("" if done.returncode == 0 else f"status {done.returncode}")


for page in PAGES:
    if shutil.which("groff"):
        told = warnings("groff", ["-ww", "-t", "-man", "-rLL=78n", "-Tutf8", "-z"], page)
        tap.result(not told, f"{page}: groff has no warning", told)
    else:
        tap.skip(f"{page}: groff has no warning", "no groff (groff-base)")
if shutil.which("groff"):
    broken = TOP + "/doc/../tests/tools/broken.8"
    tap.result(warnings("groff", ["-ww", "-t", "-man", "-rLL=78n", "-Tutf8", "-z"], "../tests/tools/broken.8"), "groff would have one", broken)
else:
    tap.skip("groff would have one", "no groff (groff-base)")
tap.plan()
