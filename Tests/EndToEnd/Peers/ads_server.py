"""A control plane for tests, with the messages of PyPI's xds-protos: ADS, state of the world and delta.

    ads_server.py PORT

Each line on standard input is an order, and is answered by one line:

put JSON       has a resource, in proto3 JSON with its @type, under the name that is in it: its version
drop TYPE NAME has it no more (TYPE: cluster, endpoints, listener, routes, secret, extension)
push TYPE      sends what there is to every stream that has asked, with delta what the stream does not have
twice TYPE     sends the first resource twice in one response
hold TYPE      answers no requests for it from now on
go TYPE        does again, and sends what was asked for
end            breaks every stream off
seen           what clients said, as JSON: by type the last version accepted, the last refusal, the names asked for; and the node
streams        how many streams were opened
reports WAY    from now on streams of reports are not served (off, as at first), answered (take), heard without an answer (mute) or
               broken off (break); those that are mute are answered when the way is `take`
reported       how many streams of reports were asked for, how many reports came, and of the newest the versions in force and what
               waits: `2 5 Cluster=71.3 Listener=71.2,public`
"""

import asyncio
import json
import os
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401: found by name
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2  # noqa: F401
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2  # noqa: F401
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2  # noqa: F401
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse

CLASSES = {
    "cluster": Cluster, "endpoints": ClusterLoadAssignment, "listener": Listener, "routes": RouteConfiguration,
    "secret": Secret, "extension": TypedExtensionConfig,
}
URLS = {kind: "type.googleapis.com/" + message.DESCRIPTOR.full_name for kind, message in CLASSES.items()}
KINDS = {url: kind for kind, url in URLS.items()}

resources = {kind: {} for kind in CLASSES}  # name: (version, Any)
held, streams, opened = set(), set(), 0
seen = {"node": None, "accepted": {}, "refused": {}, "names": {}}
count = 0
LIFE = os.getpid()  # the versions of one life are not those of another


def stamp():
    return "%d.%d" % (LIFE, count)


class Stream:
    """One client's stream, of either form."""

    def __init__(self, is_delta):
        self.is_delta, self.nonce = is_delta, 0
        self.outgoing = asyncio.Queue()
        self.names = {}  # kind: None for all, or a set
        self.versions = {kind: {} for kind in CLASSES}  # what it has

    def wanted(self, kind):
        names = self.names[kind]
        return {name: held for name, held in resources[kind].items() if names is None or name in names}

    def send(self, kind, always=False, twice=False):
        if kind not in self.names or kind in held:
            return
        self.nonce += 1
        wanted = self.wanted(kind)
        if self.is_delta:
            has = self.versions[kind]
            changed = {name: held for name, held in wanted.items() if has.get(name) != held[0]}
            removed = [name for name in has if name not in wanted]
            if not changed and not removed and not always:
                return
            message = DeltaDiscoveryResponse(type_url=URLS[kind], nonce=str(self.nonce), system_version_info=stamp())
            for name, (version, any) in changed.items():
                for _ in range(2 if twice else 1):
                    message.resources.add(name=name, version=version, resource=any)
                has[name] = version
            message.removed_resources.extend(removed)
            for name in removed:
                del has[name]
        else:
            message = DiscoveryResponse(type_url=URLS[kind], nonce=str(self.nonce), version_info=stamp())
            for _, any in wanted.values():
                message.resources.extend([any] * (2 if twice else 1))
        self.outgoing.put_nowait(message)

    def hear(self, request):
        kind = KINDS.get(request.type_url)
        if request.HasField("node"):
            seen["node"] = json_format.MessageToDict(request.node)
        if kind is None:
            return
        is_new = kind not in self.names
        if request.response_nonce and request.response_nonce != "":
            if request.HasField("error_detail"):
                seen["refused"][kind] = request.error_detail.message
            elif request.response_nonce == str(self.nonce) or self.is_delta:
                seen["accepted"][kind] = stamp()
        if self.is_delta:
            before = self.names.get(kind, None if kind in ("cluster", "listener") else set())
            if before is not None:
                before = (before | set(request.resource_names_subscribe)) - set(request.resource_names_unsubscribe)
            for name in request.resource_names_unsubscribe:
                self.versions[kind].pop(name, None)
            self.names[kind] = before
            for name, version in request.initial_resource_versions.items():
                self.versions[kind][name] = version
            for name in request.resource_names_subscribe:
                self.versions[kind].pop(name, None) if name not in request.initial_resource_versions else None
            asks = is_new or len(request.resource_names_subscribe) > 0
        else:
            names = set(request.resource_names)
            before = self.names.get(kind)
            self.names[kind] = names if names else None if kind in ("cluster", "listener") else set()
            asks = is_new or before != self.names[kind]
        seen["names"][kind] = sorted(self.names[kind]) if self.names[kind] is not None else ["*"]
        if asks:
            self.send(kind, always=True)


