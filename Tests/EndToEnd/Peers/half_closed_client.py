"""A client of HTTP/1.1 over TLS that says close_notify and ends its sending behind a request, and then reads: prints what comes.

    half_closed_client.py PORT CA_FILE NAME PATH
"""

import socket
import ssl
import sys

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
context = ssl.create_default_context(cafile=sys.argv[2])
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname=sys.argv[3])


def flush():
    if outgoing.pending:
        connection.sendall(outgoing.read())


def finish(operation):
    while True:
        try:
            return operation()
        except ssl.SSLWantReadError:
            flush()
            data = connection.recv(65536)
            if data:
                incoming.write(data)
            else:
                incoming.write_eof()


finish(tls.do_handshake)
tls.write(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % sys.argv[4].encode())
try:
    tls.unwrap()
except ssl.SSLWantReadError:
    # The server's own close_notify has not come yet.
    pass
flush()
connection.shutdown(socket.SHUT_WR)
try:
    while data := finish(lambda: tls.read(65536)):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
except ssl.SSLZeroReturnError:
    # The server's close_notify.
    pass
