"""HTTP/2 clients: h2load for load, and a connection that sends one request after another for a known number of them."""

import os
import re
import struct
import subprocess

import certificates
import process

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
WIDE_WINDOW = struct.pack(">I", 2**30)
# RFC 7541, appendix A: `:status: 200` in the static table.
INDEXED_200 = 0x88


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A field that no table keeps, so that the block is the same for every request."""
    return b"\x00" + _text(name) + _text(value)


def _text(text):
    """RFC 7541, section 5.2, without Huffman coding; section 5.1 for the length."""
    data = text.encode()
    if len(data) < 127:
        return bytes([len(data)]) + data
    rest, length = len(data) - 127, b"\x7f"
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + data


def _status_is_200(block):
    """The status comes first, after at most some changes of the table's size (RFC 7541, section 6.3)."""
    at = 0
    while at < len(block) and block[at] & 0xE0 == 0x20:
        long = block[at] & 0x1F == 0x1F
        at += 1
        while long and at < len(block):
            long = block[at] & 0x80 != 0
            at += 1
    return at < len(block) and block[at] == INDEXED_200


class Connection:
    """One request at a time on a connection that is kept. `trailers` tells whether the last reply had any."""

    def __init__(self, sock, scenario, path):
        self.socket = sock
        headers = {name.lower(): value for name, value in scenario.request_headers().items()}
        scheme = "https" if scenario.tls else "http"
        fields = {":method": scenario.method, ":scheme": scheme, ":authority": headers.pop("host"), ":path": path}
        body = scenario.body.encode()
        if body:
            headers["content-length"] = str(len(body))
        self.block = b"".join(literal(name, value) for name, value in {**fields, **headers}.items())
        self.body = body
        self.stream = -1
        self.trailers = False
        self.left_over = b""
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(WINDOW_UPDATE, 0, 0, WIDE_WINDOW))

    def send(self):
        self.stream += 2
        request = frame(HEADERS, END_HEADERS | (0 if self.body else END_STREAM), self.stream, self.block)
        if self.body:
            request += frame(DATA, END_STREAM, self.stream, self.body)
        self.socket.sendall(request)

    def read_reply(self):
        """The reply's head, still encoded, and its body."""
        head, body, self.trailers = None, b"", False
        while True:
            kind, flags, stream, payload = self._frame()
            if kind == SETTINGS and not flags & ACK:
                self.socket.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.socket.sendall(frame(PING, ACK, 0, payload))
            elif kind in (GOAWAY, RST_STREAM):
                raise RuntimeError(f"the proxy gave up: frame type {kind}, {payload.hex()}")
            if stream != self.stream:
                continue
            if kind == HEADERS:
                self.trailers = head is not None
                head = payload if head is None else head
            elif kind == DATA:
                body += payload
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                if head is None or not _status_is_200(head):
                    raise RuntimeError(f"no status 200: {(head or b'').hex()}")
                return head, body

    def _frame(self):
        header = self._exactly(9)
        payload = self._exactly(int.from_bytes(header[:3], "big"))
        return header[3], header[4], int.from_bytes(header[5:], "big") & 0x7FFFFFFF, payload

    def _exactly(self, count):
        while len(self.left_over) < count:
            data = self.socket.recv(65536)
            if not data:
                raise RuntimeError("the proxy closed an HTTP/2 connection")
            self.left_over += data
        result, self.left_over = self.left_over[:count], self.left_over[count:]
        return result

    def close(self):
        self.socket.close()


class H2Load:
    """The load of a scenario: `connections` that each have `streams` requests under way."""

    def __init__(self, scenario, port, folder):
        self.environment = {**os.environ, **(certificates.client_environment(folder) if scenario.tls else {})}
        self.command = ["h2load", "-t1", f"-c{scenario.connections}", f"-m{scenario.streams}"]
        for name, value in scenario.request_headers().items():
            self.command += ["-H", f"{':authority' if name == 'Host' else name.lower()}: {value}"]
        if scenario.body:
            body = folder / "body"
            body.write_bytes(scenario.body.encode())
            self.command += ["-d", str(body)]
        self.url = f"{'https' if scenario.tls else 'http'}://127.0.0.1:{port}{scenario.path}"

    def run(self, seconds):
        run = subprocess.run(
            [*self.command, f"-D{seconds}", self.url],
            capture_output=True,
            text=True,
            timeout=seconds + 20,
            stdin=subprocess.DEVNULL,
            env=self.environment,
            preexec_fn=lambda: os.sched_setaffinity(0, {process.LOAD_CORE}),
        )
        counts = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", run.stdout)
        codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", run.stdout)
        if run.returncode or not counts or not codes:
            raise RuntimeError(f"h2load failed: {run.stdout[-400:]}{run.stderr[-400:]}")
        done, _, failed, errored, timeouts = (int(count) for count in counts.groups())
        # A failed request is counted among the errored, or as one with a bad status, or both.
        errors = max(failed, errored + sum(int(count) for count in codes.groups()[1:])) + timeouts
        return {"requests": done, "microseconds": seconds * 1e6, "errors": errors}
