# SPDX-License-Identifier: LGPL-2.1-or-later
"""Answers a program's prompts on a terminal of its own: ask.py LINE... -- COMMAND...

One LINE for each prompt that ends in ': '; the LINE '^C' is the interrupt key. Prints what the
terminal showed. Exit status: the command's, 130 when a signal ended it, 98 when the terminal was left
without echo, 97 when no prompt came.
"""
import os
import pty
import select
import signal
import sys
import termios

split = sys.argv.index("--")
answers, command = sys.argv[1:split], sys.argv[split + 1:]
terminal, other = pty.openpty()
pid = os.fork()
if pid == 0:
    os.close(terminal)
    os.login_tty(other)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)  # a shell's background job ignores them
    os.execv(command[0], command)
# The parent keeps the other side too: its settings stay readable until the end.
seen = b""


def read_until(text):
    global seen
    start = len(seen)
    while text not in seen[start:]:
        if not select.select([terminal], [], [], 20)[0]:
            sys.exit(97)
        seen += os.read(terminal, 4096)


for answer in answers:
    read_until(b": ")
    os.write(terminal, b"\x03" if answer == "^C" else answer.encode() + b"\n")
signal.alarm(20)
_, status = os.waitpid(pid, 0)
while select.select([terminal], [], [], 0)[0]:
    seen += os.read(terminal, 4096)
sys.stdout.write(seen.decode(errors="replace"))
if not termios.tcgetattr(other)[3] & termios.ECHO:
    sys.exit(98)
sys.exit(130 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
