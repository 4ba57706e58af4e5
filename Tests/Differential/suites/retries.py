"""Retries: which attempts happened, at how many endpoints, and what the client got in the end."""

from client import Request
from model import Case, ClusterUse, FilterUse, Forward, Match, Path, Route, Site, Table
from upstream import BreakOff, Close, Hang, Respond

# No connection is used twice: when one that was kept ends, that may have been before the request (`stale-connection`).
OK = Respond(200, closes=True)
CLUSTERS = {
    "one": ClusterUse(),
    "pair": ClusterUse(("up", "up")),
    "half": ClusterUse(("up", "down")),
    "down": ClusterUse(("down", "down")),
}
# Seconds: long enough for an answer on a busy machine, short enough to wait for where none comes.
TRY = 0.3
EVERY_METHOD = ["GET", "POST"]
PREVIOUS_HOSTS = ".extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"


def policy(on, attempts=3, per_try=None, hedges=False, envoy=None, **martlet):
    """The filter in Martlet's chain, and what Envoy's routes say."""
    settings = {
        "on": on,
        "attempts": attempts,
        # Envoy has no budget unless asked, and retries whatever the method.
        "budget": "off",
        "methods": EVERY_METHOD,
        "backoff": {"base": "1ms", "max": "2ms"},
        **martlet,
    }
    retry = {
        "retry_on": ",".join(on),
        "num_retries": attempts - 1,
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"},
        "retry_host_predicate": [
            {"name": "previous", "typed_config": {"@type": "type.googleapis.com/envoy" + PREVIOUS_HOSTS}}
        ],
        "host_selection_retry_max_attempts": 10,
        "rate_limited_retry_back_off": {
            "reset_headers": [{"name": "retry-after", "format": "SECONDS"}],
            "max_interval": "30s",
        },
    }
    if "status_codes" in martlet:
        retry["retriable_status_codes"] = martlet["status_codes"]
    if per_try:
        settings["per_try_timeout"] = f"{round(per_try * 1000)}ms"
        retry["per_try_timeout"] = f"{per_try}s"
    action = {"retry_policy": retry | (envoy or {})}
    if hedges:
        settings["hedge_on_per_try_timeout"] = True
        action["hedge_policy"] = {"hedge_on_per_try_timeout": True}
    return FilterUse(("retry", {key: value for key, value in settings.items() if value is not None}), None), action


def answered(*statuses):
    return tuple(Respond(status, closes=True) for status in statuses)


def grpc(status):
    return (Respond(200, (("content-type", "application/grpc"), ("grpc-status", str(status))), closes=True), OK)


LIMITED = Respond(503, (("x-envoy-ratelimited", "true"),), closes=True)
SCRIPTS = [
    *(answered(status, 200) for status in (200, 400, 404, 409, 418, 429, 500, 501, 502, 503, 504, 505, 599)),
    answered(503, 503, 200),
    answered(503, 503, 503, 200),
    answered(503, 409, 200),
    answered(409, 503, 200),
    answered(503, 400, 200),
    (LIMITED, OK),
    (Close(), OK),
    (Close(resets=True), OK),
    (Close(), answered(503)[0], OK),
    (Close(), Close(), Close(), OK),
    (BreakOff(), OK),
    (Respond(503, (("retry-after", "0"),), closes=True), OK),
    *(grpc(status) for status in (0, 1, 4, 8, 13, 14, 5)),
]
CONDITIONS = [
    ["connect-failure"],
    ["reset"],
    ["reset-before-request"],
    ["refused-stream"],
    ["gateway-error"],
    ["5xx"],
    ["retriable-4xx"],
    ["envoy-ratelimited"],
    ["cancelled"],
    ["deadline-exceeded"],
    ["internal"],
    ["resource-exhausted"],
    ["unavailable"],
    ["connect-failure", "refused-stream", "reset"],
    ["gateway-error", "retriable-4xx", "reset"],
    ["5xx", "envoy-ratelimited"],
]


