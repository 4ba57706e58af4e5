"""Connections that stay, told what to do line by line; each line is answered with one.

    kept_connections.py PORT [CA_FILE NAME [CERTIFICATE KEY]]

open h1|h2           opens one more connection: its number, and the serial number of the server's certificate
get NUMBER PATH      a request on it: its status and the body's beginning, or why there is none
told NUMBER          what an HTTP/2 connection has been told so far: `goaway LAST CODE`, or `nothing`
"""

import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events

PORT = int(sys.argv[1])
NAME = sys.argv[3] if len(sys.argv) > 3 else "api.test"


def serial_of(certificate):
    """The serial number is the first INTEGER behind the version, in the outer two sequences (RFC 5280 section 4.1)."""

    def enter(at):
        length = certificate[at + 1]
        return (at + 2, length) if length < 128 else (at + 2 + (length & 127), 0)

    at, _ = enter(0)
    at, _ = enter(at)
    at += 2 + certificate[at + 1]
    return certificate[at + 2 : at + 2 + certificate[at + 1]].hex()


class Connection:
    def __init__(self, version):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=20)
        self.serial, self.http2, self.events = "none", None, []
        if len(sys.argv) > 2:
            context = ssl.create_default_context(cafile=sys.argv[2])
            if len(sys.argv) > 4:
                context.load_cert_chain(*sys.argv[4:6])
            context.set_alpn_protocols(["h2" if version == "h2" else "http/1.1"])
            self.socket = context.wrap_socket(self.socket, server_hostname=NAME)
            self.serial = serial_of(self.socket.getpeercert(binary_form=True))
        if version == "h2":
            self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
            self.http2.initiate_connection()
            self.socket.sendall(self.http2.data_to_send())

    def get(self, path):
        if self.http2:
            return self.finish(self.begin(path))
        self.socket.sendall(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path.encode(), NAME.encode()))
        file = self.socket.makefile("rb")
        status, length = file.readline().split()[1].decode(), 0
        while (line := file.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return "%s %s" % (status, file.read(length).decode()[:100])

    def begin(self, path):
        stream = self.http2.get_next_available_stream_id()
        fields = [(":method", "GET"), (":scheme", "http"), (":authority", NAME), (":path", path)]
        self.http2.send_headers(stream, fields, end_stream=True)
        self.socket.sendall(self.http2.data_to_send())
        return stream

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise OSError("the connection ended")
        for event in self.http2.receive_data(data):
            self.events.append(event)
            if isinstance(event, h2.events.DataReceived):
                self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.socket.sendall(self.http2.data_to_send())

    def finish(self, stream):
        while True:
            own = [event for event in self.events if getattr(event, "stream_id", None) == stream]
            for event in own:
                if isinstance(event, h2.events.StreamReset):
                    return "reset %d" % event.error_code
                if isinstance(event, h2.events.StreamEnded):
                    heads = [event for event in own if isinstance(event, h2.events.ResponseReceived)]
                    body = b"".join(event.data for event in own if isinstance(event, h2.events.DataReceived))
                    return "%s %s" % (dict(heads[0].headers)[":status"], body.decode()[:100])
            self.receive()

    def told(self):
        self.socket.settimeout(0.01)
        try:
            while True:
                self.receive()
        except OSError:
            pass
        self.socket.settimeout(20)
        ends = [event for event in self.events if isinstance(event, h2.events.ConnectionTerminated)]
        return "goaway %d %d" % (ends[-1].last_stream_id, ends[-1].error_code) if ends else "nothing"


connections = []


def obey(words):
    if words[0] == "open":
        connections.append(Connection(words[1]))
        return "%d %s" % (len(connections) - 1, connections[-1].serial)
    connection = connections[int(words[1])]
    if words[0] == "get":
        return connection.get(words[2])
    return connection.told()


for line in sys.stdin:
    try:
        print(obey(line.split()).strip(), flush=True)
    except Exception as error:
        print("failed: %r" % error, flush=True)
