"""Resources that both Martlet and Envoy take, made with the messages of xds-protos: each a pair of its kind and an Any."""

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401: found by name
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2  # noqa: F401
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any

CLASSES = {"cluster": Cluster, "endpoints": ClusterLoadAssignment, "listener": Listener, "routes": RouteConfiguration, "secret": Secret}
URLS = {kind: "type.googleapis.com/" + message.DESCRIPTOR.full_name for kind, message in CLASSES.items()}
KINDS = {url: kind for kind, url in URLS.items()}
WILDCARDS = ("cluster", "listener")

ADS = {"ads": {}, "resource_api_version": "V3"}


def pack(kind, fields):
    any = Any()
    any.Pack(json_format.ParseDict(fields, CLASSES[kind]()), deterministic=True)
    return kind, any


def name_of(kind, any):
    message = CLASSES[kind].FromString(any.value)
    return message.cluster_name if kind == "endpoints" else message.name


def cluster(name, timeout="1s", **more):
    return pack("cluster", {
        "name": name, "type": "EDS", "connect_timeout": timeout, "eds_cluster_config": {"eds_config": ADS}, **more})


def endpoints(name, ports):
    items = [{"endpoint": {"address": address(port)}} for port in ports]
    return pack("endpoints", {
        "cluster_name": name, "endpoints": [{"locality": {"zone": "a"}, "load_balancing_weight": 1, "lb_endpoints": items}]})


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def routes(name, target):
    route = {"match": {"prefix": "/"}, "route": {"cluster": target}}
    return pack("routes", {"name": name, "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]})


def listener(name, port, table="main"):
    prefix = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{prefix}.http.router.v3.Router"}}
    manager = {
        "@type": f"{prefix}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name, "rds": {"route_config_name": table, "config_source": ADS}, "http_filters": [router],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return pack("listener", {"name": name, "address": address(port), "filter_chains": [chain]})


def secret(name):
    return pack("secret", {"name": name, "generic_secret": {"secret": {"inline_string": "x"}}})
