"""What is measured: the scenarios, the same for every proxy, and the ratios the project promises."""

from dataclasses import dataclass, field

import tokens
from scripts import JSON_BODY, suffix

# What a browser or a service client sends, besides Host.
ORDINARY_HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    "Accept": "application/json, text/plain, */*",
    "Accept-Encoding": "gzip, deflate, br",
    "Accept-Language": "en-GB,en;q=0.9",
    "Cookie": "session=4f1c2b7e9d3a4c5f8e6b; theme=dark",
}
# What a gRPC client sends besides, and a message of 64 bytes behind its length.
GRPC_HEADERS = {
    "User-Agent": "grpc-c++/1.60.0 grpc-c/37.0.0 (linux; chttp2)",
    "Content-Type": "application/grpc",
    "TE": "trailers",
    "Grpc-Accept-Encoding": "identity, deflate, gzip",
}
GRPC_MESSAGE = "\x00\x00\x00\x00\x40" + "m" * 64
HOST = "shop.example.com"
TEAM = {"X-Team": "checkout"}
ROUTES = 1000
IDLE_CONNECTIONS = 5000
BASELINE = "martlet-base"


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    method: str = "GET"
    path: str = "/100"
    headers: dict = field(default_factory=dict)
    body: str = ""
    keep_alive: bool = True
    routes: int = 1
    # What kind of Lua, see scripts.py, and how many such policies one after another.
    policy: str | None = None
    policies: int = 1
    # Filters before the policies, see filters.py: `jwt`, `jwt-uncached`, or `chain`, which only Martlet runs.
    filters: str | None = None
    idle_connections: int = 0
    connections: int = 64
    # What client and proxy speak: `http1`, `http2` or, with the proxy looking at no byte of it, HTTP/1.1 over `tcp`.
    protocol: str = "http1"
    tls: bool = False
    # Requests under way on each connection of HTTP/2.
    streams: int = 1
    # What proxy and upstream speak; `http2` is gRPC.
    upstream_protocol: str = "http1"
    # A TLS connection for each request: `full` handshakes or `resumed` ones.
    handshakes: str | None = None
    # Martlet runs this scenario's configuration too, in the same rounds, to be compared with itself.
    baseline: str | None = None

    @property
    def bearer(self):
        """The request carries a token that the proxy verifies."""
        return self.filters is not None

    @property
    def grpc(self):
        return self.upstream_protocol == "http2"

    @property
    def policies_seen(self):
        """What shows that they ran: a header upstream and one downstream for each."""
        count = self.policies if self.policy else 0
        return [(f"x-policy{suffix(n)}: checkout", f"x-served-by{suffix(n)}: bench") for n in range(count)]

    def request_headers(self):
        headers = {"Host": HOST, **(GRPC_HEADERS if self.grpc else ORDINARY_HEADERS), **self.headers}
        if self.bearer:
            headers["Authorization"] = f"Bearer {tokens.rs256()[0]}"
        if not self.keep_alive:
            headers["Connection"] = "close"
        return headers


def route_prefix(index):
    return f"/team-{index % 10}/service-{index:04}/"


