"""A gRPC client of grpcio's that finds its servers by xDS, and servers for it. Answers each line of standard input with one.

    mesh_client.py CONTROL_PLANE_PORT

    serve NAME              starts a server that answers its name: its port
    call TARGET             calls xds:///TARGET: what was answered, or the status
    until TARGET ANSWER     calls until that is answered: ok, or what was answered last
    load TARGET             calls without a pause from now on
    loaded                  ends that: calls, failures
    states                  what the client says of its resources: TYPE NAME STATE, each
"""

import json
import os
import sys
import threading
import time
from concurrent import futures

PORT = sys.argv[1]
os.environ["GRPC_VERBOSITY"] = "NONE"
os.environ["GRPC_XDS_BOOTSTRAP_CONFIG"] = json.dumps(
    {
        "xds_servers": [
            {
                "server_uri": f"127.0.0.1:{PORT}",
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }
        ],
        "node": {"id": "grpc-client", "cluster": "mesh", "locality": {"zone": "a"}},
    }
)

import grpc
import grpc_csds
from envoy.service.status.v3 import csds_pb2, csds_pb2_grpc

servers, channels = [], {}
PATIENCE = 60


def serve(name):
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: name.encode())
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("mesh.Names", {"Name": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    servers.append(server)
    return port


def method(target):
    if target not in channels:
        channels[target] = grpc.insecure_channel(f"xds:///{target}")
    return channels[target].unary_unary("/mesh.Names/Name")


def call(target, timeout=5):
    try:
        return method(target)(b"", timeout=timeout, wait_for_ready=False).decode()
    except grpc.RpcError as error:
        return error.code().name


def until(target, wanted):
    end = time.monotonic() + PATIENCE
    answer = ""
    while time.monotonic() < end:
        answer = call(target)
        if answer == wanted:
            return "ok"
    return answer


class Load:
    def __init__(self, target):
        self.calls, self.failures, self.is_over = 0, [], False
        self.thread = threading.Thread(target=self.run, args=(target,))
        self.thread.start()

    def run(self, target):
        while not self.is_over:
            answer = call(target, timeout=20)
            self.calls += 1
            if answer.isupper():
                self.failures.append(answer)

    def end(self):
        self.is_over = True
        self.thread.join()
        return f"{self.calls > 0} {len(self.failures)}"


def states():
    status = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(csds_channel).FetchClientStatus(
        csds_pb2.ClientStatusRequest(), timeout=5
    )
    found = []
    for config in status.config:
        for resource in config.generic_xds_configs:
            state = resource.DESCRIPTOR.fields_by_name["client_status"].enum_type.values_by_number[
                resource.client_status
            ]
            found.append(f"{resource.type_url.split('.')[-1]} {resource.name} {state.name}")
    return ", ".join(sorted(found))


csds_server = grpc.server(futures.ThreadPoolExecutor(1))
grpc_csds.add_csds_servicer(csds_server)
csds_channel = grpc.insecure_channel(f"127.0.0.1:{csds_server.add_insecure_port('127.0.0.1:0')}")
csds_server.start()
load = None

for line in sys.stdin:
    words = line.split()
    if words[0] == "serve":
        answer = serve(words[1])
    elif words[0] == "call":
        answer = call(words[1])
    elif words[0] == "until":
        answer = until(words[1], words[2])
    elif words[0] == "load":
        load, answer = Load(words[1]), "ok"
    elif words[0] == "loaded":
        answer = load.end()
    elif words[0] == "states":
        answer = states()
    else:
        answer = "?"
    print(answer, flush=True)

os._exit(0)
