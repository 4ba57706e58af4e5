"""Header edits: set, add and remove, of requests and responses, by the listener and by the route."""

from client import Request
from model import Case, ClusterUse, FilterUse, Forward, Match, Path, Respond, Route, Site, Table
from upstream import Respond as Answer

ENVOY = ("header_mutation", "header_mutation.v3.HeaderMutation")


ACTIONS = {
    "set": "OVERWRITE_IF_EXISTS_OR_ADD",
    "add": "APPEND_IF_EXISTS_OR_ADD",
    "add_if_absent": "ADD_IF_ABSENT",
}


def mutations(edits):
    """Martlet's order: fields are removed first, then set, then added."""
    result = [{"remove": name} for name in edits.get("remove", [])]
    for key, action in ACTIONS.items():
        for name, value in edits.get(key, {}).items():
            for each in value if isinstance(value, list) else [value]:
                result.append({"append": {"header": {"key": name, "value": each}, "append_action": action}})
    return result


def envoy_mutations(request, response):
    return {"request_mutations": mutations(request), "response_mutations": mutations(response)}


def edits(request=None, response=None):
    """The filter of a listener."""
    martlet = {key: value for key, value in (("request", request), ("response", response)) if value}
    settings = {"mutations": envoy_mutations(request or {}, response or {}), "most_specific_header_mutations_wins": True}
    return FilterUse(("headers", martlet), (*ENVOY, settings))


def route_edits(request=None, response=None):
    martlet = {key: value for key, value in (("request", request), ("response", response)) if value}
    settings = {"mutations": envoy_mutations(request or {}, response or {})}
    return FilterUse(("headers", martlet), (ENVOY[0], "header_mutation.v3.HeaderMutationPerRoute", settings))


# (name, request edits, response edits)
EDITS = [
    ("set", {"set": {"x-one": "new"}}, {"set": {"x-one": "new"}}),
    ("add", {"add": {"x-one": "added"}}, {"add": {"x-one": "added"}}),
    ("add-list", {"add": {"x-one": ["first", "second"]}}, {"add": {"x-two": ["first", "second"]}}),
    ("absent", {"add_if_absent": {"x-one": "new"}}, {"add_if_absent": {"x-one": "new", "server": "edge"}}),
    ("remove-absent", {"remove": ["x-one"], "add_if_absent": {"x-one": "new"}}, {"set": {"x-two": "b"}, "add_if_absent": {"x-two": "c"}}),
    ("remove", {"remove": ["x-one"]}, {"remove": ["x-one"]}),
    ("remove-set", {"remove": ["x-one"], "set": {"x-one": "new"}}, {"remove": ["x-one"], "add": {"x-one": "new"}}),
    ("set-add", {"set": {"x-one": "a"}, "add": {"x-one": "b"}}, {"set": {"x-one": "a"}, "add": {"x-one": "b"}}),
    ("case", {"set": {"X-One": "new"}, "remove": ["X-TWO"]}, {"set": {"X-One": "new"}, "remove": ["X-TWO"]}),
    ("cookies", {"remove": ["cookie"]}, {"add": {"set-cookie": "edge=1; Path=/"}}),
    ("known", {"set": {"user-agent": "edge", "accept": "*/*"}}, {"set": {"content-type": "text/plain", "cache-control": "no-store"}}),
    ("known-add", {"add": {"accept": "text/html"}}, {"add": {"cache-control": "private", "vary": "origin"}}),
    ("forwarded", {"set": {"x-forwarded-for": "10.0.0.1"}}, {"remove": ["server"]}),
    ("request-id", {"remove": ["x-request-id"]}, {"set": {"x-request-id": "fixed"}}),
    ("long", {"set": {"x-one": "v" * 4000}}, {"set": {"x-one": "v" * 4000}}),
]
REQUESTS = [
    (),
    (("x-one", "1"),),
    (("X-One", "1"), ("x-two", "2"), ("X-ONE", "3")),
    (("cookie", "a=b"), ("cookie", "c=d"), ("x-two", ""), ("user-agent", "test"), ("accept", "text/plain")),
]
ANSWERS = [
    (),
    (("x-one", "1"),),
    (("X-One", "1"), ("x-two", "2"), ("X-ONE", "3")),
    (("set-cookie", "a=b"), ("set-cookie", "c=d"), ("x-two", ""), ("server", "app"), ("content-type", "text/html")),
]


def sites(options):
    result = []
    for name, request, response in EDITS:
        routes = (
            Route(Match(Path("prefix", "/route/")), Forward((("app", 1),)), overrides=(route_edits(*SPECIFIC),)),
            Route(Match(Path("exact", "/direct")), Respond(200, "direct\n", (("x-one", "1"),))),
            Route(Match(), Forward((("app", 1),))),
        )
        cases = []
        for target in ("/", "/route/x", "/direct"):
            for fields, answer in zip(REQUESTS, ANSWERS):
                cases.append(Case(Request(target=target, headers=fields), (Answer(200, answer),)))
        result.append(Site(name, Table.of(*routes), cases, (edits(request, response),), clusters={"app": ClusterUse()}))
    return result


# What the route adds to the listener's edits.
SPECIFIC = (
    {"set": {"x-two": "route"}, "add": {"x-one": "route"}},
    {"remove": ["x-two"], "add": {"x-one": "route", "set-cookie": "route=1"}},
)
