"""What a path is taken for: dots, slashes, escapes, odd bytes, forms of the target."""

from client import Request
from model import Case, ClusterUse, Forward, Match, Route, Site, Table

SAME = [
    "/", "/a", "/a/", "/a//b", "//a", "/a///", "/./a", "/a/.", "/a/./b", "/a/../b", "/a/b/..", "/a/b/../", "/a/.../b", "/.well-known/x",
    "/a/..b", "/%61dmin", "/%41", "/a%2eb", "/%2e", "/a/%2e%2e/b", "/a%2Fb", "/a%5Cb", "/a\\b", "/a\\..\\b", "/a%20b", "/a+b", "/a%00b",
    "/a%7Fb", "/a%7eb", "/~a", "/a%C3%A9", "/a;b=c", "/a:b", "/a@b", "/a!$&'()*+,=b", "/a[b]", "/a?b", "/a?b/../c", "/a?b//c",
    "/a?%61", "/a??b", "/a?", "/?a=b&a=c", "/a#b", "/a?b#c", "/%3F", "/a%23b", "/%25", "/%2525", "/a%2E%2E%2Fb", "/.", "/a/..",
    "/a%26b", "/a%3Bb", "/a%2Bb", "/%2D%5F", "/a\x7fb", "/a\xe9", "*", "a", "http://other.example/x", "http://other.example",
]
# Path, what goes on beyond each; None: 400.
DIFFERENT = {
    "path-above-root": [("/..", "/", None), ("/../a", "/a", None), ("/a/../../b", "/b", None), ("/%2e%2e/a", "/a", None)],
    "escape-broken": [("/a%zz", "/a%zz", None), ("/a%", "/a%", None), ("/a%2", "/a%2", None)],
    "escape-case": [
        ("/a%2fb", "/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a%5cb", "/a%5Cb"),
        ("/a%0ab", "/a%0ab", "/a%0Ab"),
        ("/a%c3%a9", "/a%c3%a9", "/a%C3%A9"),
    ],
    "path-not-escaped": [
        ("/a{b}", "/a%7Bb%7D", "/a{b}"),
        ("/a|b", "/a%7Cb", "/a|b"),
        ("/a^b", "/a%5Eb", "/a^b"),
        ("/a`b", "/a%60b", "/a`b"),
        ('/a"b', "/a%22b", '/a"b'),
        ("/a<b>", "/a%3Cb%3E", "/a<b>"),
    ],
    "path-of-slashes": [("//", "//", "/"), ("///", "//", "/")],
}


def sites(options):
    table = Table.of(Route(Match(), Forward((("app", 1),))))
    cases = [Case(Request(target=path)) for path in SAME]
    for identifier, rows in DIFFERENT.items():
        cases += [differing(identifier, *row) for row in rows]
    return [Site("paths", table, cases, clusters={"app": ClusterUse()})]


def differing(identifier, path, envoy, martlet):
    ours = {"status": 400} if martlet is None else {"status": 200, "upstream target": martlet}
    theirs = {"status": 200, "upstream target": envoy}
    return Case(Request(target=path), differs=identifier, envoy=theirs, martlet=ours)
