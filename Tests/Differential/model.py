"""One language for what both proxies are to do. `to_envoy.py` and `to_martlet.py` write it down in each one's own words."""

from dataclasses import dataclass, field, replace

from client import Request
from upstream import Respond as Answer


# A part of a deliberately different outcome whose value is the machine's.
ANY = object()


@dataclass(frozen=True)
class Test:
    """Of a header or a query parameter. `kind`: exact, prefix, suffix, contains, regex, present."""

    kind: str
    value: object = True


@dataclass(frozen=True)
class HeaderTest:
    name: str
    test: Test
    invert: bool = False


@dataclass(frozen=True)
class QueryTest:
    name: str
    test: Test


@dataclass(frozen=True)
class Path:
    """`kind`: exact, prefix, path_separated_prefix, regex."""

    kind: str
    value: str


@dataclass(frozen=True)
class Match:
    path: Path = Path("prefix", "/")
    case_sensitive: bool = True
    methods: tuple = ()
    headers: tuple = ()
    query: tuple = ()


@dataclass(frozen=True)
class Rewrite:
    prefix: str | None = None
    regex: tuple | None = None
    host: str | None = None


@dataclass(frozen=True)
class Forward:
    """`clusters`: names with weights. Durations are seconds; None is the proxy's default."""

    clusters: tuple
    rewrite: Rewrite | None = None
    timeout: float | None = None
    idle_timeout: float | None = None
    mirror: str | None = None


@dataclass(frozen=True)
class Redirect:
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: str | None = None
    prefix: str | None = None
    regex: tuple | None = None
    status: int = 301
    strip_query: bool = False


@dataclass(frozen=True)
class Respond:
    status: int = 200
    body: str = ""
    headers: tuple = ()


@dataclass(frozen=True)
class FilterUse:
    """A filter in each proxy's own words: Martlet's name and settings, Envoy's name, type and settings. As a route's override,
    `envoy` is the per-route message; a filter that one of the two does not need is None there."""

    martlet: tuple | None
    envoy: tuple | None


@dataclass(frozen=True)
class Route:
    match: Match
    action: object
    overrides: tuple = ()
    # More of Envoy's route, for what Martlet writes as a filter's settings and Envoy as the route's.
    envoy: dict = field(default_factory=dict, hash=False)
    martlet: dict = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class VirtualHost:
    domains: tuple
    routes: tuple


@dataclass(frozen=True)
class Table:
    """`is_flat`: hosts are one more condition of a route, and the first route that matches wins, as in Martlet. Otherwise the
    most specific virtual host is chosen first and no other is looked at, as in Envoy."""

    hosts: tuple
    is_flat: bool = False

    @staticmethod
    def of(*routes):
        return Table((VirtualHost(("*",), tuple(routes)),))


@dataclass
class Case:
    """One request to both. `script`: what the upstream does at each attempt. `differs` names the deliberate difference, and
    then `envoy` and `martlet` say what each is to do: parts of an outcome by name."""

    request: Request
    script: tuple = (Answer(),)
    differs: str | None = None
    envoy: dict | None = None
    martlet: dict | None = None
    # Attempts to wait for beyond those that the response waited for.
    attempts: int = 0
    # The endpoints of a cluster are called by the order in which they were asked: where a turn begins is chance.
    is_spread: bool = False
    note: str = ""

    def different(self, identifier, envoy, martlet):
        """The same request, where the two are meant to differ."""
        return replace(self, differs=identifier, envoy=envoy, martlet=martlet)


@dataclass
class Site:
    """One listener in both proxies, and what to ask it."""

    name: str
    table: Table
    cases: list
    filters: tuple = ()
    # Further keys of Envoy's HTTP connection manager and of Martlet's listener.
    envoy: dict = field(default_factory=dict)
    martlet: dict = field(default_factory=dict)
    # Clusters of its own: name to ClusterUse.
    clusters: dict = field(default_factory=dict)


@dataclass
class ClusterUse:
    """`endpoints`: one entry each, `up` or `down` (nobody listens); the rest in each proxy's own words."""

    endpoints: tuple = ("up",)
    envoy: dict = field(default_factory=dict)
    martlet: dict = field(default_factory=dict)
