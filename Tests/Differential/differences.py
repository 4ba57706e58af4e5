"""The deliberate differences. `Docs/EnvoyDifferences.md` lists them; the tests name them by their ids and fail when one of the two
knows an id that the other does not, or when a listed difference is no longer there.

Most are single cases, which say what each proxy does (`Case.differs`). Those in this file touch every request, such as a header
that only one of them sends; they are taken off both outcomes before these are compared.
"""

import re
from collections import Counter
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent.parent / "Docs/EnvoyDifferences.md"
ROW = re.compile(r"^\| `([a-z0-9-]+)` \|", re.MULTILINE)


def listed():
    """The ids of the page, in its order."""
    ids = ROW.findall(PAGE.read_text())
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise SystemExit(f"{PAGE.name} lists {', '.join(twice)} twice")
    return ids


class Allowances:
    """Takes known differences off outcomes, and counts which were there."""

    def __init__(self):
        self.seen = Counter()

    def apply(self, envoy, martlet):
        date(envoy, martlet)
        for identifier, rule in RULES.items():
            if rule(envoy, martlet):
                self.seen[identifier] += 1


def _only(headers, others, matches):
    """Takes away the fields that match and the other side does not have; whether there were any."""
    names = [name for name in list(headers) if name not in others and matches(name)]
    for name in names:
        del headers[name]
    return bool(names)


def _pairs(envoy, martlet):
    """The heads of both, side by side: of the responses and of each attempt that both made."""
    yield envoy.headers, martlet.headers
    for left, right in zip(envoy.attempts, martlet.attempts):
        yield left.headers, right.headers


def envoy_headers(envoy, martlet):
    return any([_only(left, right, lambda name: name.startswith("x-envoy-")) for left, right in _pairs(envoy, martlet)])


def attempt_header(envoy, martlet):
    pairs = list(_pairs(envoy, martlet))
    return any([_only(right, left, lambda name: name == "x-martlet-attempt") for left, right in pairs])


def error_header(envoy, martlet):
    return _only(martlet.headers, envoy.headers, lambda name: name == "x-martlet-error")


def upstream_closed(envoy, martlet):
    """Both had the same attempts, and the last ended without a response."""
    if (envoy.status, martlet.status, martlet.headers.get("x-martlet-error")) != (503, 502, "upstream-closed"):
        return False
    martlet.status = envoy.status
    return True


def refusal_text(envoy, martlet):
    """A reply of Martlet's own is known by `x-martlet-error`, which `error_header` takes off later."""
    if "x-martlet-error" not in martlet.headers or envoy.status != martlet.status:
        return False
    # A gRPC client has the text in its head.
    differs = (envoy.body, envoy.headers.get("grpc-message")) != (martlet.body, martlet.headers.get("grpc-message"))
    for outcome in (envoy, martlet):
        outcome.body = b""
        outcome.headers.pop("grpc-message", None)
        outcome.headers.pop("content-type", None)
    return differs


def date(envoy, martlet):
    """Not a difference: each has its own clock. Both must have one."""
    if "date" in envoy.headers and "date" in martlet.headers:
        del envoy.headers["date"], martlet.headers["date"]


def request_id(envoy, martlet):
    """Each makes its own; what counts is whether there is one, and where it came from."""
    changed = False
    for left, right in _pairs(envoy, martlet):
        one, other = left.get("x-request-id"), right.get("x-request-id")
        if one and other and one != other and len(one) > 30 and len(other) > 30:
            del left["x-request-id"], right["x-request-id"]
            changed = True
    return changed


def loopback_client(envoy, martlet):
    """The tests' client is on the loopback interface."""
    changed = False
    for left, right in zip(envoy.attempts, martlet.attempts):
        one, other = (side.headers.get("x-forwarded-for", "").split(",") for side in (left, right))
        if len(one) == len(other) and other[-1] == "127.0.0.1" != one[-1]:
            left.headers["x-forwarded-for"] = ",".join([*one[:-1], other[-1]])
            changed = True
    return changed


def _same_location(envoy, martlet, change):
    """Whether Envoy's location, changed, is Martlet's; then it is taken off both."""
    one, other = envoy.headers.get("location"), martlet.headers.get("location")
    if one is None or one == other or change(one) != other:
        return False
    del envoy.headers["location"], martlet.headers["location"]
    return True


def redirect_double_slash(envoy, martlet):
    return _same_location(envoy, martlet, lambda url: re.sub("^(https?://[^/]+)//+", r"\1/", url))


def redirect_port(envoy, martlet):
    return _same_location(envoy, martlet, lambda url: re.sub(r"^(https://(?:\[[^]]*\]|[^/:]+)):[0-9]+", r"\1", url))


def cors_vary(envoy, martlet):
    one, other = envoy.headers.get("vary", ""), martlet.headers.get("vary", "")
    without = ",".join(name for name in other.split(",") if name != "origin")
    if one == other or one != without:
        return False
    envoy.headers.pop("vary", None)
    del martlet.headers["vary"]
    return True


def challenge(envoy, martlet):
    """Both name what they want; they word it differently."""
    if envoy.status != 401 or martlet.status != 401:
        return False
    one, other = envoy.headers.get("www-authenticate"), martlet.headers.get("www-authenticate")
    if one is None or other is None or one == other or one.split(" ")[0] != other.split(" ")[0]:
        return False
    del envoy.headers["www-authenticate"], martlet.headers["www-authenticate"]
    return True


def ratelimit_headers(envoy, martlet):
    def is_own(name):
        return name.startswith("ratelimit-") or (name == "retry-after" and "ratelimit-limit" in martlet.headers)

    return _only(martlet.headers, envoy.headers, is_own)


RULES = {
    "upstream-closed": upstream_closed,
    "refusal-text": refusal_text,
    "error-header": error_header,
    "envoy-headers": envoy_headers,
    "attempt-header": attempt_header,
    "request-id": request_id,
    "loopback-client": loopback_client,
    "redirect-double-slash": redirect_double_slash,
    "redirect-port": redirect_port,
    "cors-vary": cors_vary,
    "challenge": challenge,
    "ratelimit-headers": ratelimit_headers,
}
