"""An HTTP server in four forms at once: HTTP/1.1 and HTTP/2 (of the package h2), each in clear text and over TLS.

    origin.py CERTIFICATE KEY HTTP1_PORT HTTP1_TLS_PORT HTTP2_PORT HTTP2_TLS_PORT

/seen answers with what it received, as JSON; /kept/NAME remembers it, and /told/NAME is the list of what was remembered. /hang/NAME
is never answered, and remembers that it has begun and how it ended. /cut breaks off in the middle of its body. The other paths are in
`answer`. A path that begins with /p/ is one without that.
"""

import gzip
import hashlib
import json
import re
import socket
import ssl
import sys
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

tries, kept = {}, {}
lock = threading.Lock()


class Request:
    def __init__(self, protocol, fields):
        self.protocol, self.fields, self.body, self.trailers = protocol, fields, bytearray(), []
        self.pseudo = {name: value for name, value in fields if name.startswith(":")}
        self.hangs_as = None

    def seen(self):
        return json.dumps(
            {
                "protocol": self.protocol,
                "pseudo": self.pseudo,
                "fields": [field for field in self.fields if not field[0].startswith(":")],
                "length": len(self.body),
                "digest": hashlib.sha256(self.body).hexdigest(),
                "trailers": self.trailers,
            }
        ).encode()


class Response:
    """`body` is None where none may follow; `is_sized` says whether its length is told."""

    def __init__(self, status=200, fields=(), body=b"", trailers=(), is_sized=True, hints=(), is_cut=False):
        self.status, self.fields, self.body, self.trailers = status, list(fields), body, list(trailers)
        self.is_sized, self.hints, self.is_cut = is_sized and not trailers, hints, is_cut
        if body is not None and self.is_sized:
            self.fields.append(("content-length", str(len(body))))


def keep(name, text):
    with lock:
        kept.setdefault(name, []).append(text)


