"""A connection of HTTP/2 made of frames, to the PORT (CA_FILE NAME) that its script was started with."""

import collections
import select
import socket
import ssl
import struct
import sys

import hpack

PORT = int(sys.argv[1])
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def head(method, path):
    """Fields without Huffman and tables (RFC 7541 section 6.2.2)."""
    return b"".join(
        [
            b"\x83" if method == "POST" else b"\x82",
            b"\x86",
            b"\x01\x08api.test",
            b"\x04" + bytes([len(path)]) + path.encode(),
        ]
    )


class Connection:
    def __init__(self, settings=b""):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(sys.argv) > 2:
            context = ssl.create_default_context(cafile=sys.argv[2])
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(self.socket, server_hostname=sys.argv[3])
        self.buffer, self.frames, self.next = b"", collections.deque(), 1
        self.window, self.initial, self.stream_window = 65535, 65535, 0
        self.decoder, self.code, self.last = hpack.Decoder(), None, None
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        self.socket.sendall(data)

    def begin(self, method, path, ends):
        stream, self.next = self.next, self.next + 2
        self.stream_window = self.initial
        self.send(frame(HEADERS, 5 if ends else 4, stream, head(method, path)))
        return stream

    def receive(self, timeout=30):
        """The next frame as (kind, flags, stream, payload); None when none comes. EOFError at the end."""
        while True:
            if len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + length:
                    kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
                    payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
                    self.handle(kind, flags, stream, payload)
                    return kind, flags, stream, payload
            is_pending = isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()
            if not is_pending and not select.select([self.socket], [], [], timeout)[0]:
                return None
            data = self.socket.recv(262144)
            if not data:
                raise EOFError
            self.buffer += data

    def handle(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & 1:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at : at + 6])
                if name == 4:
                    self.stream_window += value - self.initial
                    self.initial = value
            self.send(frame(SETTINGS, 1, 0))
        elif kind == PING and not flags & 1:
            self.send(frame(PING, 1, 0, payload))
        elif kind == GOAWAY:
            self.last, self.code = struct.unpack(">II", payload[:8])
        elif kind == WINDOW and stream == 0:
            self.window += struct.unpack(">I", payload)[0]
        elif kind == WINDOW:
            self.stream_window += struct.unpack(">I", payload)[0]

    def settle(self):
        """Everything that was sent before has been looked at: frames until a PING has come back."""
        self.send(frame(PING, 0, 0, b"settling"))
        seen = []
        while True:
            got = self.receive()
            if got is None or got[0] == PING and got[1] & 1:
                return seen
            seen.append(got)

    def ending(self):
        """Reads to the end: the code of a GOAWAY, or None."""
        try:
            while self.code is None and self.receive():
                pass
        except (EOFError, OSError):
            pass
        return self.code
