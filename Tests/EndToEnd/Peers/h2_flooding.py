"""An HTTP/2 server in clear text, made of frames, that floods who asks it something: the path says with what. Notes what it is
told as lines `KIND CODE`, with the code of the GOAWAY.

    h2_flooding.py PORT FILE

/ok is answered. The others are in `floods`.
"""

import select
import socket
import struct
import sys
import threading

import hpack

PORT, FILE = int(sys.argv[1]), open(sys.argv[2], "a", buffering=1)
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
STATUS_200 = b"\x88"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def floods(stream):
    """What comes once, and what comes again and again."""
    return {
        "ping": (b"", frame(PING, 0, 0, bytes(8))),
        "settings": (b"", frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535))),
        "priority": (b"", frame(PRIORITY, 0, stream, struct.pack(">IB", 0, 15))),
        "window-update": (b"", frame(WINDOW, 0, 0, struct.pack(">I", 1))),
        "unknown": (b"", frame(99, 0, 0, b"what")),
        "empty-data": (frame(HEADERS, 4, stream, STATUS_200), frame(DATA, 0, stream)),
        "continuation": (frame(HEADERS, 0, stream, STATUS_200), frame(CONTINUATION, 0, stream, b"\x00\x01a\x01b")),
        "push": (b"", frame(PUSH, 4, stream, struct.pack(">I", 2) + b"\x82\x86\x84\x01\x01a")),
    }


class Connection:
    def __init__(self, connection):
        self.socket, self.buffer, self.decoder = connection, b"", hpack.Decoder()

    def receive(self):
        """The next frame; EOFError at the end."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
        if kind == SETTINGS and not flags & 1:
            self.socket.sendall(frame(SETTINGS, 1, 0))
        return kind, flags, stream, payload

    def serve(self):
        while len(self.buffer) < 24:
            data = self.socket.recv(65536)
            if not data:
                return
            self.buffer += data
        self.buffer = self.buffer[24:]
        self.socket.sendall(frame(SETTINGS, 0, 0))
        while True:
            kind, _, stream, payload = self.receive()
            if kind != HEADERS:
                continue
            what = dict(self.decoder.decode(payload))[":path"][1:]
            if what == "ok":
                self.socket.sendall(frame(HEADERS, 4, stream, STATUS_200) + frame(DATA, 1, stream, b"ok"))
            else:
                return FILE.write("%s %s\n" % (what, self.flood(*floods(stream)[what])))

    def flood(self, once, again):
        """Goes on until the client says that it has had enough."""
        try:
            self.socket.sendall(once)
            for _ in range(10_000):
                self.socket.sendall(again * 20)
                while select.select([self.socket], [], [], 0)[0]:
                    kind, _, _, payload = self.receive()
                    if kind == GOAWAY:
                        return struct.unpack(">I", payload[4:8])[0]
        except (EOFError, OSError):
            return "none"


def serve(connection):
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Connection(connection).serve()
    except (EOFError, OSError):
        pass
    finally:
        connection.close()


listener = socket.create_server(("127.0.0.1", PORT), backlog=64)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
