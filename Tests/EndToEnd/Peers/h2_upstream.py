"""An HTTP/2 server in clear text that treats its clients as it is told to, and notes what it saw as lines of JSON. Calls of gRPC are
answered as such.

    h2_upstream.py PORT MODE FILE

echo         answers with the length of what came
goaway       takes five requests a connection, says so by GOAWAY before it answers them, and looks at no other
refuse       refuses every third request with REFUSED_STREAM
cut          resets each response in its middle
windows      opens its windows by few bytes at a time, then answers as `echo`
limit        takes four streams at a time and answers when four are open, or none has come for a while
deaf         opens its windows wide and reads no more once a request has begun
closed       never opens a window again
goaway-once  waits for three requests on its first connection and answers one: its GOAWAY says that it has not looked at the others.
             Later ones are as `echo`
hang         never answers
early        answers a request's head at once, and resets the rest of it with NO_ERROR
"""

import json
import select
import socket
import sys
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame

PORT, MODE, FILE = int(sys.argv[1]), sys.argv[2], open(sys.argv[3], "a", buffering=1)
SETTINGS = h2.settings.SettingCodes
lock = threading.Lock()
count, has_gone_away = 0, False


def note(**what):
    with lock:
        FILE.write(json.dumps(what) + "\n")


def next_number():
    global count
    with lock:
        count += 1
        return count


class Connection(h2.connection.H2Connection):
    # A stream too many is refused below; h2 would end the connection.
    open_inbound_streams = 0


class Server:
    def __init__(self, connection, number):
        self.connection, self.number = connection, number
        self.bodies, self.paths, self.taken, self.held, self.calls = {}, {}, 0, [], set()
        self.http2 = Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        settings = {"limit": {SETTINGS.MAX_CONCURRENT_STREAMS: 4}, "windows": {SETTINGS.INITIAL_WINDOW_SIZE: 1000}}
        settings["deaf"] = {SETTINGS.INITIAL_WINDOW_SIZE: 2**31 - 1}
        self.http2.initiate_connection()
        # In force once the client has acknowledged them, as for any client.
        if MODE in settings:
            self.http2.update_settings(settings[MODE])
        if MODE == "deaf":
            self.http2.increment_flow_control_window(2**31 - 1 - 65535)
        self.send()

    def send(self):
        self.connection.sendall(self.http2.data_to_send())

    def serve(self):
        note(event="connected", connection=self.number)
        while True:
            if self.held and MODE != "goaway-once" and not select.select([self.connection], [], [], 0.03)[0]:
                self.go_away() if MODE == "goaway" else self.release()
                if MODE == "goaway":
                    return
            data = self.connection.recv(65536)
            if not data:
                return
            for event in self.http2.receive_data(data):
                self.handle(event, getattr(event, "stream_id", None))
            self.send()
            if MODE == "goaway" and len(self.held) >= 5:
                return self.go_away()
            if MODE == "goaway-once" and len(self.held) == 3:
                return self.go_away_once()
            if MODE == "deaf" and self.bodies:
                threading.Event().wait()

    def handle(self, event, stream):
        if isinstance(event, h2.events.RequestReceived):
            if MODE == "limit" and len(self.bodies) == 4:
                return self.http2.reset_stream(stream, 7)
            fields = dict(event.headers)
            self.bodies[stream], self.paths[stream] = 0, fields[":path"]
            if fields.get("content-type") == "application/grpc":
                self.calls.add(stream)
            note(event="request", connection=self.number, stream=stream, path=fields[":path"])
            if MODE == "early":
                self.http2.send_headers(stream, [(":status", "413"), ("content-length", "3")])
                self.http2.send_data(stream, b"big", end_stream=True)
                self.bodies.pop(stream)
                try:
                    self.http2.reset_stream(stream, 0)
                except h2.exceptions.StreamClosedError:
                    # The request has come whole already.
                    pass
            if MODE == "limit":
                note(event="open", connection=self.number, streams=len(self.bodies))
        elif isinstance(event, h2.events.DataReceived) and stream in self.bodies:
            self.bodies[stream] += len(event.data)
            if MODE != "closed" and event.flow_controlled_length:
                self.http2.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, h2.events.StreamReset):
            note(event="reset", connection=self.number, stream=stream, code=event.error_code)
            self.bodies.pop(stream, None)
            self.held = [held for held in self.held if held != stream]
        elif isinstance(event, h2.events.PingReceived):
            note(event="ping", connection=self.number)
        elif isinstance(event, h2.events.ConnectionTerminated):
            note(event="goaway", connection=self.number, code=event.error_code)
        elif isinstance(event, h2.events.StreamEnded) and stream in self.bodies:
            self.ended(stream)

    def ended(self, stream):
        if MODE in ("echo", "windows"):
            return self.answer(stream)
        if MODE == "refuse":
            self.taken += 1
            if self.taken % 3 == 0:
                self.bodies.pop(stream)
                return self.http2.reset_stream(stream, 7)
            return self.answer(stream)
        if MODE == "cut":
            self.http2.send_headers(stream, [(":status", "200"), ("content-length", "1000")])
            self.http2.send_data(stream, b"x" * 500)
            self.bodies.pop(stream)
            return self.http2.reset_stream(stream, 2)
        if MODE == "goaway-once" and has_gone_away:
            return self.answer(stream)
        if MODE in ("goaway", "goaway-once"):
            self.held.append(stream)
        if MODE == "limit":
            self.held.append(stream)
            if len(self.held) == 4:
                self.release()

    def go_away(self):
        self.send()
        # Not by h2, which would take the connection for closed.
        self.held = self.held[:5]
        self.connection.sendall(hyperframe.frame.GoAwayFrame(0, last_stream_id=max(self.held)).serialize())
        self.release()

    def go_away_once(self):
        global has_gone_away
        has_gone_away = True
        self.held = self.held[:1]
        self.go_away()

    def release(self):
        for stream in self.held:
            self.answer(stream)
        self.held = []
        self.send()

    def answer(self, stream):
        text = b"%d" % self.bodies.pop(stream)
        note(event="answered", connection=self.number, stream=stream, path=self.paths[stream])
        if stream in self.calls:
            self.http2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
            self.http2.send_data(stream, b"\0" + len(text).to_bytes(4, "big") + text)
            return self.http2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
        self.http2.send_headers(stream, [(":status", "200"), ("content-length", "%d" % len(text))])
        self.http2.send_data(stream, text, end_stream=True)


def serve(connection, number):
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Server(connection, number).serve()
        # All that was sent arrives; then whatever else comes is not looked at.
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    except (OSError, h2.exceptions.H2Error) as error:
        note(event="failed", connection=number, error=repr(error))
    finally:
        note(event="over", connection=number)
        connection.close()


listener = socket.create_server(("127.0.0.1", PORT), backlog=256)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0], next_number()), daemon=True).start()
