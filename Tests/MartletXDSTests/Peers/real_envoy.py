#!/usr/bin/env python3
"""Gives resources to a real Envoy by ADS and tells what it makes of them.

Usage: real_envoy.py ENVOY FOLDER XDS_PORT ADMIN_PORT [HOST URL STATUS]...

FOLDER has a DiscoveryResponse for each type, in a file of the type's name. Exits 0 when Envoy has taken every type and each URL is
answered with the status; prints what is otherwise. Runs with Debian's python3-grpcio.
"""

import ctypes
import http.client
import json
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from concurrent import futures
from pathlib import Path

import grpc

SECONDS = 40
METHOD = "StreamAggregatedResources"
SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"


def fields(data):
    """Number and value of each field of a message: bytes, or an int."""
    position = 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while position < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        elif tag & 7 == 2:
            length = varint()
            position += length
            yield tag >> 3, data[position - length : position]
        else:
            raise ValueError(f"wire type {tag & 7}")


class Discovery(grpc.GenericRpcHandler):
    """State of the world, one version of everything."""

    def __init__(self, folder):
        self.folder = folder
        self.events = queue.Queue()

    def service(self, details):
        if details.method != f"/{SERVICE}/{METHOD}":
            return None
        return grpc.stream_stream_rpc_method_handler(self._stream)

    def _stream(self, requests, _):
        asked = {}
        for request in requests:
            names, kind, nonce, refusal = [], "", b"", None
            for number, value in fields(request):
                if number == 3:
                    names.append(value.decode())
                elif number == 4:
                    kind = value.decode().rpartition("/")[2]
                elif number == 5:
                    nonce = value
                elif number == 6:
                    refusal = dict(fields(value)).get(2, b"").decode()
            if refusal is not None:
                self.events.put((kind, refusal))
            elif nonce and asked.get(kind) == sorted(names):
                self.events.put((kind, None))
            else:
                asked[kind] = sorted(names)
                yield (self.folder / kind).read_bytes()


def bootstrap(xds_port, admin_port):
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}  # noqa: E731
    cluster = {
        "name": "xds",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": "xds",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(xds_port)}}]}],
        },
    }
    source = {"resource_api_version": "V3", "ads": {}}
    services = [{"envoy_grpc": {"cluster_name": "xds"}}]
    ads = {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": services}
    return {
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": address(admin_port)},
        "dynamic_resources": {"ads_config": ads, "cds_config": source, "lds_config": source},
        "static_resources": {"clusters": [cluster]},
    }


def start(program, folder, xds_port, admin_port):
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(bootstrap(xds_port, admin_port)))
    # A killed test must not leave it behind.
    libc = ctypes.CDLL(None)
    command = [program, "-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return subprocess.Popen(
        [str(word) for word in command], stderr=sys.stdout, preexec_fn=lambda: libc.prctl(1, signal.SIGKILL)
    )


def get(host, url):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    connection.request("GET", parts.path, headers={"host": host})
    return connection.getresponse().status


def wanted_answers(words):
    while words:
        yield words[0], words[1], int(words[2])
        words = words[3:]


def check(discovery, folder, admin_port, answers):
    """What went wrong, a line each."""
    # Types that have resources are asked for and answered; Envoy has no use for an empty one.
    files = [path for path in folder.iterdir() if path.suffix != ".json"]
    waiting = {path.name for path in files if any(number == 2 for number, _ in fields(path.read_bytes()))}
    deadline = time.monotonic() + SECONDS
    while waiting:
        try:
            kind, refusal = discovery.events.get(timeout=max(0.1, deadline - time.monotonic()))
        except queue.Empty:
            yield f"not asked for, or not answered: {', '.join(sorted(waiting))}"
            return
        if refusal is not None:
            yield f"{kind}: {refusal}"
            return
        waiting.discard(kind)
    for host, url, status in answers:
        found = None
        # A listener that is taken listens a little later.
        while found is None and time.monotonic() < deadline:
            try:
                found = get(host, url)
            except OSError:
                threading.Event().wait(0.1)
        if found != status:
            yield f"{host} {url}: {found}, not {status}"
    if get("admin", f"http://127.0.0.1:{admin_port}/config_dump") != 200:
        yield "/config_dump fails"


def main():
    program, folder, xds_port, admin_port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    discovery = Discovery(folder)
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[discovery])
    server.add_insecure_port(f"127.0.0.1:{xds_port}")
    server.start()
    envoy = start(program, folder, xds_port, admin_port)
    try:
        found = list(check(discovery, folder, admin_port, list(wanted_answers(sys.argv[5:]))))
    finally:
        envoy.kill()
        envoy.wait()
        server.stop(0)
    print("\n".join(found) if found else "taken")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
