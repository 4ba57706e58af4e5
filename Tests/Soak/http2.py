#!/usr/bin/env python3
"""HTTP/2 for longer than a test run takes: a thousand certificate swaps and reloads under load, a minute of rapid reset.

Certificates are replaced by renaming files and the configuration changes each time, while h2load asks without a pause and a
connection of the beginning stays in use; no stream may fail. Then one client resets as fast as it can, and others are timed.
Sizes can be made smaller: http2.py --swaps 50 --seconds 5.
"""

import argparse
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from soak import ROOT, Upstream, free_port, until

PEERS = ROOT / "Tests/EndToEnd/Peers"
# Debian's, which has the package h2; another one in front need not.
PYTHON = "/usr/bin/python3"


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def certificates(folder):
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Soak CA", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:api.test")
    for name in ("0", "1"):
        openssl(folder, "req", *curve, "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=api.test")
        openssl(
            folder, "x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", name + ".pem",
        )


class Proxy:
    def __init__(self, program, folder, upstream):
        self.folder, self.upstream = folder, upstream
        self.port, self.clear, self.admin = free_port(), free_port(), free_port()
        self.use(0)
        command = [program, "run", "--config", str(folder / "martlet.yaml"), "--workers", "2"]
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, stderr=log)

    def use(self, number):
        """Puts certificate, key and configuration in their places, one after the other."""
        for kind in ("key", "pem"):
            new = self.folder / "new"
            new.write_bytes((self.folder / f"{number % 2}.{kind}").read_bytes())
            new.chmod(0o600)
            new.rename(self.folder / f"own.{kind}")
        chain = f'filters: [{{ headers: {{ response: {{ set: {{ x-round: "{number}" }} }} }} }}, router]'
        new = self.folder / "new"
        new.write_text(f"""
admin: {{ address: "127.0.0.1:{self.admin}" }}
listeners:
  - name: public
    address: "127.0.0.1:{self.port}"
    tls: {{ certificate: own.pem, private_key: own.key }}
    {chain}
    routes: [{{ match: {{}}, cluster: app }}]
  - name: clear
    address: "127.0.0.1:{self.clear}"
    {chain}
    routes: [{{ match: {{}}, cluster: app }}]
clusters:
  - {{ name: app, endpoints: ["127.0.0.1:{self.upstream.port}"] }}
""")
        new.rename(self.folder / "martlet.yaml")

    def reload(self):
        urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/reload", data=b"", timeout=30).read()

    def certificate(self):
        """What a new connection is shown."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            with context.wrap_socket(connection, server_hostname="api.test") as client:
                return client.getpeercert(binary_form=True)

    def memory(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


class Load(threading.Thread):
    """h2load, again and again."""

    def __init__(self, url):
        super().__init__()
        self.url, self.ends, self.good, self.bad = url, False, 0, []

    def run(self):
        while not self.ends:
            command = ["h2load", "-n", "5000", "-c", "8", "-m", "16", self.url]
            output = subprocess.run(command, capture_output=True, text=True).stdout
            if "status codes: 5000 2xx" in output:
                self.good += 5000
            else:
                self.bad.append(output)


def swaps(proxy, rounds, check):
    load = Load(f"https://127.0.0.1:{proxy.port}/")
    shown = [ssl.PEM_cert_to_DER_cert((proxy.folder / f"{number}.pem").read_text()) for number in (0, 1)]
    kept = subprocess.Popen(
        [PYTHON, PEERS / "kept_connections.py", str(proxy.port), proxy.folder / "ca.pem", "api.test"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )

    def ask(line):
        kept.stdin.write(line + "\n")
        return kept.stdout.readline().strip()

    ask("open h2")
    load.start()
    wrong, lost, memory = 0, 0, None
    for number in range(1, rounds + 1):
        proxy.use(number)
        proxy.reload()
        wrong += proxy.certificate() != shown[number % 2]
        lost += ask("get 0 /") != "200 ok"
        if number == max(rounds // 10, 1):
            memory = proxy.memory()
    load.ends = True
    load.join()
    kept.kill()
    check(wrong == 0, f"{rounds} swaps and reloads, {wrong} not in force at once")
    check(lost == 0, f"  the connection of the beginning: {lost} requests failed")
    check(not load.bad and load.good > 0, f"  {load.good} streams under load, failures: {load.bad[:1]}")
    check(proxy.memory() < memory + (16 << 10), f"  memory {memory} KiB after a tenth, {proxy.memory()} KiB in the end")


def latencies(proxy, seconds):
    """Of requests on one HTTP/1.1 connection, a hundredth of a second apart, in milliseconds; None for one that failed."""
    end, times = time.monotonic() + seconds, []
    with socket.create_connection(("127.0.0.1", proxy.clear), timeout=30) as client:
        while time.monotonic() < end:
            began = time.monotonic()
            client.sendall(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok"):
                part = client.recv(65536)
                if not part:
                    return times + [None]
                answer += part
            times.append((time.monotonic() - began) * 1000)
            time.sleep(0.01)
    return times


def rapid_reset(proxy, seconds, check):
    def worst(times):
        return sorted(times)[len(times) * 99 // 100]

    before = latencies(proxy, max(seconds / 6, 2))
    client = subprocess.Popen(
        [PYTHON, PEERS / "h2_client.py", str(proxy.clear)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    client.stdin.write(f"rapid {seconds}\n")
    client.stdin.flush()
    time.sleep(1)
    memory = proxy.memory()
    during = latencies(proxy, seconds - 1)
    told = client.stdout.readline().strip()
    client.kill()
    check(None not in before + during, f"rapid reset for {seconds} s: {told}")
    check(
        worst(during) <= 2 * worst(before),
        f"  p99 of another client: {worst(before):.2f} ms before, {worst(during):.2f} ms meanwhile",
    )
    check(proxy.memory() < memory + (8 << 10), f"  memory {memory} KiB at first, {proxy.memory()} KiB in the end")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=str(ROOT / ".build/release/martlet"))
    parser.add_argument("--swaps", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    failures = []

    def check(holds, text):
        print(("ok    " if holds else "FAILS ") + text, flush=True)
        if not holds:
            failures.append(text)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates(folder)
        proxy = Proxy(os.path.abspath(arguments.program), folder, Upstream())
        try:
            until(lambda: " ready: " in (folder / "log").read_text(), "the proxy to be ready")
            swaps(proxy, arguments.swaps, check)
            rapid_reset(proxy, arguments.seconds, check)
            proxy.process.terminate()
            check(proxy.process.wait(timeout=60) == 0, "the proxy drains and ends")
        finally:
            proxy.process.kill()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
