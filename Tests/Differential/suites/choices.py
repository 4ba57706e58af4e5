"""Routing where the two are meant to differ, one case each, and the corners beside it where they do not."""

import to_martlet
from client import Request
from model import (
    ANY,
    Case,
    ClusterUse,
    Forward,
    HeaderTest,
    Match,
    Path,
    QueryTest,
    Redirect,
    Respond,
    Rewrite,
    Route,
    Site,
    Table,
    Test,
    VirtualHost,
)

CLUSTERS = {name: ClusterUse() for name in ("one", "two", "three")}
ONE, TWO, THREE = (Forward(((name, 1),)) for name in CLUSTERS)


def sites(options):
    return [
        order(),
        inverted(),
        site("headers", HEADERS, headers()),
        site("query", QUERY, query()),
        site("regex", REGEX, regex()),
        site("rewrite", REWRITE, rewrites()),
        site("redirect", REDIRECT, redirects()),
        site("respond", RESPOND, responses()),
        site("mirror", MIRROR, mirrored()),
    ]


def site(name, table, cases):
    return Site(name, table, list(cases), clusters=CLUSTERS)


# The same list for both; Envoy looks for the most specific host first, and in no other.
ORDER = Table(
    (
        VirtualHost(("*",), (Route(Match(Path("prefix", "/all")), ONE),)),
        VirtualHost(("shop.example",), (Route(Match(Path("prefix", "/")), TWO),)),
        VirtualHost(("*.example",), (Route(Match(Path("prefix", "/")), THREE),)),
    )
)


def order():
    routes = [to_martlet.route(each, host.domains) for host in ORDER.hosts for each in host.routes]
    cases = [
        Case(Request(target="/shop", host="shop.example")),
        Case(Request(target="/all", host="other.net")),
        Case(Request(target="/x", host="www.shop.example")),
        Case(Request(target="/all", host="shop.example")).different(
            "host-order", {"attempts": ["two"]}, {"attempts": ["one"]}
        ),
    ]
    return Site("order", ORDER, cases, clusters=CLUSTERS, martlet={"routes": routes})


def inverted():
    wanted = HeaderTest("x-region", Test("prefix", "eu-"), invert=True)
    envoy = {"match": {"headers": [{"name": "x-region", "string_match": {"prefix": "eu-"}, "invert_match": True}]}}
    table = Table.of(Route(Match(headers=(wanted,)), ONE, envoy=envoy), Route(Match(), TWO))
    absent = Case(Request()).different("inverted-absent-header", {"attempts": ["two"]}, {"attempts": ["one"]})
    there = [Case(Request(headers=(("x-region", value),))) for value in ("eu-west", "us-east", "")]
    return Site("inverted", table, [absent, *there], clusters=CLUSTERS)


HEADERS = Table.of(
    Route(Match(Path("exact", "/not-eu"), headers=(HeaderTest("x-region", Test("prefix", "eu-"), invert=True),)), ONE),
    Route(Match(Path("exact", "/agent"), headers=(HeaderTest("user-agent", Test("exact", "bot")),)), ONE),
    Route(Match(Path("exact", "/role"), headers=(HeaderTest("x-role", Test("exact", "admin")),)), ONE),
    Route(Match(Path("exact", "/empty"), headers=(HeaderTest("x-role", Test("exact", "")),)), ONE),
    Route(Match(Path("exact", "/there"), headers=(HeaderTest("x-role", Test("present")),)), ONE),
    Route(Match(Path("exact", "/absent"), headers=(HeaderTest("x-role", Test("present", False)),)), ONE),
    Route(Match(), TWO),
)


def headers():
    for target in ("/role", "/empty", "/there", "/absent", "/not-eu"):
        for values in (["admin"], ["ADMIN"], [""], ["user", "admin"], ["admin", "user"], ["admin, user"], ["eu-west"]):
            name = "x-region" if target == "/not-eu" else "x-role"
            yield Case(Request(target=target, headers=tuple((name, value) for value in values)))
        if target != "/not-eu":
            yield Case(Request(target=target))
    yield Case(Request(target="/agent", headers=(("user-agent", "bot"),)))
    twice = Request(target="/agent", headers=(("user-agent", "bot"), ("user-agent", "x")))
    yield Case(twice).different("joined-fields", {"attempts": ["two"]}, {"attempts": ["one"]})


QUERY = Table.of(
    Route(Match(Path("exact", "/there"), query=(QueryTest("q", Test("present")),)), ONE),
    Route(Match(Path("exact", "/one"), query=(QueryTest("q", Test("exact", "1")),)), ONE),
    Route(Match(Path("exact", "/number"), query=(QueryTest("q", Test("regex", "[0-9]+")),)), ONE),
    Route(Match(), TWO),
)


def query():
    for target in ("/there", "/one", "/number"):
        for text in ("", "?", "?q", "?q=", "?q=1", "?q=01", "?Q=1", "?x=1&q=1", "?q=1&q=2", "?q=2&q=1", "?q=1;x=2", "?x?q=1", "?%71=1"):
            yield Case(Request(target=target + text))
        for text in ("?q=%31", "?q=1%26", "?q=+1", "?q==1", "?&q=1", "?q=1&&", "?=q=1", "?qq=1&q", "?q=1#x"):
            yield Case(Request(target=target + text))


REGEX = Table.of(
    Route(Match(Path("regex", "/users/[a-z]+"), case_sensitive=False), ONE),
    Route(Match(Path("prefix", "/Pre"), case_sensitive=False), TWO),
    Route(Match(), THREE),
)


def regex():
    yield Case(Request(target="/users/abc"))
    yield Case(Request(target="/pRE/x"))
    yield Case(Request(target="/USERS/abc")).different("regex-case", {"attempts": ["three"]}, {"attempts": ["one"]})


