"""Configurations that pass bytes on and look at none of them."""


def martlet(port, upstream):
    return f"""
access_log: off
listeners:
  - {{ name: bench, address: "127.0.0.1:{port}", protocol: tcp, cluster: upstream }}
clusters:
  - {{ name: upstream, endpoints: ["127.0.0.1:{upstream}"] }}
"""


def nginx(port, upstream):
    """What stands in place of nginx's `http`."""
    return f"""
stream {{
    access_log off;
    proxy_timeout 1h;
    server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{upstream}; }}
}}
"""


def haproxy(port, upstream):
    return f"""
global
    nbthread 1
    maxconn 7000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend bench
    bind 127.0.0.1:{port}
    default_backend upstream
backend upstream
    server upstream 127.0.0.1:{upstream}
"""


def envoy(port, upstream):
    return f"""
static_resources:
  listeners:
  - name: bench
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: bench
          cluster: upstream
  clusters:
  - name: upstream
    type: STATIC
    connect_timeout: 5s
    load_assignment:
      cluster_name: upstream
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {upstream} }} }} }}
"""
