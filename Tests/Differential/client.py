"""A client that sends exactly the bytes it is told and keeps what comes back as it came."""

import socket
from dataclasses import dataclass, field

SECONDS = 20


@dataclass(frozen=True)
class Request:
    method: str = "GET"
    target: str = "/"
    host: str = "test.example"
    headers: tuple = ()
    body: bytes = b""

    def bytes(self, extra=()):
        """`host: None` leaves the field out."""
        fields = [("Host", self.host)] if self.host is not None else []
        fields += [*self.headers, *extra]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            fields.append(("Content-Length", str(len(self.body))))
        lines = [f"{self.method} {self.target} HTTP/1.1"] + [f"{name}: {value}" for name, value in fields]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body

    def __str__(self):
        fields = "".join(f" [{name}: {value}]" for name, value in self.headers)
        return f"{self.method} {self.target} host={self.host}{fields}" + (f" +{len(self.body)} bytes" if self.body else "")


@dataclass
class Response:
    """`status` is 0 when no answer came; `is_whole` says whether the body came to its end."""

    status: int = 0
    headers: list = field(default_factory=list)
    body: bytes = b""
    is_whole: bool = True

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name]

    def first(self, name):
        return next(iter(self.all(name)), None)


class Client:
    """One keep-alive connection to one listener, made anew when the proxy ended it."""

    def __init__(self, port):
        self._port = port
        self._socket = None
        self._buffer = b""

    def ask(self, request, extra=()):
        """A connection that the proxy has ended since the last response is noticed before anything is sent."""
        if self._socket is not None and self._is_ended():
            self.close()
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), SECONDS)
            self._buffer = b""
        try:
            self._socket.sendall(request.bytes(extra))
            response, stays = self._read(request.method)
        except (ConnectionError, EOFError, TimeoutError):
            response, stays = Response(), False
        if not stays:
            self.close()
        return response

    def close(self):
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _is_ended(self):
        self._socket.setblocking(False)
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        finally:
            self._socket.settimeout(SECONDS)

    # Reading

    def _more(self):
        data = self._socket.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data

    def _until(self, end):
        while end not in self._buffer:
            self._more()
        part, self._buffer = self._buffer.split(end, 1)
        return part

    def _exactly(self, count):
        while len(self._buffer) < count:
            self._more()
        part, self._buffer = self._buffer[:count], self._buffer[count:]
        return part

    def _read(self, method):
        status = 100
        while 100 <= status < 200:
            lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
        response = Response(status, [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]])
        stays = "close" not in (response.first("connection") or "").lower()
        try:
            stays &= self._read_body(method, response)
        except (ConnectionError, EOFError, TimeoutError):
            response.is_whole, stays = False, False
        return response, stays

    def _read_body(self, method, response):
        if method == "HEAD" or response.status in (204, 304):
            return True
        if "chunked" in (response.first("transfer-encoding") or "").lower():
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                response.body += self._exactly(size + 2)[:size]
            while self._until(b"\r\n"):
                pass
            return True
        length = response.first("content-length")
        if length is not None:
            response.body = self._exactly(int(length))
            return True
        try:
            while True:
                self._more()
        except EOFError:
            response.body, self._buffer = self._buffer, b""
        return False