class Service(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    async def serve(self, requests, is_delta):
        global opened
        stream = Stream(is_delta)
        streams.add(stream)
        opened += 1

        async def listen():
            try:
                async for request in requests:
                    stream.hear(request)
            finally:
                stream.outgoing.put_nowait(None)

        task = asyncio.ensure_future(listen())
        try:
            while (message := await stream.outgoing.get()) is not None:
                if message == "end":
                    raise grpc.aio.AbortError("broken off")
                yield message
        finally:
            streams.discard(stream)
            task.cancel()

    async def StreamAggregatedResources(self, requests, context):
        try:
            async for message in self.serve(requests, False):
                yield message
        except grpc.aio.AbortError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")

    async def DeltaAggregatedResources(self, requests, context):
        try:
            async for message in self.serve(requests, True):
                yield message
        except grpc.aio.AbortError:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")


def fields(data):
    """The fields of a protobuf message: number, and bytes or an integer."""
    def varint():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    at = 0
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            length = varint() if key & 7 == 2 else 8
            at += length
            yield key >> 3, data[at - length:at]


class Reports(grpc.GenericRpcHandler):
    """martlet.control.v1.ProxyReports, without messages of its own: what nobody serves is UNIMPLEMENTED by the library."""
    way, asked, came, newest = "off", 0, 0, ""

    def __init__(self):
        self.changed = asyncio.Event()

    def turn(self, way):
        self.way = way
        self.changed.set()

    def service(self, call):
        if call.method != "/martlet.control.v1.ProxyReports/StreamReports":
            return None
        self.asked += 1
        return None if self.way == "off" else grpc.stream_stream_rpc_method_handler(self.stream)

    async def stream(self, requests, context):
        async for report in requests:
            self.came += 1
            self.newest = " ".join(sorted(self.type(dict(fields(value)), fields(value))
                                          for number, value in fields(report) if number == 3))
            if self.way == "break":
                await context.abort(grpc.StatusCode.INTERNAL, "no reports today")
            while self.way == "mute":
                self.changed.clear()
                await self.changed.wait()
            yield bytes([8, 100])  # each 100 ms

    @staticmethod
    def type(known, all):
        names = [value.decode() for number, value in all if number == 3]
        return ",".join([known[1].decode().split(".")[-1] + "=" + known.get(2, b"").decode()] + names)


def put(text):
    global count
    count += 1
    any = json_format.Parse(text, Any())
    kind = KINDS[any.type_url]
    message = CLASSES[kind]()
    any.Unpack(message)
    name = message.cluster_name if kind == "endpoints" else message.name
    resources[kind][name] = (stamp(), any)
    return str(count)


def drop(kind, name):
    global count
    count += 1
    del resources[kind][name]
    return str(count)


def everyone(kind, **options):
    for stream in list(streams):
        stream.send(kind, **options)
    return "sent"


def obey(line):
    word, _, rest = line.partition(" ")
    if word == "put":
        return put(rest)
    if word == "drop":
        return drop(*rest.split(" "))
    if word == "push":
        return everyone(rest)
    if word == "twice":
        return everyone(rest, twice=True)
    if word == "hold":
        held.add(rest)
        return "held"
    if word == "go":
        held.discard(rest)
        return everyone(rest, always=True)
    if word == "end":
        for stream in list(streams):
            stream.outgoing.put_nowait("end")
        return "ended"
    if word == "seen":
        return json.dumps(seen)
    if word == "streams":
        return str(opened)
    if word == "reports":
        reports.turn(rest)
        return "done"
    if word == "reported":
        return "%d %d %s" % (reports.asked, reports.came, reports.newest)
    return "no such order"


async def main():
    global reports
    reports = Reports()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_send_message_length", 1 << 28)])
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(Service(), server)
    server.add_generic_rpc_handlers((reports,))
    if server.add_insecure_port("127.0.0.1:" + sys.argv[1]) == 0:
        sys.exit(1)
    await server.start()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        try:
            print(obey(line), flush=True)
        except Exception as error:  # noqa: BLE001: told to the test
            print("error " + repr(error).replace("\n", " "), flush=True)
    await server.stop(0)


asyncio.run(main())
