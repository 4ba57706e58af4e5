"""A WebSocket client: of the package websockets over HTTP/1.1, by hand over a stream of HTTP/2 (RFC 8441).

    ws_client.py 1|2 PORT [CA_FILE NAME]

Greets, sends small and large messages both ways, and closes; prints `ok`.
"""

import asyncio
import os
import socket
import ssl
import struct
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings
import websockets

VERSION, PORT = sys.argv[1], int(sys.argv[2])
NAME = sys.argv[4] if len(sys.argv) > 4 else "api.test"
MESSAGES = ["hello", "", "x" * 200, os.urandom(100_000), os.urandom(1 << 20)]


def tls():
    if len(sys.argv) <= 3:
        return None
    context = ssl.create_default_context(cafile=sys.argv[3])
    context.set_alpn_protocols(["h2" if VERSION == "2" else "http/1.1"])
    return context


def expect(condition, what):
    if not condition:
        sys.exit("not as it should be: %s" % what)


async def http1():
    context = tls()
    url = "%s://%s:%d/chat?room=1" % ("wss" if context else "ws", NAME, PORT)
    options = {"ssl": context, "server_hostname": NAME} if context else {}
    async with websockets.connect(
        url, host="127.0.0.1", port=PORT, max_size=None, subprotocols=["chat"], **options
    ) as connection:
        expect(connection.subprotocol == "chat", "the subprotocol")
        expect(await connection.recv() == "welcome to /chat?room=1", "the greeting")
        for message in MESSAGES:
            await connection.send(message)
            expect(await connection.recv() == message, "a message that comes back")
        await asyncio.wait_for(await connection.ping(), 20)
    expect(connection.close_code == 1000, "the close code is %s" % connection.close_code)


class Stream:
    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout=20)
        if context := tls():
            self.socket = context.wrap_socket(self.socket, server_hostname=NAME)
        self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.http2.initiate_connection()
        self.received, self.fields, self.has_ended, self.has_settings = b"", None, False, False

    def turn(self):
        self.socket.sendall(self.http2.data_to_send())
        data = self.socket.recv(65536)
        expect(data, "the connection ended")
        for event in self.http2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.fields = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.received += event.data
                self.http2.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, h2.events.RemoteSettingsChanged):
                self.has_settings = True
            elif isinstance(event, h2.events.StreamEnded):
                self.has_ended = True
            elif isinstance(event, h2.events.StreamReset):
                # Behind the end, when this side has not ended: nobody reads any more (RFC 9113 section 8.1).
                expect(self.has_ended and event.error_code == 0, event)
            elif isinstance(event, h2.events.ConnectionTerminated):
                sys.exit("ended: %s" % event)
        self.socket.sendall(self.http2.data_to_send())

    def take(self, count):
        while len(self.received) < count:
            self.turn()
        taken, self.received = self.received[:count], self.received[count:]
        return taken

    def frame(self):
        """One WebSocket frame (RFC 6455 section 5.2): its kind and payload."""
        first, length = self.take(2)
        if length == 126:
            length = struct.unpack(">H", self.take(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.take(8))[0]
        return first & 15, self.take(length), first & 128

    def message(self):
        kind, payload, is_last = self.frame()
        while not is_last:
            _, more, is_last = self.frame()
            payload += more
        return kind, payload

    def send(self, kind, payload):
        length = len(payload)
        size = bytes([128 | length]) if length < 126 else None
        size = size or (struct.pack(">BH", 254, length) if length < 65536 else struct.pack(">BQ", 255, length))
        data = bytes([128 | kind]) + size + bytes(4) + payload  # masked by zeros
        while data:
            room = min(self.http2.local_flow_control_window(1), self.http2.max_outbound_frame_size, len(data))
            if room <= 0:
                self.turn()
                continue
            self.http2.send_data(1, data[:room])
            data = data[room:]
        self.socket.sendall(self.http2.data_to_send())


def http2():
    stream = Stream()
    while not stream.has_settings:
        stream.turn()
    expect(
        stream.http2.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL) == 1,
        "SETTINGS_ENABLE_CONNECT_PROTOCOL",
    )
    fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https" if tls() else "http")]
    fields += [(":path", "/chat?room=1"), (":authority", NAME), ("sec-websocket-version", "13")]
    stream.http2.send_headers(1, fields + [("sec-websocket-protocol", "chat")])
    while stream.fields is None:
        stream.turn()
    expect(stream.fields[":status"] == "200", stream.fields)
    expect(stream.fields.get("sec-websocket-protocol") == "chat", stream.fields)
    expect(stream.message() == (1, b"welcome to /chat?room=1"), "the greeting")
    for message in MESSAGES:
        payload = message.encode() if isinstance(message, str) else message
        kind = 1 if isinstance(message, str) else 2
        stream.send(kind, payload)
        expect(stream.message() == (kind, payload), "a message that comes back")
    stream.send(8, struct.pack(">H", 1000))
    expect(stream.message() == (8, struct.pack(">H", 1000)), "the close")
    while not stream.has_ended:
        stream.turn()


asyncio.run(http1()) if VERSION == "1" else http2()
print("ok")
