"""What gRPC clients are told by replies that the proxy makes itself; gRPC says the same over HTTP/1.1."""

from client import Request
from model import Case, ClusterUse, Forward, Match, Path, Redirect, Respond, Route, Site, Table
from upstream import Close, Hang
from upstream import Respond as Answer

from suites import limits

STATUSES = [200, 202, 400, 401, 403, 404, 405, 408, 409, 413, 418, 429, 431, 500, 501, 502, 503, 504, 505, 599]
BODIES = ["plain", "100% of it", "two\nlines", "Z\u00fcrich", "\u007f |", "x" * 900]
TYPES = [
    "application/grpc", "application/grpc+proto", "application/grpc+json", "application/grpc-web", "application/grpcx",
    "application/json",
]
CLUSTERS = {"app": ClusterUse(), "down": ClusterUse(("down",))}


def to(path, cluster="app", **settings):
    return Route(Match(Path("prefix", path)), Forward(((cluster, 1),), **settings))


def call(target, kind="application/grpc"):
    return Request("POST", target, headers=(("content-type", kind),), body=b"\0\0\0\0\0")


def sites(options):
    table = Table.of(
        *(Route(Match(Path("exact", f"/status/{status}")), Respond(status, "words")) for status in STATUSES),
        *(Route(Match(Path("exact", f"/body/{index}")), Respond(503, body)) for index, body in enumerate(BODIES)),
        Route(Match(Path("exact", "/empty")), Respond(503)),
        Route(Match(Path("exact", "/redirect")), Redirect(path="/new", status=302)),
        to("/down", "down"),
        to("/timeout", timeout=0.1),
        to("/app"),
    )
    cases = [Case(call(f"/status/{status}")) for status in STATUSES]
    cases += [Case(call(f"/body/{index}")) for index in range(len(BODIES))]
    cases += [Case(call(target)) for target in ("/empty", "/redirect", "/down", "/nowhere")]
    cases += [Case(call("/nowhere", kind)) for kind in TYPES]
    cases += [Case(call("/timeout"), (Hang(),)), Case(call("/app"), (Close(),))]
    cases += [Case(call("/app"), (Answer(503),))]
    limited = Table.of(Route(Match(), Forward((("app", 1),))))
    return [
        Site("grpc-replies", table, cases, clusters=CLUSTERS),
        Site("grpc-limits", limited, [Case(call("/")) for _ in range(4)], (limits.limit(2),), clusters={"app": ClusterUse()}),
    ]
