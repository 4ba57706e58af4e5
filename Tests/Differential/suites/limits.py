"""Rate limits: which of a row of requests pass. Buckets fill so slowly that no time passes within a run."""

from client import Request
from model import Case, ClusterUse, FilterUse, Forward, Match, Path, Route, Site, Table

TYPE = ("local_ratelimit", "local_ratelimit.v3.LocalRateLimit")
ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
PLENTY = {"max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "3600s"}


def bucket(requests, burst):
    return {"max_tokens": burst, "tokens_per_fill": requests, "fill_interval": "3600s"}


def limit(requests, burst=None, key="none", status=429):
    """`key`: none, or header:NAME."""
    martlet = {"requests": requests, "per": "1h", "burst": burst or requests, "key": key, "status": status}
    envoy = {
        "stat_prefix": "limit",
        "filter_enabled": ALWAYS,
        "filter_enforced": ALWAYS,
        "status": {"code": status},
        "token_bucket": bucket(requests, burst or requests),
    }
    if key != "none":
        # Without a value, an entry stands for every value of its key.
        name = key.removeprefix("header:")
        envoy |= {
            "token_bucket": PLENTY,
            "descriptors": [{"entries": [{"key": name}], "token_bucket": bucket(requests, burst or requests)}],
            "rate_limits": [{"actions": [{"request_headers": {"header_name": name, "descriptor_key": name}}]}],
        }
    return FilterUse(("rate_limit", martlet), (*TYPE, envoy))


def sites(options):
    off = FilterUse(
        ("rate_limit", "off"), (TYPE[0], ".config.route.v3.FilterConfig", {"disabled": True, "config": {}})
    )
    to_app = Forward((("app", 1),))
    table = Table.of(
        Route(Match(Path("prefix", "/off")), to_app, (off,)),
        Route(Match(Path("prefix", "/few")), to_app, (limit(2),)),
        Route(Match(), to_app),
    )

    def site(name, use, cases):
        return Site(name, table, list(cases), (use,), clusters={"app": ClusterUse()})

    return [
        site("all", limit(5), [Case(Request()) for _ in range(9)]),
        site("burst", limit(3, 6), [Case(Request()) for _ in range(9)]),
        site("small-burst", limit(6, 3), [Case(Request()) for _ in range(9)]),
        site("status", limit(1, status=503), [Case(Request()) for _ in range(3)]),
        site("methods", limit(3), [Case(Request(method)) for method in ("GET", "HEAD", "POST", "OPTIONS", "GET")]),
        site("routes", limit(4), [Case(Request(target=target)) for target in ["/", "/off", "/few"] * 5]),
        site("keys", limit(2, key="header:x-team"), keyed()),
    ]


def keyed():
    for team in ("red", "blue", "red", "red", "blue", "blue", "green", "red", "green", "green"):
        yield Case(Request(headers=(("x-team", team),)))
