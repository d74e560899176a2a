# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Who is measured. All have the same certificates (P-256), ask for a client certificate and verify it, speak
TLS 1.3 only, without tickets and caches, write a line about each connection, and run on one core.
"""
import os
import shutil
import signal
import socket
import subprocess
import time

HTTP_REQUEST = b"GET /empty HTTP/1.1\r\nHost: auth.test\r\nConnection: close\r\n\r\n"
HTTP_EXPECTED = b" 200 "
IDLE_SECONDS = 600
FILES_MAX = 20000
UNIT_ENVIRONMENT = "GLIBC_TUNABLES=glibc.malloc.tcache_count=500"  # of mtls-authd.service

NGINX = """daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections {files}; }}
http {{
    log_format client '$remote_addr $ssl_client_s_dn $ssl_client_serial "$request" $status';
    access_log {folder}/access.log client;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_header_timeout {idle}s;
    keepalive_timeout 0;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {anchor};
        ssl_verify_client on;
        ssl_verify_depth 4;
        ssl_protocols TLSv1.3;
        ssl_ecdh_curve X25519;
        ssl_session_cache off;
        ssl_session_tickets off;
        ssl_conf_command NumTickets 0;
        root {folder}/root;
    }}
}}
"""

HAPROXY = """global
    nbthread 1
    no strict-limits
    maxconn {connections}
    tune.ssl.cachesize 0
    log stdout format raw local0
    stats socket {folder}/stats
defaults
    mode http
    log global
    log-format "%ci %{{+Q}}[ssl_c_s_dn] %[ssl_c_serial,hex] %{{+Q}}r %ST"
    timeout client {idle}s
    timeout http-request {idle}s
    timeout connect 5s
    timeout server 5s
    option http-server-close
frontend it
    bind 127.0.0.1:{port} ssl crt {both} ca-file {anchor} verify required ssl-min-ver TLSv1.3 no-tls-tickets curves X25519 backlog 4096
    http-request return status 200
"""


class Contender:
    """A server that listens at `address` from start() to stop()."""
    key = label = package = program = ""
    port = 0
    idles = False  # whether idle connections are counted too

    def __init__(self, world):
        self.world, self.process = world, None
        self.folder = f"/run/mtls-test/bench-{self.key}"
        self.request, self.expected, self.alpn = HTTP_REQUEST, HTTP_EXPECTED, None
        self.address = f"tcp:127.0.0.1:{self.port}"

    def missing(self):
        return bool(self.program) and not self.command()

    def command(self):
        return shutil.which(self.program, path="/usr/sbin:/usr/bin:/sbin:/bin")

    def files(self):
        """Writes what the server reads; its command line."""
        raise NotImplementedError

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder + "/root")
        os.chmod(self.folder, 0o755)
        with open(self.folder + "/root/empty", "wb"):
            pass
        argv = ["prlimit", f"--nofile={FILES_MAX}:{FILES_MAX}", "taskset", "-c", self.world.server_core, *self.files()]
        with open(self.folder + "/output", "wb") as output:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                            start_new_session=True, cwd="/")
        self.wait_until_it_listens()

    def wait_until_it_listens(self):
        for _ in range(500):
            with socket.socket() as sock:
                try:
                    sock.connect(("127.0.0.1", self.port))
                    return
                except OSError:
                    if self.process.poll() is not None:
                        break
            time.sleep(0.02)
        raise RuntimeError(f"{self.label} does not listen: {self.told()}")

    def told(self):
        with open(self.folder + "/output", encoding="utf-8", errors="replace") as output:
            return output.read()

    def leader(self):
        return self.process.pid

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None

    def fill(self, template):
        world = self.world
        return template.format(folder=self.folder, port=self.port, idle=IDLE_SECONDS, files=FILES_MAX,
                               connections=15000, certificate=world.at("server.pem"),
                               key=world.at("server.key"), anchor=world.at("user-ca.pem"),
                               both=self.folder + "/both.pem")


class Nginx(Contender):
    idles = True
    key, label, package, program, port = "nginx", "nginx", "nginx", "nginx", 7501

    def files(self):
        write(self.folder + "/nginx.conf", self.fill(NGINX))
        return [self.command(), "-c", self.folder + "/nginx.conf"]


class Haproxy(Contender):
    idles = True
    key, label, package, program, port = "haproxy", "haproxy", "haproxy", "haproxy", 7502

    def files(self):
        write(self.folder + "/haproxy.cfg", self.fill(HAPROXY))
        with open(self.world.at("server.pem"), encoding="ascii") as cert, \
                open(self.world.at("server.key"), encoding="ascii") as key:
            write(self.folder + "/both.pem", cert.read() + key.read())
        return [self.command(), "-db", "-f", self.folder + "/haproxy.cfg"]


class GnutlsServ(Contender):
    key, label, package, program, port = "gnutls-serv", "gnutls-serv", "gnutls-bin", "gnutls-serv", 7503

    def files(self):
        world = self.world
        return [self.command(), "--http", "--quiet", f"--port={self.port}", "--noticket", "--nodb",
                "--require-client-cert", "--verify-client-cert", f"--x509cafile={world.at('user-ca.pem')}",
                f"--x509certfile={world.at('server.pem')}", f"--x509keyfile={world.at('server.key')}",
                "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.3"]


class Ours(Contender):
    """mtls-authd with its lookup processes, and an AuthRequest that is answered: allowed."""
    changes, tcp, port = {}, True, 7443

    def __init__(self, world):
        super().__init__(world)
        self.request, self.expected, self.alpn = world.request, world.expected, world.alpn
        self.address = f"tcp:127.0.0.1:{self.port}" if self.tcp else "unix:" + world.alone.socket

    def start(self):
        alone = self.world.alone
        alone.write_settings(**{**self.world.settings, **self.changes})
        alone.daemon.argv = ["env", UNIT_ENVIRONMENT, "prlimit", f"--nofile={FILES_MAX}:{FILES_MAX}",
                             "taskset", "-c", self.world.server_core, alone.program]
        alone.daemon.start()
        self.process = alone.daemon.process
        self.wait_until_it_listens()  # by TCP too

    def told(self):
        return self.world.alone.daemon.log.lines()

    def stop(self):
        if self.process:
            self.process = None
            self.world.alone.daemon.stop()


class Memo(Ours):
    key, label = "mtls", "mtls-authd"


class NoMemo(Ours):
    key, label, changes = "mtls-no-memo", "mtls-authd, chain_memo = 0", {"chain_memo": "0"}


class Unix(Ours):
    idles = True
    key, label, tcp = "mtls-unix", "mtls-authd, unix socket", False


CONTENDERS = (Memo, NoMemo, Unix, Nginx, Haproxy, GnutlsServ)


def write(path, text):
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(text)
