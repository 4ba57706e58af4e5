"""Faults on purpose: which requests are refused, delayed, and which headers may ask for it."""

from client import Request
from model import Case, ClusterUse, FilterUse, Forward, Match, Path, Route, Site, Table

TYPE = ("fault", "fault.v3.HTTPFault")
ALL = {"numerator": 100, "denominator": "HUNDRED"}
NONE = {"numerator": 0, "denominator": "HUNDRED"}
HEADER = [{"name": "x-fault", "exact": "yes"}]
ENVOY_HEADER = [{"name": "x-fault", "string_match": {"exact": "yes"}}]

# Name, Martlet's settings, Envoy's.
FAULTS = [
    ("abort", {"abort": {"status": 503, "percent": "100%"}}, {"abort": {"http_status": 503, "percentage": ALL}}),
    ("teapot", {"abort": {"status": 418, "percent": "100%"}}, {"abort": {"http_status": 418, "percentage": ALL}}),
    ("never", {"abort": {"status": 503, "percent": "0%"}}, {"abort": {"http_status": 503, "percentage": NONE}}),
    (
        "delay",
        {"delay": {"duration": "20ms", "percent": "100%"}},
        {"delay": {"fixed_delay": "0.02s", "percentage": ALL}},
    ),
    (
        "both",
        {"delay": {"duration": "20ms", "percent": "100%"}, "abort": {"status": 500, "percent": "100%"}},
        {"delay": {"fixed_delay": "0.02s", "percentage": ALL}, "abort": {"http_status": 500, "percentage": ALL}},
    ),
    (
        "some",
        {"abort": {"status": 503, "percent": "100%"}, "headers": HEADER},
        {"abort": {"http_status": 503, "percentage": ALL}, "headers": ENVOY_HEADER},
    ),
    (
        "asked",
        {"abort": {"percent": "100%"}, "delay": {"percent": "100%"}, "from_headers": True},
        {"abort": {"header_abort": {}, "percentage": ALL}, "delay": {"header_delay": {}, "percentage": ALL}},
    ),
]
ABORT, DELAY = "x-envoy-fault-abort-request", "x-envoy-fault-delay-request"
REQUESTS = [
    (),
    (("x-fault", "yes"),),
    (("x-fault", "no"),),
    ((ABORT, "429"),),
    ((ABORT, "abc"),),
    ((ABORT, "99"),),
    ((ABORT, "429"), (ABORT + "-percentage", "0")),
    ((ABORT, "429"), (ABORT + "-percentage", "100")),
    ((DELAY, "20"),),
    ((DELAY, "20"), (ABORT, "500")),
    ((DELAY, "abc"),),
]


def sites(options):
    to_app = Forward((("app", 1),))
    off = FilterUse(("fault", "off"), ("fault", ".config.route.v3.FilterConfig", {"disabled": True, "config": {}}))
    result = []
    for name, martlet, envoy in FAULTS:
        teapot = FAULTS[1]
        override = FilterUse(("fault", teapot[1]), (*TYPE, teapot[2]))
        table = Table.of(
            Route(Match(Path("prefix", "/off")), to_app, (off,)),
            Route(Match(Path("prefix", "/teapot")), to_app, (override,)),
            Route(Match(), to_app),
        )
        cases = [Case(Request(target=target, headers=fields)) for target in ("/", "/off", "/teapot") for fields in REQUESTS]
        use = FilterUse(("fault", martlet), (*TYPE, envoy))
        # Behind another proxy, whose word is taken.
        trusted = {"use_remote_address": False}
        result.append(Site(name, table, cases, (use,), trusted, trusted, {"app": ClusterUse()}))
    asked = FAULTS[-1]
    case = Case(Request(headers=((ABORT, "429"),))).different("fault-stranger", {"status": 429}, {"status": 200})
    use = FilterUse(("fault", asked[1]), (*TYPE, asked[2]))
    result.append(Site("stranger", Table.of(Route(Match(), to_app)), [case], (use,), clusters={"app": ClusterUse()}))
    return result
