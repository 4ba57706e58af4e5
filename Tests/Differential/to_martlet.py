"""The model in Martlet's words. The file is JSON, which is YAML too."""

from model import Forward, Match, Path, Redirect, Respond, Route
from to_envoy import merged


def duration(seconds):
    return "0" if seconds == 0 else f"{round(seconds * 1000)}ms"


def test(wanted):
    result = {"name": wanted.name, wanted.test.kind: wanted.test.value}
    return result | ({"invert": True} if getattr(wanted, "invert", False) else {})


def route_match(match, domains):
    result = {}
    if domains and "*" not in domains:
        result["hosts"] = list(domains)
    result["path"] = {match.path.kind: match.path.value}
    if not match.case_sensitive:
        result["case_sensitive"] = False
    if match.methods:
        result["methods"] = list(match.methods)
    if match.headers:
        result["headers"] = [test(wanted) for wanted in match.headers]
    if match.query:
        result["query"] = [test(wanted) for wanted in match.query]
    return result


def forward(action):
    result = {}
    if len(action.clusters) == 1:
        result["cluster"] = action.clusters[0][0]
    else:
        result["split"] = [{"cluster": name, "weight": weight} for name, weight in action.clusters]
    if action.timeout is not None:
        result["timeout"] = duration(action.timeout)
    if action.idle_timeout is not None:
        result["idle_timeout"] = duration(action.idle_timeout)
    if action.mirror:
        result["mirror"] = {"cluster": action.mirror}
    if action.rewrite:
        values = {"prefix": action.rewrite.prefix, "host": action.rewrite.host}
        if action.rewrite.regex:
            values |= dict(zip(("regex", "to"), action.rewrite.regex))
        result["rewrite"] = {key: value for key, value in values.items() if value is not None}
    return result


def redirect(action):
    values = {
        "scheme": action.scheme,
        "host": action.host,
        "port": action.port,
        "path": action.path,
        "prefix": action.prefix,
        "status": action.status,
        "strip_query": action.strip_query or None,
    }
    if action.regex:
        values |= dict(zip(("regex", "to"), action.regex))
    return {key: value for key, value in values.items() if value is not None}


def respond(action):
    headers = {}
    for name, value in action.headers:
        headers.setdefault(name, []).append(value)
    result = {"status": action.status}
    if action.body:
        result["body"] = action.body
    return result | ({"headers": headers} if headers else {})


def route(route, domains=()):
    result = {"match": route_match(route.match, domains)}
    match route.action:
        case Forward():
            result |= forward(route.action)
        case Redirect():
            result["redirect"] = redirect(route.action)
        case Respond():
            result["respond"] = respond(route.action)
    overrides = {use.martlet[0]: use.martlet[1] for use in route.overrides if use.martlet}
    if overrides:
        result["filters"] = overrides
    return merged(result, route.martlet)


NOT_FOUND = Route(Match(Path("prefix", "/")), Respond(404))


def precedence(domain):
    """Envoy's order of virtual hosts: exact names, then the longest suffix, then the longest prefix, then all."""
    if domain == "*":
        return (3, 0)
    if domain.startswith("*"):
        return (1, -len(domain))
    return (2, -len(domain)) if domain.endswith("*") else (0, 0)


def routes(table):
    """One list, first match first. Envoy's virtual hosts are written out most specific first, each closed with the 404 that
    Envoy answers instead of looking at another one."""
    if table.is_flat:
        return [route(each, host.domains) for host in table.hosts for each in host.routes]
    hosts = sorted(
        ((domain, host) for host in table.hosts for domain in host.domains), key=lambda pair: precedence(pair[0])
    )
    return [route(each, (domain,)) for domain, host in hosts for each in (*host.routes, NOT_FOUND)]


def listener(site, port):
    filters = [{use.martlet[0]: use.martlet[1]} for use in site.filters if use.martlet]
    base = {
        "name": site.name,
        "address": f"127.0.0.1:{port}",
        "filters": [*filters, "router"],
        "routes": routes(site.table),
    }
    return merged(base, site.martlet)


def cluster(name, use, ports):
    return merged({"name": name, "endpoints": [f"127.0.0.1:{port}" for port in ports]}, use.martlet)


def file(listeners, clusters, admin):
    return {
        "admin": {"address": f"127.0.0.1:{admin}"},
        "workers": 1,
        "access_log": "off",
        "listeners": listeners,
        "clusters": clusters,
    }