def rewritten(match, /, **rewrite):
    return Route(Match(match), Forward((("one", 1),), Rewrite(**rewrite)))


REWRITE = Table.of(
    rewritten(Path("exact", "/exact"), prefix="/new"),
    rewritten(Path("prefix", "/prefix/"), prefix="/"),
    rewritten(Path("prefix", "/short"), prefix="/"),
    rewritten(Path("path_separated_prefix", "/segments"), prefix="/"),
    rewritten(Path("path_separated_prefix", "/deep/segments"), prefix="/new", host="inner.example"),
    rewritten(Path("prefix", "/dashes"), regex=("-", "_")),
    rewritten(Path("prefix", "/groups"), regex=("^/groups/([a-z]+)/([0-9]+)", r"/\2/\1/\0")),
    rewritten(Path("prefix", "/empty"), regex=("^/empty", "")),
    rewritten(Path("prefix", "/stars"), regex=("x*", "y")),
    rewritten(Path("prefix", "/host"), host="inner.example:81"),
    Route(Match(), TWO),
)
REWRITTEN = [
    "/exact", "/exact?a=b", "/prefix/", "/prefix/x", "/prefix/x/?q", "/short", "/shorter", "/short/x", "/segments", "/segments/",
    "/segments/x?y", "/deep/segments/a", "/dashes", "/dashes/a-bc?d-e", "/dashes/-", "/groups/ab/12", "/groups/ab/12/rest?q",
    "/groups/AB", "/empty/x", "/host/x",
]  # fmt: skip


def rewrites():
    for target in REWRITTEN:
        yield Case(Request(target=target))
    for identifier, target, envoy, martlet in (
        ("rewrite-first", "/dashes/a-b-c", "/dashes/a_b_c", "/dashes/a_b-c"),
        ("rewrite-first", "/stars/axxb", "y/ysytyayrysy/yayby", "/y/stars/axxb"),
        ("rewrite-slash", "/empty", "/empty", "/"),
        ("rewrite-slash", "/emptyx", "x", "/x"),
    ):
        case = Case(Request(target=target))
        yield case.different(identifier, {"upstream target": envoy}, {"upstream target": martlet})


def moved(match, /, **redirect):
    return Route(Match(match), Redirect(**redirect))


REDIRECT = Table.of(
    *(moved(Path("exact", f"/status/{status}"), path="/new", status=status) for status in (301, 302, 303, 307, 308)),
    moved(Path("prefix", "/path"), path="/new"),
    moved(Path("prefix", "/query"), path="/new?a=b"),
    moved(Path("prefix", "/strip"), path="/new", strip_query=True),
    moved(Path("prefix", "/host"), host="new.example"),
    moved(Path("prefix", "/port"), port=8443),
    moved(Path("prefix", "/scheme"), scheme="https"),
    moved(Path("prefix", "/http"), scheme="http"),
    moved(Path("prefix", "/all"), scheme="https", host="new.example", port=8443, path="/x", strip_query=True),
    moved(Path("prefix", "/https443"), scheme="https", port=443),
    moved(Path("path_separated_prefix", "/from"), prefix="/to"),
    moved(Path("prefix", "/slash/"), prefix="/"),
    moved(Path("prefix", "/regex"), regex=("^/regex/(.*)/(.*)$", r"/\2/\1")),
    moved(Path("prefix", "/dashes"), regex=("-", "_")),
)


def redirects():
    for target in REDIRECTED:
        for host in ("test.example", "test.example:80", "test.example:8080", "[::1]:8080", "Test.Example"):
            yield Case(Request(target=target, host=host))
    for method in ("POST", "HEAD", "OPTIONS"):
        yield Case(Request(method, "/path", body=b"x" if method == "POST" else b""))


REDIRECTED = [
    *(f"/status/{status}" for status in (301, 302, 303, 307, 308)), "/path", "/path?q=1", "/query", "/query?q=1", "/strip?q=1",
    "/host/a?b", "/port/a", "/scheme/a?b", "/http/a", "/all/x?y", "/https443/", "/from", "/from/a?b", "/slash/a", "/slash/",
    "/regex/a/b?c", "/regex/a", "/dashes/a-bc?d-e",
]  # fmt: skip

RESPOND = Table.of(
    *(Route(Match(Path("exact", f"/{status}")), Respond(status, f"{status}\n")) for status in (200, 201, 202, 301, 400, 404, 418, 500, 503, 599)),
    *(Route(Match(Path("exact", f"/{status}")), Respond(status)) for status in (204, 205, 304)),
    Route(Match(Path("exact", "/empty")), Respond(200)),
    Route(Match(Path("exact", "/html")), Respond(200, "<p>", (("content-type", "text/html"), ("x-a", "1"), ("x-a", "2")))),
)


def responses():
    for target in ("/200", "/202", "/400", "/404", "/418", "/500", "/503", "/599", "/204", "/205", "/empty", "/html", "/none"):
        for method in ("GET", "HEAD", "POST"):
            yield Case(Request(method, target, body=b"hello" if method == "POST" else b""))
    for target in ("/201", "/301", "/304"):
        yield Case(Request(target=target)).different(
            "direct-location",
            {"response location": f"http://test.example{target}"},
            {"response location": None},
        )


MIRROR = Table.of(Route(Match(), Forward((("one", 1),), mirror="two")))


def mirrored():
    case = Case(Request("POST", "/a?b", body=b"hello"), attempts=2)
    client = "attempt 2 x-forwarded-for"
    yield case.different("mirror-forwarded-for", {client: ANY}, {client: "127.0.0.1"})
