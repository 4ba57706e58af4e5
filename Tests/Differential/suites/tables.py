"""Route tables by chance, seeded: small vocabularies, so that routes overlap, with requests that hit each route and that miss it
by one thing."""

import random
import re
from dataclasses import replace

from client import Request
from model import (
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

CLUSTERS = [f"c{number}" for number in range(12)]
NOBODY = "nobody"
REQUESTS = 30

EXACT_HOSTS = ["example.com", "shop.example.com", "a.shop.example.com", "www.example.org", "www.shop.example.org", "localhost"]
SUFFIXES = ["*.example.com", "*.shop.example.com", "*.com", "*.org"]
PREFIXES = ["www.*", "www.shop.*", "a.*", "shop.*"]
OTHER_HOSTS = ["other.net", "com", "example.comx", "xexample.com", "www.", "b.c.shop.example.com", "10.0.0.1"]

WORDS = ["api", "apiary", "v1", "v2", "users", "Users", "img", "a.b", "admin", "x-y_z~", "42", "a%2Fb", "q;p=1"]
# An expression and paths it matches whole.
REGEXES = [
    ("/users/[0-9]+", ["/users/42", "/users/007"]),
    ("/v[12]/.*", ["/v1/", "/v2/users/42"]),
    (r".*\.png", ["/img/a.png", "/.png"]),
    ("/(api|img)(/.*)?", ["/api", "/img/x", "/api/"]),
    ("/[A-Za-z]+/[a-z]{2,3}", ["/Users/abc", "/api/v"]),
    ("/.*(users|admin)", ["/users", "/api/v1/admin"]),
    (r"/api/v\d+(/users)?/?", ["/api/v1", "/api/v22/users/"]),
    ("/[^/]+", ["/api", "/x-y_z~"]),
]
HEADER_TESTS = {
    # A test, with values it takes and values it does not.
    "exact": (["1", "Canary", "a,b"], lambda v: v, lambda v: [v + "x", v.swapcase() if v.swapcase() != v else v + "0"]),
    "prefix": (["eu-", "Mozilla/"], lambda v: v + "west", lambda v: ["x" + v, v.upper() + "w", v[:-1]]),
    "suffix": (["-rc", ".5"], lambda v: "1" + v, lambda v: [v + "1", v.upper() + "z", v[1:]]),
    "contains": (["Bot", "=1"], lambda v: f"x{v}y", lambda v: [v[:-1], v.swapcase() + "!"]),
    "regex": (["[a-z]+", "(gold|silver)-[0-9]", ".*;q=0\\.[0-9]+"], None, None),
}
REGEX_VALUES = {
    "[a-z]+": (["abc"], ["abc1", "", "ABC"]),
    "(gold|silver)-[0-9]": (["gold-1"], ["gold-12", "bronze-1", " gold"]),
    ".*;q=0\\.[0-9]+": (["text/html;q=0.5"], ["text/html;q=1"]),
}
HEADER_NAMES = ["x-canary", "X-Region", "user-agent", "accept", "x-tier"]
# Envoy joins the fields of these before it looks at them (`joined-fields`).
JOINED = {"user-agent", "accept"}
PARAMETERS = ["beta", "page", "a-b", "id"]
METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]


def sites(options):
    clusters = {name: ClusterUse() for name in (*CLUSTERS, NOBODY)}
    return [one(random.Random(f"{options.seed}-{number}"), number, clusters) for number in range(options.tables)]


def one(chance, number, clusters):
    forwards = iter(chance.sample(CLUSTERS, len(CLUSTERS)))
    # Every fourth table has the hosts among the conditions of a flat list; the others are Envoy's virtual hosts.
    is_flat = number % 4 == 0
    hosts = [
        VirtualHost(domains, tuple(route(chance, forwards) for _ in range(chance.randint(1, 6))))
        for domains in domain_sets(chance, is_flat)
    ]
    table = Table(tuple(hosts), is_flat)
    return Site(f"table-{number}", table, [Case(request) for request in requests(chance, table)], clusters=clusters)


def domain_sets(chance, is_flat):
    pool = EXACT_HOSTS + SUFFIXES + PREFIXES + ["*"]
    if is_flat:
        return [tuple(chance.sample(pool, chance.randint(1, 3))) for _ in range(chance.randint(1, 5))]
    # No domain may be in two of Envoy's virtual hosts.
    count = chance.randint(1, 5)
    domains = chance.sample(pool, min(len(pool), count + chance.randint(0, 4)))
    sets = [domains[start::count] for start in range(count)]
    return [tuple(each) for each in sets if each]


