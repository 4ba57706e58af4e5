"""A control plane that misbehaves, before a Martlet and an Envoy at once: each has a server, upstreams and a client of its own.

    ads_faults.py SCENARIO METHOD MARTLET ENVOY

SCENARIO is a function of ads_scenarios.py or ads_content.py, METHOD delta or sotw; then the two programs. Prints what could be observed, as JSON: for
each of the two a list of lines. Both have heard the same, so their lists are to be the same.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
import tempfile

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc

import ads_content
import ads_scenarios
from ads_resources import URLS, cluster, endpoints, listener, name_of, routes
from ads_stream import Failed, Relay, Service, until

OPTIONS = [("grpc.so_reuseport", 0), ("grpc.max_send_message_length", 1 << 28), ("grpc.max_receive_message_length", 1 << 26)]


def free_port():
    """None that the system gives to whoever connects: another's connection would have it before the listener."""
    while True:
        port = random.randrange(10_000, 15_000)
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", port))
            return port


class Scene:
    """One data plane with all that is around it. Resources are `world`; what is observed goes to `story`."""

    def __init__(self, program, is_martlet, is_delta):
        self.program, self.is_martlet, self.is_delta = program, is_martlet, is_delta
        self.world = {kind: {} for kind in URLS}
        self.version, self.held, self.is_unavailable = 1, set(), False
        self.stream, self.opened = None, 0
        self.story, self.failures, self.sent = [], [], 0
        self.relay, self.port, self.process = Relay(), free_port(), None
        self.upstreams, self.tasks = {}, []

    # The parts

    async def __aenter__(self):
        await self.relay.start()
        await self.start_server()
        for word in ("one", "two"):
            await self.upstream(word)
        return self

    async def upstream(self, word):
        body = f"{word} ok".encode()

        async def serve(reader, writer):
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await reader.readuntil(b"\r\n\r\n"):
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
                    await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.upstreams[word] = server.sockets[0].getsockname()[1]

    async def start_server(self):
        self.server = grpc.aio.server(options=OPTIONS)
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(Service(self), self.server)
        self.relay.target = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()

    async def start(self):
        """The data plane."""
        self.folder = tempfile.TemporaryDirectory(prefix="martlet-faults-")
        path = os.path.join(self.folder.name, "config.yaml")
        with open(path, "w") as file:
            file.write(self.martlet() if self.is_martlet else self.envoy())
        words = ["run", "--workers", "1", "--config", path] if self.is_martlet else [
            "-c", path, "--concurrency", "1", "--disable-hot-restart", "--drain-time-s", "1", "--log-level", "warning"]
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        # A test that is killed must not leave it behind. Not by code between fork and exec: gRPC has threads.
        self.process = await asyncio.create_subprocess_exec(
            "setpriv", "--pdeathsig", "KILL", self.program, *words, stdout=self.log, stderr=self.log)

    async def __aexit__(self, *_):
        for task in self.tasks:
            task.cancel()
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
            self.log.close()
            self.folder.cleanup()
        await self.server.stop(0)

    def martlet(self):
        method = "delta" if self.is_delta else "sotw"
        return f"""
control_plane: {{ cluster: mesh, method: {method}, node: {{ id: edge-1, cluster: edge }} }}
clusters: [{{ name: mesh, protocol: http2, endpoints: ["127.0.0.1:{self.relay.port}"] }}]
"""

    def envoy(self):
        options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        return f"""
node: {{ id: edge-1, cluster: edge }}
dynamic_resources:
  ads_config:
    api_type: {"DELTA_GRPC" if self.is_delta else "GRPC"}
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [{{ envoy_grpc: {{ cluster_name: mesh }} }}]
  cds_config: {{ resource_api_version: V3, ads: {{}} }}
  lds_config: {{ resource_api_version: V3, ads: {{}} }}
static_resources:
  clusters:
    - name: mesh
      connect_timeout: 1s
      typed_extension_protocol_options:
        {options}:
          "@type": type.googleapis.com/{options}
          explicit_http_config: {{ http2_protocol_options: {{}} }}
      load_assignment:
        cluster_name: mesh
        endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {self.relay.port} }} }} }} }}] }}]
"""

    # What there is

    def put(self, *resources):
        self.version += 1
        for kind, any in resources:
            self.world[kind][name_of(kind, any)] = any

    def drop(self, kind, name):
        self.version += 1
        del self.world[kind][name]

    def put_cluster(self, word, **options):
        """A cluster and its endpoint."""
        self.put(cluster(word, **options), endpoints(word, [self.upstreams[word]]))

    async def serve(self, word="one"):
        """The data plane runs and answers with this cluster."""
        self.put_cluster(word)
        self.put(routes("main", word), listener("public", self.port))
        await self.start()
        await self.sees(f"200 {word} ok")

    async def push(self, kind, **options):
        """Sends it, and tells what became of it."""
        stream = await self.connected()
        push = stream.push(kind, **options)
        self.tell(f"{kind} {await push.answered()}")
        return push

    async def connected(self, after=0):
        """The stream, which is not one of the first `after`, once listeners were asked for."""
        return await until(
            lambda: self.stream if self.opened > after and self.stream and "listener" in self.stream.names else None,
            "the client does not come back")

    async def asks(self, kind, name):
        await until(lambda: self.stream and name in self.stream.names.get(kind, ()), f"{kind} {name} is not asked for")

    def release(self, kind):
        self.held.discard(kind)
        if self.stream:
            self.stream.answer(kind)

    # What is seen

    def tell(self, line):
        self.story.append(line)

    async def request(self):
        """`refused`, or the status, with the body when it is 200."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return "refused"
        try:
            writer.write(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
            async with asyncio.timeout(30):
                head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        except (OSError, TimeoutError):
            return "broken"
        finally:
            writer.close()
        status = (head.split(" ") + ["", ""])[1] or "broken"
        return f"200 {body}" if status == "200" else status

    async def sees(self, answer):
        """Comes to be answered so."""
        last = ""

        async def is_so():
            nonlocal last
            last = await self.request()
            return last == answer

        await until(is_so, lambda: f"{last!r} and not {answer!r}; {self.logged()}")
        self.tell(answer)

    async def still(self, times=25):
        """All that requests are answered for a while."""
        answers = set()
        for _ in range(times):
            answers.add(await self.request())
            await asyncio.sleep(0.01)
        self.tell("still " + " | ".join(sorted(answers)))

    def logged(self):
        self.log.flush()
        with open(self.log.name) as file:
            return file.read()[-2000:]

    def load(self):
        """Requests without an end from now on; `settle` tells how many were not answered 200."""

        async def run():
            while True:
                answer = await self.request()
                self.sent += 1
                if not answer.startswith("200 "):
                    self.failures.append(answer)
                await asyncio.sleep(0)

        self.tasks = [asyncio.ensure_future(run())]

    async def settle(self):
        before = self.sent
        await until(lambda: self.sent > before + 5, "no requests were answered")
        self.tell(f"failed {len(self.failures)} {sorted(set(self.failures))}" if self.failures else "failed 0")


async def play(scenario, program, is_martlet, is_delta):
    scene = Scene(program, is_martlet, is_delta)
    try:
        async with scene:
            await scenario(scene)
    except Failed as failure:
        scene.tell(f"gave up: {failure}")
    except Exception as error:  # noqa: BLE001: told to the test
        scene.tell(f"gave up: {error!r}")
    return scene.story


async def main():
    name, method, martlet, envoy = sys.argv[1:]
    scenario = getattr(ads_scenarios, name, None) or getattr(ads_content, name)
    both = await asyncio.gather(*(
        play(scenario, program, is_martlet, method == "delta") for program, is_martlet in ((martlet, True), (envoy, False))))
    print(json.dumps({"martlet": both[0], "envoy": both[1]}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
