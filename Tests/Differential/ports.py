"""Ports that nobody else can take while a run lasts."""

import socket


class Ports:
    """Each port is held by a socket that is bound and never listens. Proxies and upstreams bind beside it with SO_REUSEPORT or
    SO_REUSEADDR; connections to a port where only the holder is are refused."""

    def __init__(self):
        self._holders = []

    def take(self):
        holder = socket.socket()
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            holder.setsockopt(socket.SOL_SOCKET, option, 1)
        holder.bind(("127.0.0.1", 0))
        self._holders.append(holder)
        return holder.getsockname()[1]

    def listen(self, port):
        """A listening socket on a port that was taken."""
        listener = socket.socket()
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            listener.setsockopt(socket.SOL_SOCKET, option, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(256)
        return listener

    def close(self):
        for holder in self._holders:
            holder.close()