# Routes


def route(chance, forwards):
    match = Match(
        path=path(chance),
        case_sensitive=chance.random() > 0.15,
        methods=tuple(chance.sample(METHODS, chance.randint(1, 2))) if chance.random() < 0.2 else (),
        headers=tuple(header(chance) for _ in range(chance.choice([0, 0, 0, 1, 1, 2]))),
        query=tuple(parameter(chance) for _ in range(chance.choice([0, 0, 0, 0, 1, 2]))),
    )
    if match.path.kind == "regex":
        match = replace(match, case_sensitive=True)
    return Route(match, action(chance, match, forwards))


def path(chance):
    kind = chance.choice(["exact", "prefix", "prefix", "path_separated_prefix", "regex"])
    if kind == "regex":
        return Path(kind, chance.choice(REGEXES)[0])
    text = plain_path(chance, chance.randint(0 if kind != "path_separated_prefix" else 1, 3))
    if kind == "prefix" and chance.random() < 0.3:
        text = text[: chance.randint(1, len(text))]
        text = text[: text.find("%")] if "%" in text[-2:] else text
    elif kind != "path_separated_prefix" and chance.random() < 0.2 and text != "/":
        text += "/"
    return Path(kind, text)


def plain_path(chance, segments):
    return "/" + "/".join(chance.choice(WORDS) for _ in range(segments))


def header(chance):
    name = chance.choice(HEADER_NAMES)
    invert = chance.random() < 0.25
    if chance.random() < 0.25:
        return HeaderTest(name, Test("present", chance.random() < 0.7), invert)
    kind = chance.choice(list(HEADER_TESTS))
    return HeaderTest(name, Test(kind, chance.choice(HEADER_TESTS[kind][0])), invert)


def parameter(chance):
    name = chance.choice(PARAMETERS)
    kind = chance.choice(["present", "exact", "regex"])
    return QueryTest(name, Test(kind, {"present": True, "exact": "1", "regex": "[0-9]+"}[kind]))


def action(chance, match, forwards):
    dice = chance.random()
    if dice < 0.12:
        status = chance.choice([200, 204, 403, 503])
        return Respond(status, f"direct {chance.randint(0, 999)}\n" if status != 204 else "")
    if dice < 0.25:
        return redirect(chance, match)
    cluster = next(forwards, None) or chance.choice(CLUSTERS)
    clusters = ((cluster, 1),)
    if chance.random() < 0.15:
        clusters = tuple(chance.sample([(cluster, 100), (NOBODY, 0)], 2))
    return Forward(clusters, rewrite(chance, match) if chance.random() < 0.3 else None)


def redirect(chance, match):
    kind = chance.choice(["host", "path", "prefix", "scheme", "regex"])
    status = chance.choice([301, 302, 303, 307, 308])
    strip = chance.random() < 0.3
    if kind == "prefix" and match.path.kind in ("prefix", "path_separated_prefix"):
        return Redirect(prefix=chance.choice(["/", "/new", "/new/"]), status=status, strip_query=strip)
    if kind == "path":
        return Redirect(path=chance.choice(["/new", "/new?fixed=1", "/"]), status=status, strip_query=strip)
    if kind == "scheme":
        return Redirect(scheme="https", port=chance.choice([None, 8443]), status=status, strip_query=strip)
    if kind == "regex":
        return Redirect(regex=("^/([^/]+)/(.*)$", r"/\2/\1"), status=status, strip_query=strip)
    return Redirect(host="moved.example", port=chance.choice([None, 8080]), status=status, strip_query=strip)


def rewrite(chance, match):
    host = chance.choice([None, None, "inner.example", "inner.example:8080"])
    if match.path.kind == "regex" or chance.random() < 0.3:
        regex = chance.choice([("^/([^/]+)/(.*)$", r"/\2/\1"), ("^/(api|v1)", "/r"), ("[0-9]+$", "N")])
        return Rewrite(regex=regex, host=host)
    return Rewrite(prefix=chance.choice(["/", "/in", "/in/"]), host=host)


# Requests


