"""The model in Envoy's words: a bootstrap file as JSON."""

import re

from model import Forward, Redirect, Respond

TYPE = "type.googleapis.com/envoy."
FILTERS = TYPE + "extensions.filters.http."


def duration(seconds):
    return f"{seconds:.3f}s"


def typed(kind, settings):
    """`kind`: a type within `envoy.extensions.filters.http`, or one written out from `envoy` on with a leading dot."""
    return {"@type": TYPE + kind[1:] if kind.startswith(".") else FILTERS + kind, **settings}


def string_match(test):
    """Of a test that is not `present`."""
    if test.kind == "regex":
        return {"safe_regex": {"regex": test.value}}
    return {test.kind: test.value}


def header_match(wanted):
    match = {"name": wanted.name}
    if wanted.test.kind == "present":
        match["present_match"] = wanted.test.value
    else:
        match["string_match"] = string_match(wanted.test)
        if wanted.invert:
            # An absent header passes an inverted test of Martlet's (`inverted-absent-header`); none of them takes an empty text.
            match["treat_missing_header_as_empty"] = True
    return match | ({"invert_match": True} if wanted.invert else {})


def query_match(wanted):
    if wanted.test.kind == "present":
        return {"name": wanted.name, "present_match": wanted.test.value}
    return {"name": wanted.name, "string_match": string_match(wanted.test)}


def regex_of_host(domain):
    """As Martlet reads it: whatever the case, the port not counted."""
    if domain == "*":
        name = ".*"
    elif domain.startswith("*"):
        name = ".+" + re.escape(domain[1:])
    elif domain.endswith("*"):
        name = re.escape(domain[:-1]) + ".+"
    else:
        name = re.escape(domain)
    return f"(?:{name})"


def route_match(match, domains):
    """`domains`: hosts that are conditions of this route; none when a virtual host stands for them."""
    kind = {"exact": "path", "regex": "safe_regex"}.get(match.path.kind, match.path.kind)
    result = {kind: {"regex": match.path.value} if kind == "safe_regex" else match.path.value}
    if not match.case_sensitive:
        result["case_sensitive"] = False
    headers = [header_match(wanted) for wanted in match.headers]
    if match.methods:
        headers.append({"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(match.methods)}}})
    if domains:
        regex = "(?i)(?:" + "|".join(map(regex_of_host, domains)) + ")(?::[0-9]+)?"
        headers.append({"name": ":authority", "string_match": {"safe_regex": {"regex": regex}}})
    if headers:
        result["headers"] = headers
    if match.query:
        result["query_parameters"] = [query_match(wanted) for wanted in match.query]
    return result


def regex_rewrite(pair):
    return {"pattern": {"regex": pair[0]}, "substitution": pair[1]}


def forward(action):
    result = {}
    if len(action.clusters) == 1:
        result["cluster"] = action.clusters[0][0]
    else:
        parts = [{"name": name, "weight": weight} for name, weight in action.clusters]
        result["weighted_clusters"] = {"clusters": parts}
    if action.timeout is not None:
        result["timeout"] = duration(action.timeout)
    if action.idle_timeout is not None:
        result["idle_timeout"] = duration(action.idle_timeout)
    if action.mirror:
        result["request_mirror_policies"] = [{"cluster": action.mirror}]
    rewrite = action.rewrite
    if rewrite and rewrite.prefix is not None:
        result["prefix_rewrite"] = rewrite.prefix
    if rewrite and rewrite.regex:
        result["regex_rewrite"] = regex_rewrite(rewrite.regex)
    if rewrite and rewrite.host:
        result["host_rewrite_literal"] = rewrite.host
    return result


STATUS_NAMES = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}


def redirect(action):
    values = {
        "scheme_redirect": action.scheme,
        "host_redirect": action.host,
        "port_redirect": action.port,
        "path_redirect": action.path,
        "prefix_rewrite": action.prefix,
        "regex_rewrite": regex_rewrite(action.regex) if action.regex else None,
        "response_code": STATUS_NAMES[action.status],
        "strip_query": action.strip_query or None,
    }
    return {key: value for key, value in values.items() if value is not None}


def route(route, domains=()):
    result = {"match": route_match(route.match, domains)}
    match route.action:
        case Forward():
            result["route"] = forward(route.action)
        case Redirect():
            result["redirect"] = redirect(route.action)
        case Respond(status=status, body=body, headers=headers):
            result["direct_response"] = {"status": status} | ({"body": {"inline_string": body}} if body else {})
            if headers:
                result["response_headers_to_add"] = [
                    {"header": {"key": key, "value": value}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}
                    for key, value in headers
                ]
    overrides = {use.envoy[0]: typed(use.envoy[1], use.envoy[2]) for use in route.overrides if use.envoy}
    if overrides:
        result["typed_per_filter_config"] = overrides
    return merged(result, route.envoy)


def virtual_hosts(table):
    if table.is_flat:
        routes = [route(each, host.domains) for host in table.hosts for each in host.routes]
        return [{"name": "all", "domains": ["*"], "routes": routes}]
    return [
        {"name": f"host-{number}", "domains": list(host.domains), "routes": [route(each) for each in host.routes]}
        for number, host in enumerate(table.hosts)
    ]


def listener(site, port):
    filters = [
        {"name": use.envoy[0], "typed_config": typed(use.envoy[1], use.envoy[2])} for use in site.filters if use.envoy
    ]
    filters.append({"name": "router", "typed_config": typed("router.v3.Router", {})})
    manager = {
        "@type": TYPE
        + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": site.name,
        "codec_type": "HTTP1",
        # Martlet's defaults, each a deliberate difference of its own.
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "server_header_transformation": "PASS_THROUGH",
        # A second by default, which a response cut short would cost each time.
        "delayed_close_timeout": "0.1s",
        "http_filters": filters,
        "route_config": {"virtual_hosts": virtual_hosts(site.table), "ignore_port_in_host_matching": True},
    }
    return {
        "name": site.name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": merged(manager, site.envoy)}]}],
    }


def cluster(name, use, ports):
    endpoints = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}} for port in ports
    ]
    base = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }
    return merged(base, use.envoy)


def bootstrap(listeners, clusters):
    return {"static_resources": {"listeners": listeners, "clusters": clusters}}


def merged(base, over):
    """`over` wins; mappings are merged, and None takes a key away."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
