"""A client that reports what it likes (martlet.control.v1.ProxyReports), in bytes that it writes itself.

    report_client.py PORT

Each line on standard input is an order, and is answered by one line:

discover ID    opens a stream of discovery as that node, and keeps it
report JSON    opens a stream of reports and sends these: a list of objects with any of node, responses and durations (how many
               numbers), policies (a list of names), version (of a type), waiting (a list), pad (so many bytes more) and raw (hex).
               The answer: `order` for each order that came, and how the stream ended
"""

import json
import sys

import grpc

DISCOVERY = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
REPORTS = "/martlet.control.v1.ProxyReports/StreamReports"
CLUSTER = b"type.googleapis.com/envoy.config.cluster.v3.Cluster"


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def report(order):
    if "raw" in order:
        return bytes.fromhex(order["raw"])
    out = field(1, field(1, order["node"].encode())) if "node" in order else b""
    kind = field(1, CLUSTER) + field(2, order.get("version", "").encode())
    kind += b"".join(field(3, name.encode()) for name in order.get("waiting", []))
    traffic = field(1, bytes(order.get("responses", 6))) + field(2, bytes(order.get("durations", 20)))
    traffic += b"".join(field(3, field(1, name.encode())) for name in order.get("policies", []))
    out += field(3, kind) + field(4, traffic)
    if "pad" in order:
        out += field(999, bytes(order["pad"]))
    return out


def main():
    channel = grpc.insecure_channel("127.0.0.1:" + sys.argv[1], options=[("grpc.max_send_message_length", -1)])
    kept = []

    def forever(first):
        yield first
        event.wait()

    import threading
    event = threading.Event()
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "discover":
            request = field(1, field(1, rest.encode())) + field(2, CLUSTER)
            kept.append(channel.stream_stream(DISCOVERY)(forever(request)))
            next(kept[-1])
            print("discovered", flush=True)
        else:
            answer = []
            try:
                for _ in channel.stream_stream(REPORTS)(iter([report(order) for order in json.loads(rest)])):
                    answer.append("order")
                answer.append("OK")
            except grpc.RpcError as error:
                answer.append(error.code().name + ": " + error.details())
            print(" ".join(answer).replace("\n", " "), flush=True)
    event.set()


main()