def sites(options):
    result = [site("-".join(on), policy(on), on_scripts()) for on in CONDITIONS]
    result.append(site("status-codes", policy(["retriable-status-codes"], status_codes=[418, 429]), on_scripts()))
    again = {"retriable_headers": [{"name": "x-again", "string_match": {"exact": "yes"}}]}
    use = policy(["retriable-headers"], envoy=again, headers=[{"name": "x-again", "exact": "yes"}])
    result.append(site("headers", use, on_headers()))
    result += [site(f"attempts-{count}", policy(["5xx"], count), failing()) for count in (1, 2, 5)]
    timeouts = [(Hang(), OK), (Hang(), answered(503)[0], OK), (Hang(), Hang(), OK)]
    for on in (["connect-failure"], ["reset"], ["gateway-error"], ["5xx"]):
        result.append(site(f"per-try-{on[0]}", policy(on, 3, TRY), [Case(Request(), script) for script in timeouts]))
    result.append(site("hedge", policy(["5xx"], 2, TRY, hedges=True), hedged()))
    result.append(site("methods", policy(["5xx"], methods=None), methods()))
    result.append(site("retry-after", policy(["5xx"]), retry_after()))
    result.append(site("nested", policy(["5xx"]), nested()))
    result.append(site("stale", policy(["connect-failure"]), stale()))
    result.append(budget())
    return result


def site(name, use, cases):
    filter_use, action = use
    routes = (
        Route(Match(Path("prefix", "/" + cluster)), Forward(((cluster, 1),)), envoy={"route": action})
        for cluster in CLUSTERS
    )
    table = Table.of(*routes, Route(Match(), Forward((("one", 1),)), envoy={"route": action}))
    return Site(name, table, list(cases), (filter_use,), clusters=CLUSTERS)


def on_scripts():
    for script in SCRIPTS:
        for request in (Request(), Request("POST", body=b"hello"), Request(target="/pair")):
            yield Case(request, script, is_spread=request.target == "/pair", note=brief(script))
    for target in ("/half", "/half", "/down"):
        yield Case(Request(target=target), is_spread=True)
        yield Case(Request("POST", target, body=b"x"), is_spread=True)


def on_headers():
    for status in (200, 404, 503):
        for value in ("yes", "no", "YES"):
            first = Respond(status, (("x-again", value),), closes=True)
            yield Case(Request(), (first, OK), note=f"{status} with {value}")
    yield Case(Request(), answered(503, 200))


def brief(script):
    return ", ".join(str(each.status) if isinstance(each, Respond) else type(each).__name__ for each in script)


def failing():
    for count in range(1, 7):
        yield Case(Request(), answered(*[503] * count, 200), note=f"{count} failures")


def hedged():
    yield Case(Request(), (Hang(), OK), attempts=2)
    yield Case(Request(), (Hang(), Respond(404)), attempts=2)


def methods():
    yield Case(Request("GET"), answered(503, 200))
    yield Case(Request("PUT", body=b"x"), answered(503, 200))
    yield Case(Request("POST", target="/half", body=b"x"))
    case = Case(Request("POST", body=b"x"), answered(503, 200))
    once, twice = {"status": 503, "attempts": ["one"]}, {"status": 200, "attempts": ["one", "one"]}
    yield case.different("retry-methods", twice, once)
    yield Case(Request("PATCH", body=b"x"), answered(503, 200)).different("retry-methods", twice, once)


def retry_after():
    yield Case(Request(), (Respond(503, (("retry-after", "0"),), closes=True), OK))
    yield Case(Request(), (Respond(503, (("retry-after", "soon"),), closes=True), OK))
    long = Case(Request(), (Respond(503, (("retry-after", "3600"),), closes=True), OK))
    yield long.different("retry-after-long", {"status": 200}, {"status": 503})


def nested():
    """A proxy in front that retries as well; only one that is trusted is believed, and here none is."""
    case = Case(Request(headers=(("x-martlet-attempt", "1"),)), answered(503, 200))
    yield case.different("retry-nested", {"attempts": ["one", "one"]}, {"attempts": ["one"]})


def stale():
    """A connection that was kept for the next request, and ends when that comes."""
    yield Case(Request(), (Respond(200),))
    case = Case(Request(), (Close(), OK))
    yield case.different(
        "stale-connection",
        {"status": 503, "attempts": ["one"]},
        {"status": 200, "attempts": ["one", "one"]},
    )


def budget():
    """Requests that all fail: Envoy tries each again, Martlet the first few."""
    filter_use, action = policy(["5xx"], 2, budget="20%")
    failing = answered(503, 503)
    cases = [Case(Request(), failing) for _ in range(3)]
    case = Case(Request(), failing)
    cases += [case.different("retry-budget", {"attempts": ["budget"] * 2}, {"attempts": ["budget"]})]
    # The budget is a share of its cluster's requests: others' would raise it.
    table = Table.of(Route(Match(), Forward((("budget", 1),)), envoy={"route": action}))
    return Site("budget", table, cases, (filter_use,), clusters={"budget": ClusterUse()})
