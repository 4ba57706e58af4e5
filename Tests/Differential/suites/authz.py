"""Asking a service whether a request may pass: what it is asked, and what becomes of its answers."""

from client import Request
from model import Case, ClusterUse, FilterUse, Forward, Match, Path, Route, Site, Table
from upstream import CASE_HEADER, Close, Hang, Respond

CLUSTERS = {"app": ClusterUse(), "authz": ClusterUse(), "down": ClusterUse(("down",))}


def patterns(names):
    return {"patterns": [{"prefix": n[:-1]} if n.endswith("*") else {"exact": n} for n in names]}


ALLOWED = [CASE_HEADER, "authorization", "cookie", "x-team", "x-user-*"]
UPSTREAM = ["x-user", "x-role"]
CLIENT = ["www-authenticate", "location", "set-cookie", "x-why"]


def use(cluster="authz", on_error="deny", **more):
    martlet = {
        "cluster": cluster,
        "timeout": "1s",
        "on_error": on_error,
        "allowed_headers": ALLOWED,
        "upstream_headers": UPSTREAM,
        "client_headers": CLIENT,
        **more,
    }
    body = more.get("with_request_body")
    envoy = {
        "http_service": {
            "server_uri": {"uri": "http://authz.internal", "cluster": cluster, "timeout": "1s"},
            "path_prefix": more.get("path_prefix", ""),
            "authorization_response": {"allowed_upstream_headers": patterns(UPSTREAM), "allowed_client_headers": patterns(CLIENT)},
        },
        "failure_mode_allow": on_error == "allow",
        "allowed_headers": patterns(ALLOWED),
        "status_on_error": {"code": more.get("status_on_error", 403)},
    }
    if body:
        envoy["with_request_body"] = {
            "max_request_bytes": 1024,
            "allow_partial_message": body.get("allow_partial", False),
        }
    return FilterUse(("ext_authz", martlet), ("ext_authz", "ext_authz.v3.ExtAuthz", envoy))


FIELDS = (("authorization", "Bearer x"), ("cookie", "a=b"), ("x-team", "t"), ("x-user-id", "7"), ("x-other", "o"))
ANSWERS = [
    Respond(200),
    Respond(200, (("x-user", "ann"), ("x-role", "admin"), ("x-hidden", "h"))),
    Respond(201),
    Respond(204),
    Respond(302, (("location", "https://login.example/"), ("set-cookie", "s=1"), ("x-hidden", "h")), b"go"),
    Respond(401, (("www-authenticate", "Basic"), ("x-why", "no token")), b"who are you"),
    Respond(403, (), b"no"),
    Respond(404),
    Respond(429),
    Respond(500),
    Respond(503),
    Close(),
]


def sites(options):
    off = FilterUse(("ext_authz", "off"), ("ext_authz", "ext_authz.v3.ExtAuthzPerRoute", {"disabled": True}))
    to_app = Forward((("app", 1),))
    table = Table.of(Route(Match(Path("prefix", "/off")), to_app, (off,)), Route(Match(), to_app))

    def site(name, filter_use, bodies=(b"",), answers=ANSWERS):
        cases = [Case(Request(target="/off", headers=FIELDS))]
        for answer in answers:
            for body in bodies:
                request = Request("POST" if body else "GET", "/a/b?c=d", headers=FIELDS, body=body)
                case = Case(request, (answer, Respond(200)) if answer else (Respond(200),), note=str(answer)[:50])
                # A body that is too long is refused before anybody is asked.
                is_asked = name != "body" or len(body) <= 1024
                if answer in (Respond(201), Respond(204)) and is_asked:
                    case = case.different("authz-not-200", {"status": answer.status}, {"status": 403})
                cases.append(case)
        return Site(name, table, cases, (filter_use,), clusters=CLUSTERS)

    forged = Case(Request(headers=(("x-user", "forged"),)), (Respond(200),))
    part = "attempt 2 x-user"
    forged = forged.different("authz-forged", {part: "forged"}, {part: None})
    return [
        site("deny", use(), (b"", b"hello")),
        site("allow", use(on_error="allow")),
        site("slow", use(), answers=(Hang(),)),
        site("slow-allow", use(on_error="allow"), answers=(Hang(),)),
        site("status", use(status_on_error=503)),
        site("prefix", use(path_prefix="/check")),
        site("down", use("down"), answers=(None,)),
        site("down-allow", use("down", "allow"), answers=(None,)),
        site("body", use(with_request_body={"max_bytes": "1KiB"}), (b"hello", b"x" * 2000), answers=ANSWERS[:6]),
        site("partial", use(with_request_body={"max_bytes": "1KiB", "allow_partial": True}), (b"hello", b"x" * 2000)),
        Site("forged", table, [forged], (use(),), clusters=CLUSTERS),
    ]
