"""An HTTP/2 client made of frames, that does what no client that means well does. Told what to do line by line; each line is
answered with one.

    h2_client.py PORT [CA_FILE NAME]

many N             begins N requests at once, before anything of the server is read: how many were refused
many-late N        the same, once the server's settings are known
unread-window PATH asks for PATH, opens no window, and reads until nothing comes: how many bytes
unread-socket PATH opens all windows, asks for PATH and reads nothing until `drain`
drain              reads that response to its end: its status and length
upload N PATH      sends N bytes of a body as the windows allow, until nothing moves: how many
ask METHOD PATH    a request on one connection for all of these, a POST with a body that does not end: its status, how many bytes
                   came, and how it ended: `end`, `reset CODE`, `end reset CODE` or `eof`
begin PATH         asks for PATH on a connection of its own and does not look at the answer
reset              resets that request, or the response that is not read
resets N PATH      begins N requests and resets each: how it went
rapid SECONDS      the same at full speed, over as many connections as it takes: streams, connections, codes of GOAWAY
open PATH          begins a request with a body on the connection that `many` or `open` has made last: the stream
told               what that connection has been told: `goaway LAST CODE`, or `nothing`
end STREAM         ends that request: its status and its body
half-head          begins a head and says no more: the code of a GOAWAY
slow-head          the same, a byte of it now and then
idle               says nothing behind the preface: the code of a GOAWAY
idle-after PATH    the same behind an answer
stalled N PATH     asks for PATH N times and opens no window: how many were reset, and the code of a GOAWAY
flood KIND         sends frames until the server has enough of it: the code of its GOAWAY
"""

import collections
import json
import select
import struct
import sys
import time

from h2_connection import CONTINUATION, DATA, HEADERS, PING, PRIORITY, RST, SETTINGS, WINDOW, Connection, frame, head

NOTHING_COMES = 0.5


def many(number, is_late):
    connection = Connection()
    if is_late:
        connection.settle()
    for _ in range(number):
        connection.begin("POST", "/", False)
    try:
        seen = connection.settle()
        seen += connection.settle()
    except EOFError:
        return "ended"
    codes = [struct.unpack(">I", got[3])[0] for got in seen if got[0] == RST]
    keep.append(connection)
    return " ".join(["refused"] + [str(code) for code in codes])


def unread_window(path):
    connection = Connection()
    connection.begin("GET", path, True)
    keep.append(connection)
    count = 0
    while got := connection.receive(NOTHING_COMES):
        count += len(got[3]) if got[0] == DATA else 0
    return "%d" % count


def unread_socket(path):
    connection = Connection(struct.pack(">HI", 4, 2**31 - 1))
    connection.send(frame(WINDOW, 0, 0, struct.pack(">I", 2**31 - 1 - 65535)))
    connection.begin("GET", path, True)
    keep.append(connection)
    time.sleep(2 * NOTHING_COMES)
    return "waiting"


def drain():
    connection, count, status = keep[-1], 0, "none"
    while got := connection.receive():
        if got[0] == HEADERS:
            status = dict(connection.decoder.decode(got[3]))[":status"]
        elif got[0] == DATA:
            count += len(got[3])
        if got[0] in (HEADERS, DATA) and got[1] & 1 or got[0] == RST:
            break
    return "%s %d" % (status, count)


def upload(size, path):
    connection = Connection()
    connection.settle()
    stream, sent = connection.begin("POST", path, False), 0
    keep.append(connection)
    while sent < size:
        room = min(16384, connection.window, connection.stream_window, size - sent)
        if room > 0:
            if not select.select([], [connection.socket], [], 2 * NOTHING_COMES)[1]:
                break
            connection.send(frame(DATA, 0, stream, bytes(room)))
            connection.window, connection.stream_window, sent = (
                connection.window - room,
                connection.stream_window - room,
                sent + room,
            )
            if not select.select([connection.socket], [], [], 0)[0]:
                continue
        if connection.receive(2 * NOTHING_COMES) is None:
            break
    return "%d" % sent


def ask(method, path):
    if not asking:
        asking.append(Connection())
        asking[0].settle()
    connection, status, count, ending = asking[0], "none", 0, ""
    stream = connection.begin(method, path, method != "POST")
    if method == "POST":
        connection.send(frame(DATA, 0, stream, b"unfinished"))
    while not ending or method == "POST" and ending == "end":
        try:
            got = connection.receive()
        except (EOFError, OSError):
            return ("%s %d %s" % (status, count, ending + " eof")).replace("  ", " ")
        if got is None or got[2] != stream:
            if got is None:
                break
            continue
        if got[0] == HEADERS:
            status = dict(connection.decoder.decode(got[3])).get(":status", status)
        elif got[0] == DATA:
            count += len(got[3])
            connection.send(frame(WINDOW, 0, 0, struct.pack(">I", max(1, len(got[3])))))
        elif got[0] == RST:
            ending = (ending + " reset %d" % struct.unpack(">I", got[3])[0]).strip()
        if got[0] in (HEADERS, DATA) and got[1] & 1:
            ending = "end"
    return "%s %d %s" % (status, count, ending)


def begin(path):
    connection = Connection()
    connection.settle()
    connection.begin("GET", path, True)
    keep.append(connection)
    return "begun"


def reset():
    connection = keep[-1]
    connection.send(frame(RST, 0, connection.next - 2, struct.pack(">I", 8)))
    return "reset"


