"""What is forwarded when nothing is configured: heads, bodies, methods."""

from client import Request
from model import Case, ClusterUse, Forward, Match, Route, Site, Table
from upstream import Respond


def sites(options):
    table = Table.of(Route(Match(), Forward((("app", 1),))))
    return [Site("basics", table, list(cases()), clusters={"app": ClusterUse()})]


def cases():
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"):
        yield Case(Request(method, "/a?b=c"))
    yield Case(Request("POST", "/", body=b"hello" * 1000))
    for status in (200, 201, 204, 206, 301, 304, 400, 404, 418, 500, 503):
        yield Case(Request("GET", "/"), (Respond(status),))
