"""The upstreams of both proxies: every endpoint records what it was asked and answers as the case's script says."""

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field

# Names the case to the upstream; nothing edits it.
CASE_HEADER = "x-case"


@dataclass
class Seen:
    """One request as it reached an endpoint: an attempt of a proxy."""

    endpoint: str
    method: str
    target: str
    headers: list
    body: bytes = b""


@dataclass(frozen=True)
class Respond:
    """Answers; without a body, the body is the endpoint's name. `closes` ends the connection, and says so."""

    status: int = 200
    headers: tuple = ()
    body: bytes | None = None
    closes: bool = False


@dataclass(frozen=True)
class Raw:
    """Writes these bytes and closes."""

    data: bytes


@dataclass(frozen=True)
class Close:
    """Closes without an answer; `resets` with a TCP reset."""

    resets: bool = False


@dataclass(frozen=True)
class BreakOff:
    """Begins an answer of 100 bytes and resets after the first ten."""


@dataclass(frozen=True)
class Hang:
    """Answers nothing until the other side goes away."""


@dataclass
class Record:
    """What became of one case: the script's answers by attempt, the last one for all further ones."""

    script: tuple = (Respond(),)
    seen: list = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, seen):
        with self.changed:
            self.seen.append(seen)
            self.changed.notify_all()
            return self.script[min(len(self.seen), len(self.script)) - 1]

    def wait_for(self, count, seconds=5):
        """For attempts that nobody's answer waits for, such as mirrored ones."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.seen) >= count, seconds)


class Upstreams:
    """All endpoints, on one thread of their own."""

    def __init__(self, ports):
        self._ports = ports
        self._records = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def endpoint(self, name):
        """A listening endpoint's port."""
        port = self._ports.take()
        listener = self._ports.listen(port)

        async def serve():
            return await asyncio.start_server(lambda r, w: self._serve(name, r, w), sock=listener)

        asyncio.run_coroutine_threadsafe(serve(), self._loop).result()
        return port

    def record(self, case, script):
        self._records[case] = Record(tuple(script))
        return self._records[case]

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    # The protocol, as plainly as it can be read.

    async def _serve(self, name, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await self._serve_one(name, reader, writer):
                pass
        with contextlib.suppress(ConnectionError):
            writer.close()

    async def _serve_one(self, name, reader, writer):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
        values = {key.lower(): value for key, value in headers}
        seen = Seen(name, method, target, headers)
        if values.get("transfer-encoding", "").lower() == "chunked":
            seen.body = await read_chunks(reader)
        else:
            seen.body = await reader.readexactly(int(values.get("content-length", "0")))
        record = self._records.get(values.get(CASE_HEADER))
        action = record.add(seen) if record else Respond()
        return await self._act(action, seen, reader, writer)

    async def _act(self, action, seen, reader, writer):
        match action:
            case Respond():
                writer.write(response(action, seen))
                await writer.drain()
                return not action.closes
            case Raw():
                writer.write(action.data)
                await writer.drain()
            case Close(resets=True):
                reset(writer)
            case BreakOff():
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789")
                await writer.drain()
                reset(writer)
            case Hang():
                await reader.read()
        return False


def response(action, seen):
    body = seen.endpoint.encode() if action.body is None else action.body
    lines = [f"HTTP/1.1 {action.status} Status"] + [f"{name}: {value}" for name, value in action.headers]
    if action.closes:
        lines.append("connection: close")
    bodiless = action.status in (204, 304)
    if not bodiless and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in action.headers):
        lines.append(f"content-length: {len(body)}")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head if bodiless or seen.method == "HEAD" else head + body


def reset(writer):
    """Ends the connection with RST instead of FIN."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def read_chunks(reader):
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass
            return body
        body += (await reader.readexactly(size + 2))[:size]
