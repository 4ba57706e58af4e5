"""A gRPC server of grpcio's: echoes in all four shapes, and the standard services the proxy asks. Messages of /test.Echo are bytes.

    grpc_server.py PORT STATE [CERTIFICATE KEY]    STATE: a file of `key value` lines, read anew for each question; what was seen is appended to STATE.seen
"""

import asyncio
import json
import signal
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PORT, STATE = sys.argv[1], sys.argv[2]


def state():
    with open(STATE) as file:
        return dict(line.rstrip("\n").split(" ", 1) for line in file if " " in line)


def saw(**what):
    with open(STATE + ".seen", "a") as file:
        file.write(json.dumps(what) + "\n")


def metadata(context):
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}


async def prepare(context, kind):
    """What the call's metadata asks for: initial metadata, a wait, a failure."""
    try:
        await _prepare(context, kind)
    except asyncio.CancelledError:
        # Wherever it comes: a client may give up as soon as it has the initial metadata.
        saw(cancelled=kind)
        raise


async def _prepare(context, kind):
    asked = metadata(context)
    if "x-quiet" not in asked:
        saw(kind=kind, metadata=asked, peer=context.peer(), left=context.time_remaining())
    if "x-initial" in asked:
        await context.send_initial_metadata((("x-initial", asked["x-initial"]),))
    echoed = [pair for pair in context.invocation_metadata() if pair[0].startswith("x-echo")]
    context.set_trailing_metadata((("x-trailing", kind), ("x-bytes-bin", b"\x00\xff"), *echoed))
    if "x-wait" in asked:
        await asyncio.sleep(float(asked["x-wait"]))
    if "x-fail" in asked:
        code, _, details = asked["x-fail"].partition(" ")
        same = f'"x-fail": {json.dumps(asked["x-fail"])}'
        count = sum(1 for line in open(STATE + ".seen") if same in line)
        if count <= int(asked.get("x-fail-times", "1000000")):
            await context.abort(grpc.StatusCode[code], details)


async def unary(request, context):
    await prepare(context, "unary")
    return request


async def client_stream(requests, context):
    await prepare(context, "client-stream")
    return b"".join([request async for request in requests])


async def server_stream(request, context):
    await prepare(context, "server-stream")
    for index in range(int(request)):
        yield b"%d" % index


async def bidi(requests, context):
    await prepare(context, "bidi")
    is_whole = False
    try:
        async for request in requests:
            yield request
        # A call that is given up may look like one that has no more to say, for a moment.
        if "x-linger" in metadata(context):
            await asyncio.sleep(30)
        is_whole = True
    finally:
        if not is_whole:
            saw(cancelled="bidi")


async def first(requests, context):
    """Answers the first message and has heard enough."""
    async for request in requests:
        yield request
        return


async def stuck(requests, context):
    """Reads nothing after the first message until STATE has `release`; then says how many messages there were, and bytes."""
    messages = size = 0
    async for request in requests:
        if messages == 0:
            saw(stuck=True)
            while "release" not in state():
                await asyncio.sleep(0.01)
        messages, size = messages + 1, size + len(request)
    return b"%d %d" % (messages, size)


flooded_messages = 0


async def flood(request, context):
    """So many messages of 64 KiB, as they are taken."""
    global flooded_messages
    is_whole = False
    try:
        for index in range(int(request)):
            yield bytes([index % 251]) * 65_536
            flooded_messages += 1
        is_whole = True
    finally:
        if not is_whole:
            saw(cancelled="flood")


async def flooded(request, context):
    return b"%d" % flooded_messages


async def failing_stream(request, context):
    """Some messages, then a failure in the trailers."""
    yield b"one"
    yield b"two"
    await context.abort(grpc.StatusCode.DATA_LOSS, "lost: 100% gone\n\u00fc")


# The standard services, by the numbers of their fields.

MESSAGE, STRING, BYTES, INT64, INT32, BOOL, ENUM_AS_INT = 11, 9, 12, 3, 5, 8, 5

FIELDS = {
    "HealthCheckRequest": [("service", 1, STRING)],
    "HealthCheckResponse": [("status", 1, ENUM_AS_INT)],
    "CheckRequest": [("attributes", 1, "AttributeContext")],
    "AttributeContext": [
        ("source", 1, "Peer"), ("destination", 2, "Peer"), ("request", 4, "Request"), ("extensions", 10, "*Entry"),
    ],
    "Peer": [("address", 1, "Address"), ("principal", 4, STRING)],
    "Address": [("socket_address", 1, "SocketAddress"), ("pipe", 2, "Pipe")],
    "SocketAddress": [("address", 2, STRING), ("port", 3, INT32)],
    "Pipe": [("path", 1, STRING)],
    "Request": [("time", 1, "Timestamp"), ("http", 2, "Http")],
    "Timestamp": [("seconds", 1, INT64), ("nanos", 2, INT32)],
    "Http": [
        ("id", 1, STRING), ("method", 2, STRING), ("headers", 3, "*Entry"), ("path", 4, STRING), ("host", 5, STRING),
        ("scheme", 6, STRING), ("query", 7, STRING), ("size", 9, INT64), ("protocol", 10, STRING), ("body", 11, STRING),
        ("raw_body", 12, BYTES),
    ],
    "Entry": [("key", 1, STRING), ("value", 2, STRING)],
    "CheckResponse": [
        ("status", 1, "Status"), ("denied", 2, "Denied"), ("ok", 3, "Ok"), ("error", 5, "Pipe"),
    ],
    "Status": [("code", 1, INT32)],
    "Denied": [("status", 1, "HttpStatus"), ("headers", 2, "*Option"), ("body", 3, STRING)],
    "HttpStatus": [("code", 1, INT32)],
    "Ok": [("headers", 2, "*Option"), ("remove", 5, "*string"), ("response_headers", 6, "*Option")],
    "Option": [("header", 1, "Header"), ("append", 2, "BoolValue"), ("action", 3, INT32)],
    "Header": [("key", 1, STRING), ("value", 2, STRING), ("raw_value", 3, BYTES)],
    "BoolValue": [("value", 1, BOOL)],
}


