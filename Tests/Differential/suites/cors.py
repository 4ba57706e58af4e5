"""CORS: a table of policies, each asked by origins it allows and by others, with preflights and without."""

import re

from client import Request
from model import Case, ClusterUse, FilterUse, Forward, Match, Path, Route, Site, Table
from to_envoy import typed
from upstream import Respond

EXACT = "https://www.example.com"
ORIGINS = [
    EXACT, "https://shop.example.com", "https://a.b.example.com", "https://example.com", "http://www.example.com", "HTTPS://WWW.EXAMPLE.COM",
    "https://www.example.com:8443", "https://www.example.com.evil.net", "https://evilexample.com", "null", "https://other.net", "",
]  # fmt: skip

# Martlet's settings.
POLICIES = {
    "exact": {"allow_origins": [EXACT]},
    "wildcard": {"allow_origins": ["https://*.example.com"], "allow_methods": ["GET", "POST"], "max_age": "1h"},
    "several": {
        "allow_origins": [EXACT, "http://localhost:3000"],
        "allow_methods": ["GET", "PUT", "DELETE"],
        "allow_headers": ["x-team", "content-type"],
        "expose_headers": ["x-total", "etag"],
        "allow_credentials": True,
        "max_age": "10m",
    },
    "regex": {"allow_origins": [r"regex:https://(www|shop)\.example\.com"], "expose_headers": ["x-total"]},
    "strict": {"allow_origins": [EXACT], "allow_methods": ["GET"], "forward_not_matching_preflights": False},
    "null": {"allow_origins": ["null"]},
}


def envoy_origin(origin):
    if origin.startswith("regex:"):
        return {"safe_regex": {"regex": origin.removeprefix("regex:")}}
    if "*" in origin:
        # One label or more, letters of hosts.
        before, after = origin.split("*.")
        return {"safe_regex": {"regex": re.escape(before) + r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\." + re.escape(after)}}
    return {"exact": origin}


def envoy_policy(settings):
    policy = {"allow_origin_string_match": [envoy_origin(origin) for origin in settings["allow_origins"]]}
    for key in ("allow_methods", "allow_headers", "expose_headers"):
        if key in settings:
            policy[key] = ", ".join(settings[key])
    if "max_age" in settings:
        policy["max_age"] = {"1h": "3600", "10m": "600"}[settings["max_age"]]
    for key in ("allow_credentials", "forward_not_matching_preflights"):
        if key in settings:
            policy[key] = settings[key]
    return policy


# A route's policy, with every key written: what it leaves out is another matter (`cors-route-whole`).
OTHER = {
    "allow_origins": ["https://other.net"],
    "allow_methods": ["PATCH"],
    "allow_headers": ["x-other"],
    "expose_headers": ["x-exposed"],
    "allow_credentials": False,
    "forward_not_matching_preflights": True,
    "max_age": "10m",
}
TO_APP = Forward((("app", 1),))


def sites(options):
    return [site(name, settings) for name, settings in POLICIES.items()]


def override(target, settings):
    use = FilterUse(("cors", settings), ("cors", "cors.v3.CorsPolicy", envoy_policy(settings)))
    return Route(Match(Path("prefix", target)), TO_APP, (use,))


def site(name, settings):
    off = FilterUse(("cors", "off"), ("cors", ".config.route.v3.FilterConfig", {"disabled": True, "config": {}}))
    table = Table.of(
        Route(Match(Path("prefix", "/off")), TO_APP, (off,)),
        override("/other", OTHER),
        override("/partly", {"allow_origins": ["https://other.net"]}),
        Route(Match(), TO_APP),
    )
    use = FilterUse(("cors", settings), ("cors", "cors.v3.Cors", {}))
    policy = {"typed_per_filter_config": {"cors": typed("cors.v3.CorsPolicy", envoy_policy(settings))}}
    return Site(name, table, list(cases(name)), (use,), {"route_config": policy}, clusters={"app": ClusterUse()})


def cases(name):
    for target in ("/", "/off", "/other"):
        yield Case(Request(target=target))
        yield Case(Request("OPTIONS", target))
        for origin in ORIGINS if target == "/" else (EXACT, "https://other.net"):
            fields = (("Origin", origin),)
            yield Case(Request(target=target, headers=fields))
            yield Case(Request("POST", target, headers=fields, body=b"x"))
            yield Case(Request("OPTIONS", target, headers=fields))
            preflight = (*fields, ("Access-Control-Request-Method", "PUT"))
            yield Case(Request("GET", target, headers=preflight))
            yield preflight_case(name, target, origin, preflight)
            yield preflight_case(name, target, origin, (*preflight, ("Access-Control-Request-Headers", "x-team")))
            said = (("access-control-allow-origin", "https://upstream.net"), ("vary", "accept"))
            case = Case(Request(target=target, headers=fields), (Respond(200, said),), note="the upstream has a policy too")
            if name == "strict" and target == "/" and origin != EXACT:
                case = case.different("cors-upstream-policy", {ALLOW: "https://upstream.net"}, {ALLOW: None})
            yield case
    if name == "several":
        partly = Request(target="/partly", headers=(("Origin", "https://other.net"),))
        parts = ("response access-control-expose-headers", "response access-control-allow-credentials")
        inherited = dict(zip(parts, ("x-total,etag", "true")))
        yield Case(partly).different("cors-route-whole", inherited, dict.fromkeys(parts))


ALLOW = "response access-control-allow-origin"


def preflight_case(name, target, origin, fields):
    case = Case(Request("OPTIONS", target, headers=fields))
    exposed = {"several": "x-total,etag", "regex": "x-total"}.get(name) if target == "/" else "x-exposed"
    is_allowed = origin in ({"/": (EXACT,), "/other": ("https://other.net",)}.get(target, ()))
    is_allowed |= name == "regex" and target == "/" and origin == "https://shop.example.com"
    if is_allowed and exposed:
        part = "response access-control-expose-headers"
        return case.different("cors-preflight-expose", {part: exposed}, {part: None})
    if name == "strict" and target == "/" and not is_allowed:
        return case.different("cors-preflight-refused", {"status": 200, ALLOW: None}, {"status": 403})
    return case