SCENARIOS = [
    Scenario("small", "small keep-alive request"),
    Scenario(
        "routes",
        f"{ROUTES:,} routes, the last one hit",
        path=route_prefix(ROUTES - 1) + "100",
        routes=ROUTES,
        baseline="small",
    ),
    Scenario("response64k", "64 KiB response", path="/64k"),
    Scenario("request64k", "64 KiB request body", method="POST", body="x" * (64 * 1024)),
    Scenario("newconnection", "new connection per request", keep_alive=False),
    Scenario("lua", "two-hook Lua policy", headers=TEAM, policy="headers", baseline="small"),
    Scenario("lua5", "five Lua policies", headers=TEAM, policy="headers", policies=5, baseline="lua"),
    Scenario("luajson", "Lua policy that rewrites 16 KiB of JSON", method="POST", body=JSON_BODY, policy="json"),
    Scenario("luacall", "Lua policy with one call", policy="call"),
    Scenario("jwt", "JWT RS256, a token seen before", filters="jwt", baseline="bearer"),
    Scenario("jwtuncached", "JWT RS256, verified every time", filters="jwt-uncached"),
    Scenario("chain", "eight filters", headers=TEAM, policy="headers", filters="chain", baseline="bearer"),
    Scenario("tls", "TLS 1.3, small keep-alive request", tls=True),
    Scenario("tls64k", "TLS 1.3, 64 KiB response", tls=True, path="/64k"),
    Scenario("tlsrequest64k", "TLS 1.3, 64 KiB request body", tls=True, method="POST", body="x" * (64 * 1024)),
    Scenario("handshakes", "TLS 1.3 handshake per request", tls=True, keep_alive=False, handshakes="full"),
    Scenario("resumed", "TLS 1.3 resumption per request", tls=True, keep_alive=False, handshakes="resumed"),
    Scenario("h2c", "HTTP/2 in clear text", protocol="http2", connections=16, streams=4),
    Scenario("h2", "HTTP/2 over TLS 1.3", protocol="http2", tls=True, connections=16, streams=4),
    Scenario(
        "grpc",
        "gRPC unary echo",
        method="POST",
        path="/bench.Echo/Unary",
        body=GRPC_MESSAGE,
        protocol="http2",
        upstream_protocol="http2",
        connections=16,
        streams=4,
    ),
    Scenario("tcp", "TCP, small keep-alive request", protocol="tcp"),
    Scenario("tcp4m", "TCP, 4 MiB response", protocol="tcp", path="/4m", connections=8),
    Scenario("idle", f"{IDLE_CONNECTIONS:,} idle connections", idle_connections=IDLE_CONNECTIONS),
]
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
# Only compared with: what the filters cost is not what a longer request costs.
BY_NAME["bearer"] = Scenario("bearer", "small request with a token", filters="none")


@dataclass(frozen=True)
class Check:
    """Martlet's figure in a scenario against a limit: absolute, or another figure times a factor."""

    scenario: str
    metric: str
    limit: float
    # Another proxy, or several: then the best of them.
    against: str | tuple[str, ...] | None = None
    # More is better.
    at_least: bool = False
    # Not a ratio but a difference, by so many: each further policy of a chain.
    shared_by: int = 0

    def sentence(self):
        title = BY_NAME[self.scenario].title
        bound = "at least" if self.at_least else "at most"
        if self.shared_by:
            each = f" for each of {self.shared_by}" if self.shared_by > 1 else ""
            return f"{title}: at most {self.limit:.2f} {METRICS[self.metric].unit} more{each}"
        if self.against is None:
            return f"{title}: at most {self.limit:,.0f} {METRICS[self.metric].unit}"
        if self.against == BASELINE:
            return f"{title}: at most {self.limit:.2f} x its own {BY_NAME[BY_NAME[self.scenario].baseline].title}"
        other = self.against if isinstance(self.against, str) else f"the better of {' and '.join(self.against)}"
        return f"{title}: {bound} {self.limit:.2f} x {other}"


CHECKS = [
    Check("small", "cpu", 0.85, "haproxy"),
    Check("routes", "cpu", 1.05, BASELINE),
    Check("response64k", "cpu", 0.90, "haproxy"),
    Check("newconnection", "cpu", 0.90, "haproxy"),
    Check("lua", "cpu", 0.80, "nginx"),
    Check("lua", "cpu", 1.12, BASELINE),
    Check("lua5", "cpu", 1.5, BASELINE, shared_by=4),
    Check("jwt", "cpu", 1.5, BASELINE, shared_by=1),
    Check("chain", "cpu", 1.1, "haproxy"),
    Check("tls", "cpu", 0.90, ("haproxy", "nginx")),
    Check("tls64k", "cpu", 1.00, "haproxy"),
    Check("tlsrequest64k", "cpu", 1.00, "haproxy"),
    Check("handshakes", "per_core", 1.00, "nginx", at_least=True),
    Check("h2c", "cpu", 0.90, ("haproxy", "nginx")),
    Check("h2", "cpu", 0.90, ("haproxy", "nginx")),
    Check("grpc", "cpu", 0.35, "envoy"),
    Check("tcp", "cpu", 0.90, "haproxy"),
    Check("tcp4m", "cpu", 0.90, "haproxy"),
    Check("idle", "idle_bytes", 1024),
]


@dataclass(frozen=True)
class Metric:
    title: str
    unit: str
    digits: int = 1


METRICS = {
    "cpu": Metric("CPU per request", "us", 2),
    "per_core": Metric("handshakes per second of CPU", "1/s", 0),
    "throughput": Metric("throughput", "req/s", 0),
    "p50": Metric("latency p50", "us", 0),
    "p99": Metric("latency p99", "us", 0),
    "memory": Metric("resident memory", "MiB", 1),
    "idle_bytes": Metric("memory per idle connection", "B", 0),
}