def build():
    file = descriptor_pb2.FileDescriptorProto(name="peer.proto", package="peer", syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            added = message.field.add(name=field, number=number, label=1)
            if isinstance(kind, str):
                if kind.startswith("*"):
                    added.label, kind = 3, kind[1:]
                added.type = STRING if kind == "string" else MESSAGE
                if kind != "string":
                    added.type_name = ".peer." + kind
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName("peer." + name)) for name in FIELDS}


TYPES = build()


async def health(request, context):
    asked = TYPES["HealthCheckRequest"].FromString(request).service
    saw(health=asked, metadata=metadata(context))
    status = state().get("health:" + asked)
    if status is None:
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
    return TYPES["HealthCheckResponse"](status=int(status)).SerializeToString()


def entries(items):
    return {item.key: item.value for item in items}


async def check(request, context):
    """A call of one message each way, unless it is asked for none or two."""
    answer = await checked(request, context)
    asked = entries(TYPES["CheckRequest"].FromString(request).attributes.request.http.headers).get("x-ask")
    for _ in range({"none": 0, "two": 2}.get(asked, 1)):
        yield answer


async def checked(request, context):
    attributes = TYPES["CheckRequest"].FromString(request).attributes
    http = attributes.request.http
    headers = entries(http.headers)
    saw(
        check=True, method=http.method, path=http.path, host=http.host, scheme=http.scheme, query=http.query,
        protocol=http.protocol, size=http.size, body=http.body, raw_body=list(http.raw_body), id=http.id,
        headers=headers, extensions=entries(attributes.extensions), source=attributes.source.address.socket_address.address,
        has_port=attributes.source.address.socket_address.port > 0,
        destination=attributes.destination.address.socket_address.port, has_time=attributes.request.time.seconds > 0,
        left=context.time_remaining(), metadata=metadata(context))
    answer = TYPES["CheckResponse"]()
    match headers.get("x-ask", "allow"):
        case "allow":
            option = answer.ok.headers.add(action=2)
            option.header.key, option.header.value = "X-User", "ann"
            option = answer.ok.headers.add()
            option.header.key, option.header.value, option.append.value = "x-more", "appended", True
            option = answer.ok.headers.add(action=1)
            option.header.key, option.header.value = "x-present", "not taken"
            option = answer.ok.headers.add()
            option.header.key, option.header.value = "content-length", "99"
            option = answer.ok.headers.add()
            option.header.key, option.header.raw_value = "x-raw", b"raw"
            answer.ok.remove.extend(["x-secret", "host"])
            option = answer.ok.response_headers.add()
            option.header.key, option.header.value = "x-checked", "yes"
        case "deny":
            answer.status.code = 7
            answer.denied.status.code = 302
            answer.denied.body = "go away"
            option = answer.denied.headers.add()
            option.header.key, option.header.value = "location", "/login"
        case "deny-plain":
            answer.status.code = 16
        case "deny-200":
            answer.status.code = 7
            answer.denied.status.code = 200
        case "error":
            answer.error.path = "x"
        case "abort":
            await context.abort(grpc.StatusCode.INTERNAL, "broken")
        case "garbage":
            return b"\xff\xff\xff"
        case "slow":
            await asyncio.sleep(30)
    return answer.SerializeToString()


async def main():
    # One port twice would hide that a server of before is still there.
    wanted = [("grpc." + key[7:], int(value)) for key, value in state().items() if key.startswith("option:")]
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)] + wanted)
    handlers = {
        "test.Echo": {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
            "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
            "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
            "First": grpc.stream_stream_rpc_method_handler(first),
            "Stuck": grpc.stream_unary_rpc_method_handler(stuck),
            "Flood": grpc.unary_stream_rpc_method_handler(flood),
            "Flooded": grpc.unary_unary_rpc_method_handler(flooded),
            "Failing": grpc.unary_stream_rpc_method_handler(failing_stream),
        },
        "grpc.health.v1.Health": {"Check": grpc.unary_unary_rpc_method_handler(health)},
        "envoy.service.auth.v3.Authorization": {"Check": grpc.unary_stream_rpc_method_handler(check)},
    }
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(service, methods) for service, methods in handlers.items()))
    if len(sys.argv) > 4:
        certificate, key = (open(name, "rb").read() for name in sys.argv[3:5])
        server.add_secure_port(f"127.0.0.1:{PORT}", grpc.ssl_server_credentials([(key, certificate)]))
    else:
        server.add_insecure_port(f"127.0.0.1:{PORT}")
    await server.start()
    await server.wait_for_termination()


# Inherited as blocked or ignored, the signal that ends this would not.
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
asyncio.run(main())
