"""The filters that scenarios run, in each proxy's own words."""

import json
import textwrap

import tokens


def martlet(scenario, folder):
    """YAML lines of the filters before a scenario's policies, and behind them."""
    if scenario.filters in (None, "none"):
        return [], []
    (folder / "jwks.json").write_text(tokens.rs256()[1])
    cache = ", cache_size: 0" if scenario.filters == "jwt-uncached" else ""
    jwt = f"jwt: {{ issuer: {tokens.ISSUER}, audiences: [{tokens.AUDIENCE}], jwks: {{ file: jwks.json }}{cache} }}"
    if scenario.filters != "chain":
        return [jwt], []
    before = [
        "access_control: { allow_cidrs: [127.0.0.0/8, 10.0.0.0/8] }",
        'cors: { allow_origins: ["https://*.example.com"], allow_methods: [GET, POST], max_age: 1h }',
        jwt,
        "rate_limit: { requests: 1000000, per: 1s, burst: 1000000, key: client_ip }",
        'headers: { request: { set: { x-edge: "1" }, remove: [x-internal] }, response: { add: { x-frame-options: DENY } } }',
    ]
    return before, ["retry: { on: [connect-failure, refused-stream, reset, gateway-error], attempts: 3 }"]


def envoy(scenario):
    """YAML of the filters before a scenario's policies, indented as they stand there."""
    if scenario.filters in (None, "none"):
        return ""
    cache = "jwt_cache_config: { jwt_cache_size: 100 }" if scenario.filters == "jwt" else ""
    text = f"""
- name: jwt
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
    providers:
      bench:
        issuer: {tokens.ISSUER}
        audiences: [{tokens.AUDIENCE}]
        forward: true
        local_jwks: {{ inline_string: {json.dumps(tokens.rs256()[1])} }}
        {cache}
    rules:
    - match: {{ prefix: / }}
      requires: {{ provider_name: bench }}"""
    return textwrap.indent(text, " " * 10)
