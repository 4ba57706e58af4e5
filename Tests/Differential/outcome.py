"""What is compared: an outcome is the response and what the upstream saw, each difference known by its id taken off."""

import gzip
from dataclasses import dataclass, field

# Fields of one connection and of framing: bodies are compared as they were understood, not as they were cut.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "proxy-connection"}


@dataclass
class Attempt:
    endpoint: str
    method: str
    target: str
    headers: dict
    body: bytes


@dataclass
class Outcome:
    status: int
    headers: dict
    body: bytes
    is_whole: bool
    attempts: list = field(default_factory=list)

    def parts(self):
        """Name and value of everything that is compared."""
        yield "status", self.status
        yield "complete", self.is_whole
        yield "body", self.body.decode("latin-1")
        yield from ((f"response {name}", value) for name, value in sorted(self.headers.items()))
        yield "attempts", [attempt.endpoint for attempt in self.attempts]
        for number, attempt in enumerate(self.attempts):
            where = f"attempt {number + 1} " if number else "upstream "
            yield where + "method", attempt.method
            yield where + "target", attempt.target
            yield where + "body", attempt.body.decode("latin-1")
            yield from ((where + name, value) for name, value in sorted(attempt.headers.items()))

    def rename_endpoints(self):
        """Calls endpoints by the order in which they were asked, also where they say their name as the body."""
        names = {}
        for attempt in self.attempts:
            attempt.endpoint = names.setdefault(attempt.endpoint, f"endpoint {len(names) + 1}")
        self.body = names.get(self.body.decode("latin-1"), "").encode() or self.body

    def part(self, name):
        return dict(self.parts()).get(name)


def folded(headers):
    """Fields of one name are one list (RFC 9110 section 5.3), names have no case; set-cookie is never one line."""
    result = {}
    for name, value in headers:
        name = name.lower()
        if name in HOP_BY_HOP:
            continue
        separator = {"cookie": "; ", "set-cookie": "\n"}.get(name, ", ")
        result[name] = f"{result[name]}{separator}{value}" if name in result else value
    result = {name: ",".join(part.strip() for part in value.split(",")) for name, value in result.items()}
    if "vary" in result:
        # Names of fields, which have no case.
        result["vary"] = result["vary"].lower()
    return result


def decoded(body, coding):
    """The body without its encoding, where Python can; otherwise nothing is said about it."""
    if coding == "gzip":
        try:
            return gzip.decompress(body)
        except (OSError, EOFError):
            return body
    return b"" if coding in ("br", "zstd") else body


def outcome(response, seen):
    attempts = [Attempt(each.endpoint, each.method, each.target, folded(each.headers), each.body) for each in seen]
    headers = folded(response.headers)
    body = decoded(response.body, headers.get("content-encoding"))
    return Outcome(response.status, headers, body, response.is_whole, attempts)


def differing(envoy, martlet):
    """Name, Envoy's value and Martlet's of all that is not the same."""
    left, right = dict(envoy.parts()), dict(martlet.parts())
    names = list(dict.fromkeys([*left, *right]))
    return [(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)]
