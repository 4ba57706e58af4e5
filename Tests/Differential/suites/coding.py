"""Compression: which encoding is chosen for whom, which responses are left alone, and what becomes of their fields."""

from client import Request
from model import Case, ClusterUse, FilterUse, Forward, Match, Route, Site, Table
from upstream import Respond

TYPES = ["text/html", "text/plain", "application/json"]
BODY = b"to be or not to be, " * 200
# As the operator prefers them; Envoy has a filter for each.
LIBRARIES = {
    "zstd": "zstd.compressor.v3.Zstd",
    "br": "brotli.compressor.v3.Brotli",
    "gzip": "gzip.compressor.v3.Gzip",
}
ACCEPTS = [
    None, "gzip", "br", "zstd", "identity", "*", "gzip, br", "br, gzip", "gzip, deflate, br, zstd", "deflate", "gzip;q=0", "gzip;q=0.5",
    "gzip;q=0.5, br;q=0.8", "gzip;q=1, br;q=0.2", "*;q=0", "*;q=0, gzip", "identity;q=1, gzip;q=0.5", "identity;q=0, gzip", "GZIP",
    "x-gzip", "gzip;q=", "gzip;q=2", "gzip , br", ",gzip", "gzip;q=0.001", "br;q=0.5, *;q=0.1", "snappy, gzip", "", "gzip;level=1",
]  # fmt: skip


def compressor(coding):
    library = {
        "name": coding,
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.compression." + LIBRARIES[coding]},
    }
    settings = {
        "compressor_library": library,
        "response_direction_config": {"common_config": {"min_content_length": 100, "content_type": TYPES}},
    }
    return FilterUse(None, (f"compress-{coding}", "compressor.v3.Compressor", settings))


def chain(*codings):
    martlet = {"algorithms": list(codings), "min_size": "100B", "content_types": TYPES}
    # Of two that a client likes equally, Envoy takes the one whose filter comes first.
    return (FilterUse(("compress", martlet), None), *(compressor(coding) for coding in codings))


def answer(status=200, type="text/html", body=BODY, **fields):
    headers = [("content-type", type)] if type else []
    headers += [(name.replace("_", "-"), value) for name, value in fields.items()]
    return Respond(status, tuple(headers), body)


ANSWERS = {
    "html": answer(),
    "with parameters": answer(type="text/html; charset=utf-8"),
    "upper case": answer(type="TEXT/HTML"),
    "picture": answer(type="image/png"),
    "no type": answer(type=None),
    "small": answer(body=b"small"),
    "just large enough": answer(body=b"x" * 100),
    "just too small": answer(body=b"x" * 99),
    "encoded": answer(content_encoding="br"),
    "no-transform": answer(cache_control="public, no-transform"),
    "weak etag": answer(etag='W/"1"'),
    "vary": answer(vary="accept"),
    "vary already": answer(vary="Accept-Encoding"),
    "not found": answer(404),
    "error": answer(500),
    "partial": answer(206, content_range="bytes 0-99/1000"),
    "no content": answer(204, body=b""),
    "not modified": answer(304, body=b""),
    "ranges": answer(accept_ranges="bytes"),
}


CODING, VARY = "response content-encoding", "response vary"
# What is meant to differ: by the client's words, the id, the coding Envoy chooses and Martlet's, of gzip alone and of all three.
WORDS = {
    "GZIP": ("coding-names", None, "gzip", "gzip"),
    "x-gzip": ("coding-names", None, "gzip", "gzip"),
    "gzip;q=2": ("coding-broken", "gzip", None, None),
    "gzip;level=1": ("coding-broken", "gzip", None, None),
    "gzip, br": ("coding-order", "gzip", "gzip", "br"),
    "gzip , br": ("coding-order", "gzip", "gzip", "br"),
    "gzip, deflate, br, zstd": ("coding-order", "gzip", "gzip", "zstd"),
}


def sites(options):
    to_app = Forward((("app", 1),))

    def site(name, filters, cases):
        return Site(name, Table.of(Route(Match(), to_app)), list(cases), filters, clusters={"app": ClusterUse()})

    return [
        site("one", chain("gzip"), [chosen(accept, False) for accept in ACCEPTS]),
        site("all", chain("zstd", "br", "gzip"), [chosen(accept, True) for accept in ACCEPTS]),
        site("answers", chain("gzip"), [answered("gzip", name) for name in ANSWERS]),
        site("unasked", chain("gzip"), [answered(None, name) for name in ANSWERS]),
    ]


def asked(accept, response, **more):
    fields = (("accept-encoding", accept),) if accept is not None else ()
    return Case(Request(headers=fields), (response,), **more)


def chosen(accept, from_all):
    case = asked(accept, answer())
    if accept not in WORDS:
        return case
    identifier, envoy, alone, of_all = WORDS[accept]
    martlet = of_all if from_all else alone
    # Bodies are compared where both chose the same, or gzip or none.
    parts = [{CODING: envoy}, {CODING: martlet}]
    if of_all != alone:
        parts[1]["body"] = "" if from_all else BODY.decode()
    return case if envoy == martlet else case.different(identifier, *parts)


def answered(accept, name):
    case = asked(accept, ANSWERS[name], note=name)
    vary = [{VARY: "accept-encoding"}, {VARY: None}]
    if name in ("no content", "not modified"):
        return case.different("coding-no-body", *vary)
    identifier = {"no type": "coding-no-type", "partial": "coding-partial"}.get(name)
    if identifier:
        coding = [{CODING: "gzip"}, {CODING: None}] if accept else [{}, {}]
        return case.different(identifier, coding[0] | vary[0], coding[1] | vary[1])
    if name == "ranges" and accept:
        return case.different("coding-ranges", {"response accept-ranges": "bytes"}, {"response accept-ranges": None})
    return case
