"""TLS and HTTP/2 between client and proxy, and HTTP/2 to the upstream, in each proxy's own words."""

import textwrap

import certificates
from scenarios import HOST


def martlet(scenario, folder):
    """YAML lines of the listener."""
    if not scenario.tls:
        return []
    certificate, key, _ = certificates.write(folder, HOST)
    return [f'    tls: {{ certificate: {certificate}, private_key: {key}, min_version: "1.3" }}']


def nginx(scenario, folder):
    """(words behind the address of `listen`, directives of the server)."""
    words = (" ssl" if scenario.tls else "") + (" http2" if scenario.protocol == "http2" else "")
    if not scenario.tls:
        return words, ""
    certificate, key, _ = certificates.write(folder, HOST)
    return words, f"ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"


def haproxy(scenario, folder):
    """Words behind the address of `bind`."""
    if scenario.tls:
        both = certificates.write(folder, HOST)[2]
        return f" ssl crt {both} ssl-min-ver TLSv1.3 alpn {'h2' if scenario.protocol == 'http2' else 'http/1.1'}"
    return " proto h2" if scenario.protocol == "http2" else ""


def envoy(scenario, folder):
    """YAML of the filter chain, indented as it stands there."""
    if not scenario.tls:
        return ""
    certificate, key, _ = certificates.write(folder, HOST)
    text = f"""
transport_socket:
  name: tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    common_tls_context:
      alpn_protocols: [{'h2' if scenario.protocol == 'http2' else 'http/1.1'}]
      tls_params: {{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }}
      tls_certificates:
      - certificate_chain: {{ filename: {certificate} }}
        private_key: {{ filename: {key} }}"""
    return textwrap.indent(text, " " * 6)


def envoy_cluster(scenario):
    """YAML of the cluster, indented as it stands there."""
    if scenario.upstream_protocol != "http2":
        return ""
    return """
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }"""