def answer(request):
    path = re.sub("^/p/[^/]*", "", request.pseudo[":path"]).split("?")[0]
    kind, _, rest = path[1:].partition("/")
    text = [("content-type", "text/plain")]
    if kind == "seen":
        return Response(fields=[("content-type", "application/json")], body=request.seen())
    if kind == "echo":
        return Response(fields=text, body=bytes(request.body))
    if kind == "bytes":
        return Response(fields=text, body=b"0123456789abcdef" * (int(rest) // 16))
    if kind == "unsized":
        return Response(fields=text, body=b"0123456789abcdef" * (int(rest) // 16), is_sized=False)
    if kind == "gzipped":
        return Response(fields=text + [("content-encoding", "gzip")], body=gzip.compress(b"0123456789abcdef" * (int(rest) // 16)))
    if kind == "grpc.Echo":
        fields, trailers = [("content-type", "application/grpc")], [("grpc-status", "0")]
        return Response(fields=fields, body=bytes(request.body), trailers=trailers)
    if kind == "status":
        bodiless = rest in ("204", "304")
        return Response(int(rest), [("etag", '"1"')], None if bodiless else rest.encode())
    if kind == "redirect":
        return Response(302, [("location", "/seen")])
    if kind == "trailers":
        return Response(fields=text, body=b"body", trailers=[("x-checksum", "1234"), ("x-more", "a")])
    if kind == "hints":
        links = [(103, [("link", "</%s>; rel=preload" % name)]) for name in ["style.css", "script.js"][: int(rest or 1)]]
        return Response(body=b"hinted", hints=links)
    if kind == "cookies":
        return Response(fields=[("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2")])
    if kind == "big":
        return Response(fields=[("x-big-%d" % index, "v" * 1000) for index in range(int(rest) // 1000)])
    if kind == "flaky":
        with lock:
            tries[rest] = tries.get(rest, 0) + 1
            is_failing = tries[rest] < 2
        return Response(503 if is_failing else 200, body=b"busy" if is_failing else b"at last")
    if kind == "slow-first":
        with lock:
            tries[rest] = tries.get(rest, 0) + 1
            is_slow = tries[rest] < 2
        if not is_slow:
            return Response(fields=text, body=b"0123456789abcdef" * 10_000, is_sized=False)
        request.hangs_as = rest
        return None
    if kind == "kept":
        keep(rest, request.seen().decode())
        return Response(body=b"kept")
    if kind == "told":
        with lock:
            return Response(fields=[("content-type", "application/json")], body=("[%s]" % ",".join(kept.get(rest, []))).encode())
    if kind == "hang":
        request.hangs_as = rest
        keep(rest, '"begun"')
        return None
    if kind == "cut":
        return Response(fields=text, body=b"0123456789abcdef" * 64, is_sized=rest != "unsized", is_cut=True)
    if kind == "auth":
        if dict(request.fields).get("x-token") == "good":
            return Response(fields=[("x-user", "ann"), ("x-other", "unasked")])
        return Response(401, [("www-authenticate", "Token"), ("x-other", "unasked")], b"who are you?")
    return Response(404, body=b"no such path")


# HTTP/1.1


def fields_of(file):
    fields = []
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        fields.append((name.lower(), value.strip()))
    return fields


def read_request(file):
    line = file.readline()
    if not line:
        return None
    method, path, _ = line.decode("latin-1").split()
    fields = fields_of(file)
    values = dict(fields)
    request = Request(
        "HTTP/1.1", [(":method", method), (":path", path), (":authority", values.get("host", ""))] + fields
    )
    if "chunked" in values.get("transfer-encoding", ""):
        while size := int(file.readline(), 16):
            request.body += file.read(size)
            file.readline()
        request.trailers = fields_of(file)
    else:
        request.body += file.read(int(values.get("content-length", 0)))
    return request


def head(status, fields):
    lines = ["HTTP/1.1 %d Any" % status] + ["%s: %s" % field for field in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def serve_http1(connection):
    file = connection.makefile("rb")
    while request := read_request(file):
        response = answer(request)
        if response is None:
            try:
                file.read(1)
            finally:
                keep(request.hangs_as, '"gone"')
            return
        for status, fields in response.hints:
            connection.sendall(head(status, fields))
        is_chunked = response.body is not None and not response.is_sized
        connection.sendall(
            head(response.status, response.fields + ([("transfer-encoding", "chunked")] if is_chunked else []))
        )
        if request.pseudo[":method"] == "HEAD" or not response.body and not is_chunked:
            continue
        if response.is_cut:
            half = response.body[: len(response.body) // 2]
            connection.sendall(b"%x\r\n%s\r\n" % (len(half), half) if is_chunked else half)
            return
        if is_chunked:
            for start in range(0, len(response.body), 50_000):
                chunk = response.body[start : start + 50_000]
                connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            last = "".join("%s: %s\r\n" % field for field in response.trailers)
            connection.sendall(b"0\r\n" + last.encode() + b"\r\n")
        else:
            connection.sendall(response.body)


# HTTP/2


class HTTP2:
    def __init__(self, connection):
        self.connection, self.requests, self.waiting, self.hanging = connection, {}, {}, {}
        self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.http2.local_settings = h2.settings.Settings(
            client=False, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20}
        )
        self.http2.initiate_connection()
        self.send()

    def send(self):
        self.connection.sendall(self.http2.data_to_send())

    def serve(self):
        while data := self.connection.recv(65536):
            for event in self.http2.receive_data(data):
                self.handle(event)
            self.flush()
            self.send()

    def handle(self, event):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.RequestReceived):
            self.requests[stream] = Request("HTTP/2", event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.requests[stream].body += event.data
            if event.flow_controlled_length:
                self.http2.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, h2.events.TrailersReceived):
            self.requests[stream].trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            self.respond(stream, self.requests.pop(stream))
        elif isinstance(event, h2.events.StreamReset):
            self.requests.pop(stream, None)
            self.waiting.pop(stream, None)
            if name := self.hanging.pop(stream, None):
                keep(name, '"gone"')

    def respond(self, stream, request):
        response = answer(request)
        if response is None:
            self.hanging[stream] = request.hangs_as
            return
        for status, fields in response.hints:
            self.http2.send_headers(stream, [(":status", str(status))] + fields)
        body = b"" if request.pseudo[":method"] == "HEAD" else response.body or b""
        trailers = [] if request.pseudo[":method"] == "HEAD" else response.trailers
        fields = [(":status", str(response.status))] + response.fields
        self.http2.send_headers(stream, fields, end_stream=not body and not trailers)
        if response.is_cut:
            self.http2.send_data(stream, body[: len(body) // 2])
            self.http2.reset_stream(stream, 2)
        elif body or trailers:
            self.waiting[stream] = (memoryview(body), trailers)

    def flush(self):
        for stream, (body, trailers) in list(self.waiting.items()):
            while body:
                room = min(
                    self.http2.local_flow_control_window(stream), self.http2.max_outbound_frame_size, len(body)
                )
                if room <= 0:
                    break
                self.http2.send_data(stream, body[:room].tobytes(), end_stream=room == len(body) and not trailers)
                body = body[room:]
            if body:
                self.waiting[stream] = (body, trailers)
                continue
            if trailers:
                self.http2.send_headers(stream, trailers, end_stream=True)
            del self.waiting[stream]


def serve_http2(connection):
    HTTP2(connection).serve()


# Connections


def listen(port, serve, protocol, certificate):
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.set_alpn_protocols([protocol])
    listener = socket.create_server(("127.0.0.1", port), backlog=256)

    def serve_one(connection):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve(context.wrap_socket(connection, server_side=True) if context else connection)
        except (OSError, h2.exceptions.H2Error, ValueError):
            pass
        finally:
            connection.close()

    def accept():
        while True:
            threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


if __name__ == "__main__":
    certificate, ports = sys.argv[1:3], [int(port) for port in sys.argv[3:7]]
    listen(ports[0], serve_http1, "http/1.1", None)
    listen(ports[1], serve_http1, "http/1.1", certificate)
    listen(ports[2], serve_http2, "h2", None)
    listen(ports[3], serve_http2, "h2", certificate)
    threading.Event().wait()
