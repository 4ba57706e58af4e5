"""JSON web tokens: a table of tokens, good and bad, at the places where a token may stand."""

import time

from client import Request
from model import Case, ClusterUse, FilterUse, Forward, Match, Path, Route, Site, Table
from tokens import Keys, encoded

ISSUER = "https://id.example.com"
NAME = "jwt_authn"
MINUTE, HOUR, DAY = 60, 3600, 86_400


class Tokens:
    def __init__(self):
        self.keys = Keys()
        self.now = int(time.time())

    def claims(self, **changes):
        claims = {"iss": ISSUER, "aud": "shop", "sub": "ann", "iat": self.now, "exp": self.now + HOUR, "team": "blue"}
        claims |= changes
        return {name: value for name, value in claims.items() if value is not None}

    def good(self, **changes):
        return self.keys.token(self.claims(**changes))

    def signed(self):
        """Name and token: kinds of signatures."""
        make = self.keys.token
        for algorithm in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
            yield algorithm, make(self.claims(), algorithm)
        yield "ES256", make(self.claims(), "ES256", "ec")
        yield "EdDSA", make(self.claims(), "EdDSA", "ed")
        yield "none", make(self.claims(), "none")
        yield "None", make(self.claims(), "none", header={"alg": "None"})
        yield "none with a signature", self.good().rsplit(".", 2)[0] + "." + ".".join(self.good().split(".")[1:])
        yield "the public key as a secret", make(self.claims(), "HS256", "rsa")
        yield "another's key", make(self.claims(), "RS256", "other", {"kid": "rsa"})
        yield "ES256 said of an RSA key", make(self.claims(), "ES256", "ec", {"kid": "rsa"})
        yield "RS256 said of an EC signature", make(self.claims(), "ES256", "ec", {"alg": "RS256"})
        yield "no kid", make(self.claims(), header={"kid": None})
        yield "another kid", make(self.claims(), header={"kid": "unknown"})
        yield "its own key", make(self.claims(), "RS256", "other", {"kid": None, "jwk": self.keys.jwk("other")})
        yield "a pointer to keys", make(self.claims(), "RS256", "other", {"kid": None, "jku": "http://evil.example/"})
        yield "no typ", make(self.claims(), header={"typ": None})

    def claimed(self):
        """Name and token: claims."""
        now = self.now
        for name, changes in {
            "expired": {"exp": now - HOUR},
            "expired within the skew": {"exp": now - MINUTE // 2},
            "not yet": {"nbf": now + HOUR},
            "not yet, within the skew": {"nbf": now + MINUTE // 2},
            "no exp": {"exp": None},
            "another issuer": {"iss": "https://evil.example.com"},
            "issuer with a slash": {"iss": ISSUER + "/"},
            "no issuer": {"iss": None},
            "one audience of several": {"aud": ["blog", "shop"]},
            "no subject": {"sub": None},
            "a number for a team": {"team": 7},
            "truth for a team": {"team": True},
            "no team": {"team": None},
            "issued in future": {"iat": now + DAY},
        }.items():
            yield name, self.good(**changes)

    def broken(self):
        """Name and token: what is no token."""
        good = self.good()
        head, payload, signature = good.split(".")
        yield "empty", ""
        yield "a word", "token"
        yield "two parts", f"{head}.{payload}"
        yield "four parts", good + ".x"
        yield "no signature", f"{head}.{payload}."
        yield "another payload", f"{head}.{encoded(b'{}')}.{signature}"
        yield "a changed signature", f"{head}.{payload}.{'A' * 10}{signature[10:]}"
        yield "a cut signature", good[:-8]
        yield "no JSON in the head", f"{encoded(b'head')}.{payload}.{signature}"
        yield "no JSON in the payload", self.keys.token(b"payload")
        yield "a list for claims", self.keys.token(b"[]")
        yield "no base64", f"{head}.!!!.{signature}"
        yield "blanks", f"{head}. {payload}.{signature}"
        yield "exp as text", self.good(exp=str(self.now + HOUR))
        yield "iss as a number", self.good(iss=7)
        yield "alg as a number", self.keys.token(self.claims(), header={"alg": 7})


def sites(options):
    tokens = Tokens()
    rows = [*tokens.signed(), *tokens.claimed(), *tokens.broken()]
    header = [Case(bearing(token), note=name) for name, token in rows]
    return [
        site("tokens", tokens, [*header, *by_rule(tokens)]),
        site("places", tokens, places(tokens), places=True),
        site("forwarded", tokens, forwarded(tokens), forward=True),
        site("missing", tokens, missing(tokens), allow_missing=True),
        site("routes", tokens, routes(tokens)),
    ]


def bearing(token, target="/", **more):
    return Request(target=target, headers=(("authorization", f"Bearer {token}"),), **more)


def site(name, tokens, cases, places=False, forward=False, allow_missing=False):
    jwks = tokens.keys.jwks("rsa", "ec", "ed")
    martlet = {
        "issuer": ISSUER,
        "audiences": ["shop"],
        "jwks": {"inline": jwks},
        "claim_to_headers": {"x-user": "sub", "x-team": "team"},
        "allow_missing": allow_missing,
        "forward": forward,
    }
    provider = {
        "issuer": ISSUER,
        "audiences": ["shop"],
        "local_jwks": {"inline_string": jwks},
        "require_expiration": True,
        "forward": forward,
        "claim_to_headers": [
            {"header_name": "x-user", "claim_name": "sub"},
            {"header_name": "x-team", "claim_name": "team"},
        ],
        # Envoy would look into `access_token` of the query as well.
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
    }
    if places:
        martlet |= {
            "from_headers": [{"name": "authorization", "prefix": "Bearer "}, {"name": "x-token"}],
            "from_params": ["token"],
            "from_cookies": ["session"],
        }
        provider["from_headers"].append({"name": "x-token"})
        provider |= {"from_params": ["token"], "from_cookies": ["session"]}
    required = {"provider_name": "main"}
    if allow_missing:
        required = {"requires_any": {"requirements": [required, {"allow_missing": {}}]}}
    envoy = {"providers": {"main": provider}, "rules": [{"match": {"prefix": "/"}, "requires": required}]}
    use = FilterUse(("jwt", martlet), (NAME, "jwt_authn.v3.JwtAuthentication", envoy))
    free = FilterUse(("jwt", "off"), (NAME, "jwt_authn.v3.PerRouteConfig", {"disabled": True}))
    to_app = Forward((("app", 1),))
    table = Table.of(Route(Match(Path("prefix", "/free")), to_app, (free,)), Route(Match(), to_app))
    return Site(name, table, list(cases), (use,), clusters={"app": ClusterUse()})


def by_rule(tokens):
    for audience in ("blog", ["blog", "wiki"], None):
        yield Case(bearing(tokens.good(aud=audience))).different("jwt-audience", {"status": 403}, {"status": 401})
    lower = Case(Request(headers=(("Authorization", f"bearer {tokens.good()}"),)))
    yield lower.different("bearer-case", {"status": 401}, {"status": 200})
    twice = (("authorization", f"Bearer {tokens.good()}"), ("authorization", f"Bearer {tokens.good(sub='bob')}"))
    yield Case(Request(headers=twice))


def places(tokens):
    good = tokens.good()
    for fields in (
        (("authorization", f"Bearer {good}"),),
        (("authorization", f"Basic {good}"),),
        (("authorization", good),),
        (("x-token", good),),
        (("x-token", f"Bearer {good}"),),
        (("cookie", f"sessions={good}"),),
        (("x-other", good),),
        (("x-token", tokens.good(exp=1)),),
    ):
        yield Case(Request(headers=fields))
    for target in (f"/?token={good}", f"/?a=b&token={good}&c=d", f"/?Token={good}", "/?token=", f"/?tokens={good}"):
        yield Case(Request(target=target))
    case = Case(Request(headers=(("cookie", f"a=b; session={good}; c=d"),)))
    both = f"a=b; session={good}; c=d"
    yield case.different("jwt-cookie", {"upstream cookie": both}, {"upstream cookie": "a=b; c=d"})


def forwarded(tokens):
    yield Case(bearing(tokens.good()))
    yield Case(bearing(tokens.good(sub=None)))
    forged = (("authorization", f"Bearer {tokens.good(sub=None, team=None)}"), ("x-user", "root"), ("X-Team", "red"))
    yield Case(Request(headers=forged), note="headers that claims make, sent by the client")


def missing(tokens):
    yield Case(Request())
    yield Case(Request(headers=(("x-user", "root"),)))
    yield Case(bearing(tokens.good()))
    yield Case(bearing(tokens.good(exp=1)))
    yield Case(bearing("nonsense"))


def routes(tokens):
    yield Case(Request(target="/free"))
    yield Case(bearing(tokens.good(exp=1), target="/free"))
    yield Case(Request(target="/free", headers=(("x-user", "root"),)))
    yield Case(Request("OPTIONS"))
    yield Case(Request("HEAD", headers=(("authorization", f"Bearer {tokens.good()}"),)))
    yield Case(Request("POST", headers=(("authorization", f"Bearer {tokens.good()}"),), body=b"hello"))
    yield Case(Request("POST", body=b"hello"))