def requests(chance, table):
    """Each route is aimed at, and missed by one thing; what does not fit is left out by chance."""
    result = []
    for host in table.hosts:
        for each in host.routes:
            base = aimed(chance, host, each.match)
            result.append(base)
            result += chance.sample(misses := list(near(chance, base, each.match)), min(4, len(misses)))
    if len(result) > REQUESTS:
        result = chance.sample(result, REQUESTS)
    hosts = EXACT_HOSTS + OTHER_HOSTS
    while len(result) < REQUESTS:
        target = plain_path(chance, chance.randint(0, 3)) + chance.choice(["", "", "?beta=1&page=2"])
        result.append(Request(chance.choice(METHODS), target, chance.choice(hosts)))
    return result


def aimed(chance, host, match):
    """A request that meets every condition of the route, unless two of them contradict each other."""
    headers, target = [], matching_path(chance, match.path)
    for wanted in match.headers:
        value = header_value(chance, wanted.test, hits=not wanted.invert)
        if value is not None and wanted.name not in dict(headers):
            headers.append((wanted.name, value))
    query = []
    for wanted in match.query:
        query.append({"exact": f"{wanted.name}=1", "regex": f"{wanted.name}=27"}.get(wanted.test.kind, wanted.name))
    if query:
        target += "?" + "&".join(query)
    method = chance.choice(match.methods or ("GET", "GET", "POST"))
    return Request(method, target, matching_host(chance, chance.choice(host.domains)), tuple(headers))


def matching_host(chance, domain):
    if domain == "*":
        return chance.choice(EXACT_HOSTS + OTHER_HOSTS)
    if domain.startswith("*"):
        return chance.choice(["b", "www", "a.b"]) + domain[1:]
    return domain[:-1] + chance.choice(["net", "example.net"]) if domain.endswith("*") else domain


def matching_path(chance, path):
    if path.kind == "exact":
        return path.value
    if path.kind == "regex":
        return chance.choice(dict(REGEXES)[path.value])
    if path.kind == "prefix":
        return path.value + chance.choice(["", "x", "/y", "/api/v1"]).lstrip("/" if path.value.endswith("/") else "")
    return path.value + chance.choice(["", "/", "/y/z"])


def header_value(chance, test, hits):
    """None: no such header."""
    if test.kind == "present":
        return "there" if test.value == hits else None
    if test.kind == "regex":
        return chance.choice(REGEX_VALUES[test.value][0 if hits else 1])
    _, good, bad = HEADER_TESTS[test.kind]
    return good(test.value) if hits else chance.choice(bad(test.value))


def near(chance, request, match):
    """The request with one thing changed."""
    path, mark, query = request.target.partition("?")
    swapped = re.sub("%2f", "%2F", path.swapcase())
    for other in (swapped, path + "/", path + "x", path.rstrip("/") or "/", path + "/api", path[:-1] or "/"):
        # Broken escapes and paths of slashes alone are differences (`paths.py`).
        if "%" not in other[-2:] and other.strip("/"):
            yield replace(request, target=other + mark + query)
    yield replace(request, method=chance.choice(METHODS))
    for host in (request.host.upper(), request.host + ":8080", "b." + request.host, chance.choice(OTHER_HOSTS)):
        yield replace(request, host=host)
    if "." in request.host:
        yield replace(request, host=request.host.split(".", 1)[1] or "x")
    for number, (name, value) in enumerate(request.headers):
        rest = request.headers[:number] + request.headers[number + 1 :]
        yield replace(request, headers=rest)
        yield replace(request, headers=(*rest, (name, "other")))
        if name not in JOINED:
            yield replace(request, headers=(*request.headers, (name, "second")))
        yield replace(request, headers=(*rest, (name.upper(), f"  {value}  ")))
    for wanted in match.headers:
        value = header_value(chance, wanted.test, hits=bool(wanted.invert))
        rest = tuple(pair for pair in request.headers if pair[0].lower() != wanted.name.lower())
        yield replace(request, headers=rest if value is None else (*rest, (wanted.name, value)))
    if query:
        parts = query.split("&")
        for changed in ("&".join(parts[1:]), query + "&" + parts[0] + "9", parts[0] + "x&" + query, query.upper()):
            yield replace(request, target=path + ("?" + changed if changed else ""))
    yield replace(request, target=path + "?" + (query + "&" if query else "") + chance.choice(["z", "beta", "page=x"]))


