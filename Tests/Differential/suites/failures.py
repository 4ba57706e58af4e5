"""What a client is told when the upstream fails, and when a timeout passes."""

from client import Request
from model import Case, ClusterUse, Forward, Match, Path, Route, Site, Table
from upstream import BreakOff, Close, Hang, Raw, Respond

CLUSTERS = {"app": ClusterUse(), "down": ClusterUse(("down",))}


def to(path, cluster="app", **settings):
    return Route(Match(Path("prefix", path)), Forward(((cluster, 1),), **settings))


TABLE = Table.of(
    to("/down", "down"),
    to("/timeout", timeout=0.1),
    # An idle timeout as long as the request is what remains without a timeout of the whole.
    to("/idle", timeout=0, idle_timeout=0.1),
    to("/"),
)

OK = b"HTTP/1.1 200 OK\r\n"
SAME = [
    ("/", BreakOff()),
    ("/timeout", Hang()),
    ("/idle", Hang()),
    ("/", Raw(b"garbage\r\n\r\n")),
    ("/", Raw(OK + b"no colon here\r\n\r\n")),
    ("/", Raw(OK + b"content-length: x\r\n\r\nhello")),
    ("/", Raw(OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello")),
    ("/", Raw(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")),
    ("/", Raw(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")),
    ("/", Raw(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n")),
    ("/", Raw(OK + b"\r\nuntil the end")),
    ("/", Raw(OK + b"content-length: 10\r\n\r\nhello")),
    ("/", Raw(b"HTTP/1.0 200 OK\r\n\r\nold")),
    ("/", Raw(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 2\r\n\r\nok")),
    ("/", Raw(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK + b"content-length: 2\r\n\r\nok")),
    ("/", Raw(OK + b"x-long: " + b"v" * 30000 + b"\r\ncontent-length: 2\r\n\r\nok")),
    ("/", Respond(200, closes=True)),
    ("/", Close()),
    ("/", Close(resets=True)),
]
UNKNOWN = Raw(b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n")


def sites(options):
    cases = [Case(Request(target="/down")), Case(Request("POST", "/down", body=b"x"))]
    for method, body in (("GET", b""), ("POST", b"hello")):
        for target, action in SAME:
            cases.append(Case(Request(method, target, body=body), (action,), note=str(action)[:60]))
        unknown = Case(Request(method, "/", body=body), (UNKNOWN,))
        cases.append(unknown.different("status-unknown", {"status": 999}, {"status": 502}))
    return [Site("failures", TABLE, cases, clusters=CLUSTERS)]