def resets(number, path):
    connection = Connection()
    connection.settle()
    for index in range(number):
        stream = connection.begin("GET", path, True)
        if index % 2:
            connection.settle()
        connection.send(frame(RST, 0, stream, struct.pack(">I", 8)))
    connection.settle()
    keep.append(connection)
    return "done"


def rapid(seconds):
    end, streams, connections, codes = time.monotonic() + seconds, 0, 0, collections.Counter()
    while time.monotonic() < end:
        connection = Connection()
        connections += 1
        try:
            while time.monotonic() < end and connection.code is None:
                batch = b""
                for _ in range(100):
                    batch += frame(HEADERS, 5, connection.next, head("GET", "/"))
                    batch += frame(RST, 0, connection.next, struct.pack(">I", 8))
                    connection.next += 2
                connection.send(batch)
                streams += 100
                while connection.receive(0):
                    pass
        except (EOFError, OSError):
            pass
        if time.monotonic() < end:
            codes[str(connection.ending())] += 1
        connection.socket.close()
    return json.dumps({"streams": streams, "connections": connections, "codes": codes})


def stalled(number, path):
    connection, resets = Connection(struct.pack(">HI", 4, 0)), 0
    try:
        for _ in range(number):
            connection.begin("GET", path, True)
        while connection.code is None and resets < number and (got := connection.receive()):
            resets += got[0] == RST
        return "%d %s" % (resets, connection.code)
    except EOFError:
        return "%d %s" % (resets, connection.code)


def flood(kind):
    connection = Connection()
    connection.settle()
    if kind in ("empty-data", "continuation"):
        stream = connection.next
        connection.send(frame(HEADERS, 4 if kind == "empty-data" else 0, stream, head("POST", "/hang")))
    else:
        stream = 0
    table = {
        "ping": frame(PING, 0, 0, bytes(8)),
        "settings": frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)),
        "priority": frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 15)),
        "window-update": frame(WINDOW, 0, 0, struct.pack(">I", 1)),
        "unknown": frame(99, 0, 0, b"what"),
        "empty-data": frame(DATA, 0, stream),
        "continuation": frame(CONTINUATION, 0, stream, b"\x00\x01a\x01b"),
    }
    try:
        for number in range(200_000):
            if kind == "reset":
                connection.begin("GET", "/hang", True)
                connection.send(frame(RST, 0, connection.next - 2, struct.pack(">I", 8)))
            elif kind == "refused":
                connection.begin("POST", "/hang", False)
            elif kind == "provoked":
                # A window that opens too far: the server is made to reset the stream (RFC 9113 section 6.9.1).
                stream = connection.begin("POST", "/hang", False)
                connection.send(frame(WINDOW, 0, stream, struct.pack(">I", 2**31 - 1)))
            else:
                connection.send(table[kind])
            while number % 10 == 9 and connection.receive(0):
                pass
            if connection.code is not None:
                break
    except (EOFError, OSError):
        pass
    return "%s" % connection.ending()


def half_head(drips):
    connection = Connection()
    connection.settle()
    stream = connection.next
    connection.send(frame(HEADERS, 1, stream, head("GET", "/")))
    try:
        while drips and connection.code is None:
            connection.send(frame(CONTINUATION, 0, stream, b"\x00\x01a\x01b"))
            connection.receive(0.05)
    except (EOFError, OSError):
        pass
    return "%s" % connection.ending()


def idle(path):
    connection = Connection()
    connection.settle()
    if path:
        connection.begin("GET", path, True)
        while (got := connection.receive()) and not (got[0] in (HEADERS, DATA) and got[1] & 1):
            pass
    code = connection.ending()
    try:
        while connection.receive():
            pass
    except EOFError:
        return "%s" % code
    return "%s, and still there" % code


def open_stream(path):
    if not keep:
        keep.append(Connection())
    return "%d" % keep[-1].begin("POST", path, False)


def told():
    connection = keep[-1]
    while connection.receive(0.01):
        pass
    return "nothing" if connection.code is None else "goaway %d %d" % (connection.last, connection.code)


def end(stream):
    connection, status, body = keep[-1], "none", b""
    connection.send(frame(DATA, 1, stream, b"late"))
    while got := connection.receive():
        if got[2] != stream:
            continue
        if got[0] == HEADERS:
            status = dict(connection.decoder.decode(got[3]))[":status"]
        elif got[0] == DATA:
            body += got[3]
        if got[0] == RST or got[0] in (HEADERS, DATA) and got[1] & 1:
            break
    return "%s %s" % (status, body.decode())


keep, asking = [], []
COMMANDS = {
    "ask": ask,
    "many": lambda number: many(int(number), False),
    "many-late": lambda number: many(int(number), True),
    "unread-window": unread_window,
    "unread-socket": unread_socket,
    "drain": drain,
    "upload": lambda number, path: upload(int(number), path),
    "open": open_stream,
    "told": told,
    "end": lambda stream: end(int(stream)),
    "begin": begin,
    "reset": reset,
    "resets": lambda number, path: resets(int(number), path),
    "rapid": lambda seconds: rapid(float(seconds)),
    "stalled": lambda number, path: stalled(int(number), path),
    "flood": flood,
    "half-head": lambda: half_head(False),
    "slow-head": lambda: half_head(True),
    "idle": lambda: idle(None),
    "idle-after": idle,
}

for line in sys.stdin:
    name, *arguments = line.split()
    try:
        print(COMMANDS[name](*arguments).strip(), flush=True)
    except Exception as error:
        print("failed: %r" % error, flush=True)
