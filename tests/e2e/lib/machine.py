# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a private root needs of a machine: a loopback interface that is up, and a system log.

    machine.py SOCKET LOGFILE READY-FIFO

Each datagram on SOCKET becomes one line of LOGFILE. "ready" is written to the fifo once messages
would be kept, or the reason why not. Ends with the private root.
"""
import fcntl
import os
import socket
import struct
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(sock, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


def open_log(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(path)
    os.chmod(path, 0o666)
    return sock


def collect(sock, logfile):
    while True:
        message = sock.recv(65536)
        line = message.rstrip(b"\0\n").replace(b"\n", b"\\n")
        os.write(logfile, line + b"\n")


def main():
    socket_path, log_path, ready = sys.argv[1:]
    try:
        loopback_up()
        sock = open_log(socket_path)
        logfile = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        print(f"no system log: {error}", file=sys.stderr)
        return 1
    with open(ready, "w", encoding="utf-8") as fifo:
        fifo.write("ready\n")
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    collect(sock, logfile)
    return 0


if __name__ == "__main__":
    sys.exit(main())
