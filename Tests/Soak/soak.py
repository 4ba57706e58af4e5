#!/usr/bin/env python3
"""What takes too long for every test run: large bodies through small limits, thousands of slow clients, random bytes.

Each scenario ends by itself, watches that others are still answered, and checks the proxy's memory and descriptors. Sizes can be
made smaller: soak.py --gib 1 --clients 500 --seconds 10.
"""

import argparse
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 65536
CHUNK = bytes(1 << 20)


class Upstream:
    """Sends /bytes/N bytes, takes what is posted, and answers `ok` to the rest."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.faults = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rb") as file:
            try:
                while self.answer(connection, file):
                    pass
            except OSError:
                pass
            except (ValueError, IndexError) as error:
                self.faults.append(error)

    def answer(self, connection, file):
        line = file.readline()
        if not line:
            return False
        path, length, chunked = line.split()[1].decode(), 0, False
        while (field := file.readline()) not in (b"\r\n", b""):
            name, _, value = field.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            chunked |= name.lower() == b"transfer-encoding"
        while chunked and (size := int(file.readline() or b"0", 16)):
            file.read(size + 2)
        while chunked and file.readline() not in (b"\r\n", b""):
            pass
        taken = bytearray(1 << 20)
        while length > 0:
            count = file.readinto(memoryview(taken)[: min(length, len(taken))])
            if not count:
                return False
            length -= count
        if path.startswith("/bytes/"):
            size = int(path.split("/")[2])
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            while size > 0:
                connection.sendall(CHUNK[: min(size, len(CHUNK))])
                size -= len(CHUNK)
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True


class Proxy:
    def __init__(self, program, folder, upstream):
        self.port, self.admin = free_port(), free_port()
        config = Path(folder) / "martlet.yaml"
        config.write_text(f"""
admin: {{ address: "127.0.0.1:{self.admin}" }}
listeners:
  - name: public
    address: "127.0.0.1:{self.port}"
    limits: {{ stream_buffer: {LIMIT // 1024}KiB, request_headers_timeout: 20s }}
    filters: [router]
    routes: [{{ match: {{}}, cluster: app, timeout: 600s }}]
clusters:
  - {{ name: app, endpoints: ["127.0.0.1:{upstream.port}"] }}
""")
        subprocess.run([program, "check", str(config)], check=True)
        with open(Path(folder) / "log", "wb") as log:
            self.process = subprocess.Popen([program, "run", "--config", str(config), "--workers", "1"], stderr=log)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def get(self):
        try:
            with self.connect() as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                return read_all(client).endswith(b"ok")
        except OSError:
            return False

    def memory(self):
        """Resident bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=60)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def read_all(client):
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def until(condition, what, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


class Watch:
    """Asks for a small answer again and again while something else goes on, and notes the most memory seen."""

    def __init__(self, proxy):
        self.proxy, self.answered, self.failed, self.most, self.ends = proxy, 0, 0, 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ends:
            if self.proxy.get():
                self.answered += 1
            else:
                self.failed += 1
            self.most = max(self.most, self.proxy.memory())
            time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.thread.join()


def download(proxy, size):
    with proxy.connect() as client:
        client.sendall(b"GET /bytes/%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % size)
        taken, buffer = 0, bytearray(1 << 20)
        while count := client.recv_into(buffer):
            taken += count
    return taken >= size


def upload(proxy, size):
    with proxy.connect() as client:
        client.settimeout(600)
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        while size > 0:
            client.sendall(CHUNK[: min(size, len(CHUNK))])
            size -= len(CHUNK)
        return read_all(client).endswith(b"ok")


def dribble(proxy, count, seconds):
    """Clients that send a byte of a header a second: all are cut off in time, none is answered with more than 408."""
    clients, head = [], b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 600
    for _ in range(count):
        clients.append(proxy.connect())
    most = proxy.memory()
    for at in range(seconds):
        began = time.monotonic()
        for client in clients:
            try:
                client.send(head[at : at + 1])
            except OSError:
                pass
        time.sleep(max(0, began + 1 - time.monotonic()))
        most = max(most, proxy.memory())
    ended = 0
    for client in clients:
        client.settimeout(5)
        try:
            answer = client.recv(200)
            ended += answer == b"" or b" 408 " in answer
        except ConnectionError:
            ended += 1
        except OSError:
            pass
        client.close()
    return ended, most


def noise(proxy, seconds, seed):
    """Random bytes, and requests with random damage, on 32 connections at a time."""
    source, end, sent = random.Random(seed), time.monotonic() + seconds, 0
    request = b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    while time.monotonic() < end:
        clients = [proxy.connect() for _ in range(32)]
        for client in clients:
            if source.random() < 0.5:
                data = source.randbytes(source.randrange(1, 4000))
            else:
                damaged = bytearray(request)
                for _ in range(source.randrange(1, 6)):
                    damaged[source.randrange(len(damaged))] = source.randrange(256)
                data = bytes(damaged)
            try:
                client.sendall(data)
                if source.random() < 0.3:
                    client.shutdown(socket.SHUT_WR)
                sent += 1
            except OSError:
                pass
        for client in clients:
            client.close()
    return sent


def soak(proxy, arguments, check):
    until(proxy.get, "the proxy to answer")
    base, descriptors, size = proxy.memory(), proxy.descriptors(), int(arguments.gib * (1 << 30))
    for name, transfer in (("down", download), ("up", upload)):
        with Watch(proxy) as watch:
            whole = transfer(proxy, size)
        check(whole, f"{arguments.gib:g} GiB {name} through stream_buffer {LIMIT // 1024} KiB")
        check(watch.most - base < 4 << 20, f"  memory {base >> 10} KiB, at most {watch.most >> 10} KiB")
        check(watch.failed == 0 and watch.answered > 0, f"  {watch.answered} others answered, {watch.failed} failed")
    with Watch(proxy) as watch:
        ended, most = dribble(proxy, arguments.clients, arguments.seconds)
    check(ended == arguments.clients, f"{arguments.clients} dribbling clients, {ended} cut off")
    check(most - base < arguments.clients * 2048 + (8 << 20), f"  memory at most {most >> 10} KiB")
    check(watch.failed == 0 and watch.answered > 0, f"  {watch.answered} others answered, {watch.failed} failed")
    with Watch(proxy) as watch:
        sent = noise(proxy, arguments.seconds, arguments.seed)
    check(watch.failed == 0 and watch.answered > 0, f"{sent} times noise (seed {arguments.seed}), {watch.failed} others failed")
    until(lambda: proxy.descriptors() <= descriptors + 4, "descriptors to be closed", 60)
    check(True, f"  {proxy.descriptors()} descriptors, {descriptors} at first")
    check(proxy.memory() - base < 24 << 20, f"  memory {proxy.memory() >> 10} KiB in the end")
    check(proxy.stop() == 0, "the proxy drains and ends")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=str(ROOT / ".build/release/martlet"))
    parser.add_argument("--gib", type=float, default=10)
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    failures = []

    def check(holds, text):
        print(("ok    " if holds else "FAILS ") + text, flush=True)
        if not holds:
            failures.append(text)

    with tempfile.TemporaryDirectory() as folder:
        upstream = Upstream()
        proxy = Proxy(arguments.program, folder, upstream)
        try:
            soak(proxy, arguments, check)
            check(not upstream.faults, f"the upstream saw well-formed requests alone {upstream.faults[:3]}")
        finally:
            proxy.process.kill()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
