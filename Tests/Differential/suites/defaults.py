"""Defaults that are not Envoy's: the other suites give Envoy Martlet's, here each has its own."""

from client import Request
from model import ANY, Case, ClusterUse, Forward, Match, Route, Site, Table, VirtualHost
from upstream import Respond

APP = Route(Match(), Forward((("app", 1),)))
CLUSTERS = {"app": ClusterUse()}


def sites(options):
    return [
        site("normalize-path", "normalize_path", Request(target="/a/../%62"), "/a/../%62", "/b"),
        site("merge-slashes", "merge_slashes", Request(target="/a//b"), "/a//b", "/a/b"),
        server(),
        client(),
        port(),
    ]


def site(identifier, key, request, envoy, martlet):
    case = Case(request).different(identifier, {"upstream target": envoy}, {"upstream target": martlet})
    return Site(identifier, Table.of(APP), [case], clusters=CLUSTERS, envoy={key: None})


def server():
    case = Case(Request(), (Respond(200, (("server", "app"),)),))
    case = case.different("server-header", {"response server": "envoy"}, {"response server": "app"})
    return Site("server", Table.of(APP), [case], clusters=CLUSTERS, envoy={"server_header_transformation": None})


def client():
    """Envoy takes the client for a proxy unless told otherwise."""
    case = Case(Request(headers=(("x-forwarded-for", "10.0.0.1"),)))
    field = "upstream x-forwarded-for"
    case = case.different("client-address", {field: "10.0.0.1"}, {field: ANY})
    return Site("client", Table.of(APP), [case], clusters=CLUSTERS, envoy={"use_remote_address": None})


def port():
    table = Table((VirtualHost(("shop.example",), (APP,)),))
    case = Case(Request(host="shop.example:8080"))
    case = case.different("port-in-host", {"status": 404}, {"status": 200})
    return Site("port", table, [case], clusters=CLUSTERS, envoy={"route_config": {"ignore_port_in_host_matching": None}})
