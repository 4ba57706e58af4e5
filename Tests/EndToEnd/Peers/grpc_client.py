"""A gRPC client of grpcio's: runs the named scenarios against a port and ends with 1 at the first that is not as it should be.

    grpc_client.py PORT AUTHORITIES SCENARIO...    AUTHORITIES: a file of those that vouch for the server, or - in clear text
                                                   SCENARIO: a function's name, with =ARGUMENT when it takes one
"""

import asyncio
import queue
import sys
import time

import grpc

PORT, AUTHORITIES = sys.argv[1:3]
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def expect(condition, what):
    if not condition:
        sys.exit(f"not as it should be: {what}")


def connect(library):
    if AUTHORITIES == "-":
        return library.insecure_channel(f"127.0.0.1:{PORT}", options=OPTIONS)
    with open(AUTHORITIES, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    return library.secure_channel(f"127.0.0.1:{PORT}", credentials, options=OPTIONS)


class Calls:
    def __init__(self, channel):
        self.channel = channel
        self.unary = channel.unary_unary("/test.Echo/Unary")
        self.client_stream = channel.stream_unary("/test.Echo/ClientStream")
        self.server_stream = channel.unary_stream("/test.Echo/ServerStream")
        self.bidi = channel.stream_stream("/test.Echo/Bidi")
        self.failing = channel.unary_stream("/test.Echo/Failing")
        self.missing = channel.unary_unary("/test.Echo/Missing")
        self.elsewhere = channel.unary_unary("/elsewhere.Service/Method")


def failure(call, *arguments, **options):
    try:
        answer = call(*arguments, **options)
        if hasattr(answer, "__next__"):
            list(answer)
    except grpc.RpcError as error:
        return error
    sys.exit("the call did not fail")


def unary(calls):
    answer, call = calls.unary.with_call(b"hello", metadata=(("x-initial", "here"), ("x-data-bin", b"\x00\x01")))
    expect(answer == b"hello", answer)
    expect(("x-initial", "here") in call.initial_metadata(), call.initial_metadata())
    trailing = dict(call.trailing_metadata())
    expect(trailing["x-trailing"] == "unary" and trailing["x-bytes-bin"] == b"\x00\xff", trailing)
    expect(calls.unary(b"") == b"", "an empty message")
    big = bytes(range(256)) * 8192
    expect(calls.unary(big) == big, "two mebibytes")


def streams(calls):
    expect(calls.client_stream(iter([b"a", b"", b"bc"])) == b"abc", "client streaming")
    expect(list(calls.server_stream(b"500")) == [b"%d" % index for index in range(500)], "server streaming")
    expect(list(calls.server_stream(b"0")) == [], "no messages at all")
    pieces = [b"%d" % index * (index % 100) for index in range(300)]
    expect(list(calls.bidi(iter(pieces))) == pieces, "both streaming")
    big = [bytes([index]) * 100_000 for index in range(40)]
    expect(list(calls.bidi(iter(big))) == big, "both streaming, four megabytes")


def metadata(calls):
    """As much as grpcio takes, both ways; names that come twice, and bytes."""
    pairs = [(f"x-echo-{index}", "v" * 100) for index in range(35)]
    pairs += [("x-echo-twice", "a"), ("x-echo-twice", "b"), ("x-echo-bin", bytes(range(256)))]
    answer, call = calls.unary.with_call(b"m", metadata=tuple(pairs))
    expect(answer == b"m", answer)
    echoed = sorted(tuple(pair) for pair in call.trailing_metadata() if pair[0].startswith("x-echo"))
    expect(echoed == sorted(pairs), echoed)


def held_back(calls):
    """A stream that is not read holds its server up, and no other call."""
    flood = calls.channel.unary_stream("/test.Echo/Flood")(b"1000")
    expect(len(next(flood)) == 65_536, "the first message")
    flooded = calls.channel.unary_unary("/test.Echo/Flooded")
    last, unchanged = -1, 0
    while unchanged < 20:
        count = int(flooded(b""))
        last, unchanged = count, unchanged + 1 if count == last else 0
        time.sleep(0.005)
    expect(last < 500, f"{last} messages left the server unread")
    expect(sum(len(message) for message in flood) == 999 * 65_536, "the rest")
    expect(flood.code() == grpc.StatusCode.OK, flood.code())


def steered(calls):
    """Of a call of both streaming: each line of input is sent and answered; `end` ends it."""
    outgoing = queue.Queue()
    answers = calls.bidi(iter(outgoing.get, None))
    for line in map(str.rstrip, sys.stdin):
        outgoing.put(None if line == "end" else line.encode())
        try:
            print(next(answers).decode(), flush=True)
        except StopIteration:
            return print(answers.code().name, flush=True)
        except grpc.RpcError as error:
            return print(error.code().name, flush=True)


def in_step(calls):
    """Each message is answered before the next is sent: nothing is held back."""
    outgoing = queue.Queue()
    answers = calls.bidi(iter(outgoing.get, None), timeout=20)
    for index in range(20):
        outgoing.put(b"%d" % index)
        expect(next(answers) == b"%d" % index, index)
    outgoing.put(None)
    expect(list(answers) == [], "more than was sent")
    expect(answers.code() == grpc.StatusCode.OK, answers.code())


def errors(calls):
    error = failure(calls.unary, b"x", metadata=(("x-fail", "FAILED_PRECONDITION not yet: 50%"),))
    expect(error.code() == grpc.StatusCode.FAILED_PRECONDITION and error.details() == "not yet: 50%", error)
    expect(dict(error.trailing_metadata())["x-trailing"] == "unary", error.trailing_metadata())
    seen = []
    try:
        for message in calls.failing(b""):
            seen.append(message)
        sys.exit("the stream did not fail")
    except grpc.RpcError as error:
        expect(seen == [b"one", b"two"], seen)
        expect(error.code() == grpc.StatusCode.DATA_LOSS and error.details() == "lost: 100% gone\n\u00fc", error)
    expect(failure(calls.missing, b"").code() == grpc.StatusCode.UNIMPLEMENTED, "a method that is not there")


def replies(calls):
    """What the proxy answers itself."""
    error = failure(calls.elsewhere, b"")
    expect(error.code() == grpc.StatusCode.UNIMPLEMENTED and error.details() == "no-route", error)
    expect(("x-martlet-error", "no-route") in error.initial_metadata() + error.trailing_metadata(), error)


def down(calls):
    error = failure(calls.unary, b"")
    expect(error.code() == grpc.StatusCode.UNAVAILABLE and error.details() == "upstream-connect-failure", error)


def deadline(calls):
    # Handshakes are over before the time begins to run.
    expect(calls.unary(b"x") == b"x", "the first call")
    error = failure(calls.unary, b"", metadata=(("x-wait", "60"),), timeout=2)
    expect(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)


def cancel(calls):
    call = calls.server_stream(b"1", metadata=(("x-wait", "30"), ("x-initial", "1")))
    # The server is at work when this is there.
    call.initial_metadata()
    call.cancel()
    expect(call.code() == grpc.StatusCode.CANCELLED, call.code())
    outgoing = queue.Queue()
    answers = calls.bidi(iter(outgoing.get, None), metadata=(("x-linger", "1"),))
    outgoing.put(b"one")
    expect(next(answers) == b"one", "the first answer")
    answers.cancel()
    outgoing.put(None)
    expect(answers.code() == grpc.StatusCode.CANCELLED, answers.code())


def unhealthy(calls):
    error = failure(calls.unary, b"")
    expect(error.code() == grpc.StatusCode.UNAVAILABLE and error.details() == "no-healthy-upstream", error)


def compressed(calls):
    """What travels compressed stays so."""
    big = b"the same again and again " * 10_000
    expect(calls.unary(big, compression=grpc.Compression.Gzip) == big, "compressed")
    pieces = [big] * 5
    expect(list(calls.bidi(iter(pieces), compression=grpc.Compression.Gzip)) == pieces, "compressed, both streaming")


def refused(calls, what):
    """METHOD:CODE:DETAILS of /refused.Service, in two shapes."""
    method, code, details = what.split(":")
    path = "/refused.Service/" + method
    for error in (
        failure(calls.channel.unary_unary(path), b"x"),
        failure(calls.channel.stream_stream(path), iter([b"x"] * 3)),
    ):
        expect(error.code().name == code and error.details() == details, (what, error))


def asked(calls, what):
    """KIND:CODE: what the authorization service is asked to say, and what comes of it."""
    kind, code = what.split(":")
    metadata = (("x-ask", kind), ("x-user", "mallory"), ("x-secret", "s"))
    if code == "OK":
        expect(calls.unary(b"x", metadata=metadata) == b"x", what)
        expect(list(calls.bidi(iter([b"a", b"b"]), metadata=metadata)) == [b"a", b"b"], what)
    else:
        error = failure(calls.unary, b"x", metadata=metadata)
        expect(error.code().name == code, (what, error))
        error = failure(calls.bidi, iter([b"a"]), metadata=metadata)
        expect(error.code().name == code, (what, error))


def retried_on(calls, named):
    """Of the statuses that may be retried, the one that is named is: the server fails the first call with each."""
    for code in ("CANCELLED", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE"):
        metadata = (("x-fail", code + " busy"), ("x-fail-times", "1"))
        if code == named:
            expect(calls.unary(b"again", metadata=metadata) == b"again", code)
        else:
            error = failure(calls.unary, b"", metadata=metadata)
            expect(error.code().name == code and error.details() == "busy", (code, error))
    error = failure(calls.unary, b"", metadata=(("x-fail", named + " always"),))
    expect(error.code().name == named and error.details() == "always", error)


def retried(calls):
    answer = calls.unary(b"again", metadata=(("x-fail", "UNAVAILABLE busy"), ("x-fail-times", "1")))
    expect(answer == b"again", answer)
    error = failure(calls.unary, b"", metadata=(("x-fail", "INTERNAL broken"),))
    expect(error.code() == grpc.StatusCode.INTERNAL and error.details() == "broken", error)


async def _many():
    async with connect(grpc.aio) as channel:
        method = channel.stream_stream("/test.Echo/Bidi")
        calls = [method(metadata=(("x-quiet", "1"),)) for _ in range(1000)]
        # All are open at once: each has been answered before the first goes on.
        for turn in range(3):
            for index, call in enumerate(calls):
                await call.write(b"%d %d" % (turn, index))
            for index, call in enumerate(calls):
                expect(await call.read() == b"%d %d" % (turn, index), f"stream {index}")
        for call in calls:
            await call.done_writing()
        for call in calls:
            expect(await call.read() == grpc.aio.EOF, "an end")
            expect(await call.code() == grpc.StatusCode.OK, await call.code())


def many(calls):
    asyncio.run(_many())


with connect(grpc) as channel:
    calls = Calls(channel)
    for scenario in sys.argv[3:]:
        name, _, argument = scenario.partition("=")
        globals()[name](calls, *filter(None, [argument]))
        print(scenario, "ok", flush=True)
