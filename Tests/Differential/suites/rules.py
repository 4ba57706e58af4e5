"""Rules about who may do what, by chance: sets of deny and allow rules, and requests that meet them and miss them."""

import random

from client import Request
from model import Case, ClusterUse, FilterUse, Forward, HeaderTest, Match, Path, Route, Site, Table, Test
from to_envoy import header_match

SETS, REQUESTS = 60, 25
PATHS = ["/", "/admin", "/admin/users", "/administration", "/api/v1", "/api/v2/users", "/.git/config", "/metrics"]
METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD"]
ROLES = ["admin", "reader", "writer", "admin,reader", "Admin"]
TESTS = [
    Test("exact", "admin"), Test("prefix", "adm"), Test("suffix", "er"), Test("contains", "d"), Test("regex", "(read|writ)er"),
    Test("present"), Test("present", False),
]  # fmt: skip
PATH_TESTS = [
    ("exact", "/admin"), ("prefix", "/admin"), ("prefix", "/api/"), ("regex", ".*/[.].*"), ("regex", "/api/v[0-9]+(/.*)?"), ("exact", "/"),
]  # fmt: skip

def sites(options):
    return [site(random.Random(f"rules-{options.seed}-{number}"), number) for number in range(SETS)]


def site(chance, number):
    denies = [condition(chance, 2) for _ in range(chance.randint(0, 2))]
    allows = [condition(chance, 2) for _ in range(chance.randint(0 if denies else 1, 3))]
    martlet = {
        "rules": [
            {"name": f"{action}-{place}", "action": action, "when": each[0]}
            for action, rules in (("deny", denies), ("allow", allows))
            for place, each in enumerate(rules)
        ],
        "default": "deny" if allows else "allow",
    }
    filters = [FilterUse(("rbac", martlet), None)]
    for action, rules in (("DENY", denies), ("ALLOW", allows)):
        if rules:
            policies = {
                f"{action.lower()}-{place}": {"permissions": [each[1]], "principals": [{"any": True}]}
                for place, each in enumerate(rules)
            }
            settings = {"rules": {"action": action, "policies": policies}}
            filters.append(FilterUse(None, (f"rbac-{action.lower()}", "rbac.v3.RBAC", settings)))
    table = Table.of(Route(Match(Path("prefix", "/")), Forward((("app", 1),))))
    cases = [Case(request(chance)) for _ in range(REQUESTS)]
    return Site(f"rules-{number}", table, cases, tuple(filters), clusters={"app": ClusterUse()})


def condition(chance, depth):
    """A condition in Martlet's words and in Envoy's."""
    kind = chance.choice(["path", "path", "methods", "headers"] + (["not", "and", "or"] if depth else []))
    if kind == "path":
        how, text = chance.choice(PATH_TESTS)
        return {"path": {how: text}}, {"url_path": {"path": {"safe_regex": {"regex": text}} if how == "regex" else {how: text}}}
    if kind == "methods":
        methods = chance.sample(METHODS, chance.randint(1, 2))
        match = {"safe_regex": {"regex": "|".join(methods)}}
        return {"methods": methods}, {"header": {"name": ":method", "string_match": match}}
    if kind == "headers":
        wanted = HeaderTest("x-role", chance.choice(TESTS), chance.random() < 0.3)
        ours = {"name": wanted.name, wanted.test.kind: wanted.test.value, "invert": wanted.invert}
        return {"headers": [ours]}, {"header": header_match(wanted)}
    if kind == "not":
        ours, theirs = condition(chance, depth - 1)
        return {"not": ours}, {"not_rule": theirs}
    parts = [condition(chance, depth - 1) for _ in range(2)]
    ours, theirs = [part[0] for part in parts], [part[1] for part in parts]
    return {kind: ours}, {f"{kind}_rules": {"rules": theirs}}


def request(chance):
    fields = tuple(("x-role", role) for role in chance.sample(ROLES, chance.choice([0, 1, 1, 2])))
    target = chance.choice(PATHS) + chance.choice(["", "", "?x=/admin"])
    return Request(chance.choice(METHODS), target, headers=fields)
