"""Sends one request as it is told and prints the answer as JSON: what curl does not do, trailers and requests without a length.

    http_client.py HTTP_VERSION PORT [CA_FILE NAME] < '{"method": "POST", "path": "/", "fields": [], "pieces": ["a"], "trailers": []}'

HTTP_VERSION is 1 or 2. With a CA file it speaks TLS to a server of that name. Bodies are text; each piece is a chunk or a frame.
`"authority"` is sent in place of the server's name; over HTTP/2 none is when it is empty. `"preamble"`, in hexadecimal, is sent
before everything else.
"""

import json
import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events

VERSION, PORT = sys.argv[1], int(sys.argv[2])
NAME = sys.argv[4] if len(sys.argv) > 4 else "api.test"


def connect(order):
    connection = socket.create_connection(("127.0.0.1", PORT), timeout=20)
    connection.sendall(bytes.fromhex(order["preamble"]))
    if len(sys.argv) <= 3:
        return connection
    context = ssl.create_default_context(cafile=sys.argv[3])
    context.set_alpn_protocols(["h2" if VERSION == "2" else "http/1.1"])
    return context.wrap_socket(connection, server_hostname=NAME)


def fields_of(file):
    fields = []
    while (line := file.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        fields.append([name.lower(), value.strip()])
    return fields


def http1(order):
    connection = connect(order)
    fields = [["host", order["authority"]]] + order["fields"]
    if order["pieces"] or order["trailers"]:
        fields.append(["transfer-encoding", "chunked"])
    lines = ["%s %s HTTP/1.1" % (order["method"], order["path"])] + ["%s: %s" % tuple(field) for field in fields]
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    if order["pieces"] or order["trailers"]:
        for piece in order["pieces"]:
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece.encode()))
        connection.sendall(("0\r\n" + "".join("%s: %s\r\n" % tuple(field) for field in order["trailers"]) + "\r\n").encode())
    file = connection.makefile("rb")
    hints, hinted = [], []
    while True:
        status = int(file.readline().split()[1])
        fields = fields_of(file)
        if status >= 200:
            break
        hints.append(status)
        hinted += fields
    values, body, trailers = dict(fields), b"", []
    if "chunked" in values.get("transfer-encoding", ""):
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        trailers = fields_of(file)
    else:
        body = file.read(int(values.get("content-length", 0)))
    answer = {"status": status, "fields": fields, "body": body.decode(), "trailers": trailers}
    return answer | {"hints": hints, "hinted": hinted}


def http2(order):
    connection = connect(order)
    # What a request says of its host is the test's affair.
    config = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
    http2 = h2.connection.H2Connection(config)
    http2.initiate_connection()
    pseudo = [(":method", order["method"]), (":scheme", order["scheme"])]
    pseudo += [(":authority", order["authority"])] if order["authority"] else []
    pseudo += [(":path", order["path"])]
    pieces, trailers = order["pieces"], order["trailers"]
    http2.send_headers(
        1, pseudo + [tuple(field) for field in order["fields"]], end_stream=not pieces and not trailers
    )
    for index, piece in enumerate(pieces):
        http2.send_data(1, piece.encode(), end_stream=index == len(pieces) - 1 and not trailers)
    if trailers:
        http2.send_headers(1, [tuple(field) for field in trailers], end_stream=True)
    answer = {"status": 0, "fields": [], "body": "", "trailers": [], "hints": [], "hinted": []}
    while True:
        connection.sendall(http2.data_to_send())
        data = connection.recv(65536)
        if not data:
            sys.exit("the connection ended")
        for event in http2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                answer["fields"] = [list(field) for field in event.headers if field[0][0] != ":"]
                answer["status"] = int(dict(event.headers)[":status"])
            elif isinstance(event, h2.events.InformationalResponseReceived):
                answer["hints"].append(int(dict(event.headers)[":status"]))
                answer["hinted"] += [list(field) for field in event.headers if field[0][0] != ":"]
            elif isinstance(event, h2.events.DataReceived):
                answer["body"] += event.data.decode()
                http2.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, h2.events.TrailersReceived):
                answer["trailers"] = [list(field) for field in event.headers]
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                sys.exit("ended: %s" % event)
            elif isinstance(event, h2.events.StreamEnded):
                return answer


order = {"authority": NAME, "preamble": ""} | json.load(sys.stdin)
print(json.dumps({"1": http1, "2": http2}[VERSION](order)))
