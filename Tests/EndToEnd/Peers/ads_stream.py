"""What a server of ads_faults.py is made of: streams that send what they are told to, and a relay that does wrong to connections."""

import asyncio
import contextlib
import os

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse

from ads_resources import KINDS, URLS, WILDCARDS

PATIENCE = int(os.environ.get("MARTLET_PATIENCE", "90"))  # seconds


class Failed(Exception):
    pass


async def until(condition, what):
    """The first value of `condition` that is true."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if loop.time() > end:
            raise Failed(what() if callable(what) else what)
        await asyncio.sleep(0.02)


class Push:
    """A response that was sent, and what the client said of it."""

    def __init__(self, kind, nonce):
        self.kind, self.nonce, self.verdict, self.reason = kind, nonce, None, ""

    async def answered(self):
        """`accepted` or `refused`."""
        return await until(lambda: self.verdict, lambda: f"no answer to {self.kind} {self.nonce}")


class Stream:
    """One client's stream."""

    def __init__(self, scene, is_delta, context):
        self.scene, self.is_delta, self.context = scene, is_delta, context
        self.outgoing = asyncio.Queue()
        self.names = {}  # kind: the names asked for, * among them
        self.known = {kind: {} for kind in URLS}  # delta: what the client has
        self.pushes = []
        self.count = 0

    def wanted(self, kind):
        world = self.scene.world[kind]
        names = self.names.get(kind, set())
        return dict(world) if "*" in names else {name: any for name, any in world.items() if name in names}

    def push(self, kind, version=None, nonce=None, url=None, resources=None, removed=(), repeated=1, always=True):
        """Sends what is wanted of a kind, or `resources` in its place: pairs of a name and an Any."""
        self.count += 1
        nonce = str(self.count) if nonce is None else nonce
        version = str(self.scene.version) if version is None else version
        given = list(self.wanted(kind).items()) if resources is None else resources
        if self.is_delta:
            known = self.known[kind]
            if resources is None:
                there = dict(given)
                removed = [*removed, *(name for name in known if name not in there)]
                if repeated == 1:
                    given = [(name, any) for name, any in given if known.get(name) != revision(any)]
            if not given and not removed and not always:
                return None
            message = DeltaDiscoveryResponse(type_url=URLS[kind] if url is None else url, nonce=nonce, system_version_info=version)
            for name, any in given:
                for _ in range(repeated):
                    message.resources.add(name=name, version=revision(any), resource=any)
                known[name] = revision(any)
            message.removed_resources.extend(removed)
            for name in removed:
                known.pop(name, None)
        else:
            message = DiscoveryResponse(type_url=URLS[kind] if url is None else url, nonce=nonce, version_info=version)
            for _, any in given:
                message.resources.extend([any] * repeated)
        push = Push(kind, nonce)
        self.pushes.append(push)
        self.outgoing.put_nowait(message)
        return push

    def hear(self, request):
        kind = KINDS.get(request.type_url)
        if kind is None:
            return
        if request.response_nonce or not self.is_delta:
            for push in reversed(self.pushes):
                if push.kind == kind and push.nonce == request.response_nonce:
                    if push.verdict is None and kind in self.names:
                        push.verdict = "refused" if request.HasField("error_detail") else "accepted"
                        push.reason = request.error_detail.message
                    break
        is_new = kind not in self.names
        before = self.names.get(kind, set())
        if self.is_delta:
            added = set(request.resource_names_subscribe)
            if is_new and not added and kind in WILDCARDS:
                added = {"*"}
            self.known[kind].update(request.initial_resource_versions)
            for name in request.resource_names_unsubscribe:
                self.known[kind].pop(name, None)
            for name in added - set(request.initial_resource_versions):
                self.known[kind].pop(name, None)
            self.names[kind] = before - set(request.resource_names_unsubscribe) | added
        else:
            added = set(request.resource_names)
            self.names[kind] = added or ({"*"} if kind in WILDCARDS else set())
            added = self.names[kind] - before
        if kind not in self.scene.held and (is_new or added):
            self.answer(kind, added)

    def answer(self, kind, added=("*",)):
        """With all that is wanted; with delta and `added` names only these, as far as they are there."""
        if kind not in self.names:
            return
        if self.is_delta and "*" not in added:
            world = self.scene.world[kind]
            if found := [(name, world[name]) for name in added if name in world]:
                self.push(kind, resources=found)
        elif kind in WILDCARDS or self.wanted(kind):
            self.push(kind)


def revision(any):
    return str(hash(any.value))


class Service(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    def __init__(self, scene):
        self.scene = scene

    async def serve(self, requests, context, is_delta):
        scene = self.scene
        scene.opened += 1
        if scene.is_unavailable:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        stream = Stream(scene, is_delta, context)
        scene.stream = stream

        async def listen():
            try:
                async for request in requests:
                    stream.hear(request)
            except Exception:  # noqa: BLE001: the client is gone
                pass
            stream.outgoing.put_nowait(None)

        task = asyncio.ensure_future(listen())
        try:
            while (message := await stream.outgoing.get()) is not None:
                if isinstance(message, grpc.StatusCode):
                    await context.abort(message, "broken off")
                yield message
        finally:
            task.cancel()
            if scene.stream is stream:
                scene.stream = None

    async def StreamAggregatedResources(self, requests, context):
        async for message in self.serve(requests, context, False):
            yield message

    async def DeltaAggregatedResources(self, requests, context):
        async for message in self.serve(requests, context, True):
            yield message


class Relay:
    """Between the client and the server, to do to connections what a server of gRPC does not."""

    def __init__(self):
        self.port, self.target = None, None
        self.pairs = set()
        self.pace = None  # bytes a piece, with a pause behind each
        self.cut_after = None  # bytes to the client, on all connections together

    async def start(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        self.pairs.add(pair)
        await asyncio.gather(self.copy(reader, far_writer, False), self.copy(far_reader, writer, True))
        self.pairs.discard(pair)

    async def copy(self, reader, writer, is_down):
        try:
            while data := await reader.read(1 << 16):
                while data:
                    size = self.pace if is_down and self.pace else len(data)
                    if is_down and self.cut_after is not None:
                        size = min(size, self.cut_after)
                        self.cut_after -= size
                    writer.write(data[:size])
                    data = data[size:]
                    await writer.drain()
                    if is_down and self.cut_after == 0:
                        self.cut_after = None
                        self.cut()
                        return
                    if is_down and self.pace:
                        await asyncio.sleep(0.002)
        except OSError:
            pass
        finally:
            with contextlib.suppress(Exception):
                writer.close()

    def cut(self):
        for pair in list(self.pairs):
            for writer in pair:
                writer.transport.abort()
