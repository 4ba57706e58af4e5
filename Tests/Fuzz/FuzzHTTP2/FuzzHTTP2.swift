internal import MartletCore
internal import MartletHTTP

/// The first byte says which side we are, and whether the bytes begin a connection or follow what begins one; the second
/// where they are cut in two. Whatever the rest is: whole, cut and byte by byte it is the same to us, a head that was accepted
/// can be sent on, and nothing is held beyond the bounds. Then once more, answering as it comes.
@c(LLVMFuzzerTestOneInput)
public func fuzzHTTP2(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let lent = unsafe UnsafeBufferPointer(start: data, count: size)
    guard lent.count >= 2 else { return 0 }
    let selector = unsafe lent[0]
    let cut = unsafe lent[1]
    let isServer = selector & 1 == 0
    var input = unsafe Array(lent.dropFirst(2))
    if selector & 2 == 0 {
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        input = (isServer ? Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) : []) + settings + input
    }
    let place = input.count * Int(cut) / 256
    let whole = transcript([input], isServer)
    precondition(
        whole == transcript([Array(input[..<place]), Array(input[place...])], isServer), "differs cut at \(place)")
    if input.count <= 256 {
        precondition(whole == transcript(input.map { [$0] }, isServer), "differs byte by byte")
    }
    answer(input, isServer)
    return 0
}

/// Small bounds, so that a fuzzer gets there.
private let limits = HTTP2Limits(
    head: 2048, fields: 20, informational: 2, continuations: 3, emptyContinuations: 1, queuedFrames: 40,
    resets: HTTP2Allowance(burst: 6, perSecond: 1), settings: HTTP2Allowance(burst: 6, perSecond: 1),
    pings: HTTP2Allowance(burst: 6, perSecond: 1), emptyData: HTTP2Allowance(burst: 6, perSecond: 1))
private let settings = HTTP2Settings(maxConcurrentStreams: 4)

private func session(_ isServer: Bool) -> HTTP2Session {
    guard let session = HTTP2Session(role: isServer ? .server : .client, settings: settings, limits: limits) else {
        preconditionFailure("no memory")
    }
    if !isServer {
        for ended in [true, false, true] {
            let head = RequestHead()
            head.setMethod(Array((ended ? "HEAD" : "POST").utf8).span)
            head.setTarget(Array("/".utf8).span)
            head.setAuthority(Array("t".utf8).span)
            head.body = ended ? .none : .chunked
            precondition(session.sendRequest(head, ended: ended, tag: 1) != nil, "a plain request cannot be sent")
        }
        _ = session.flush(into: Output(), atMost: .max)
    }
    return session
}

private final class Output: HTTP2Output {
    var count = 0

    func write(reserving space: Int, _ body: (ByteBuffer) -> Void) {
        let buffer = ByteBuffer(capacity: max(space, 1))
        body(buffer)
        count += buffer.count
    }

    func write(_ slice: ByteSlice) { count += slice.count }
}

/// What the session makes of `pieces`, never answering: a line an event, and bodies in one piece each.
private func transcript(_ pieces: [[UInt8]], _ isServer: Bool) -> [String] {
    let session = session(isServer)
    var log: [String] = []
    var bodies: [Int32: [UInt8]] = [:]
    for piece in pieces {
        var rest = piece
        while !rest.isEmpty {
            let taken = session.receive(rest.span, now: Instant(nanoseconds: 1))
            precondition((0...rest.count).contains(taken))
            var events = 0
            while let event = session.nextEvent() {
                events += 1
                log += line(event, session, rest, &bodies)
            }
            precondition(taken > 0 || events > 0, "the session does not advance")
            precondition(session.heldHeadBytes < 1 << 20, "too much is held")
            rest.removeFirst(taken)
        }
    }
    _ = session.flush(into: Output(), atMost: .max)
    while let event = session.nextEvent() { log += line(event, session, [], &bodies) }
    // Of a body that breaks its stream, how much comes before that is chance.
    let isFailed = { (line: String) in line.contains("closed(MartletHTTP.HTTP2Close.failed") }
    for line in log where isFailed(line) {
        if let stream = line.split(separator: " ").first.flatMap({ Int32($0) }) { bodies[stream] = nil }
    }
    // And in which order streams end with their connection is nobody's affair.
    log = log.filter { !isFailed($0) } + log.filter(isFailed).sorted()
    return log + bodies.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" } + ["\(session.state)"]
}

private func line(
    _ event: HTTP2Event, _ session: HTTP2Session, _ input: [UInt8], _ bodies: inout [Int32: [UInt8]]
) -> [String] {
    let request = RequestHead()
    let response = ResponseHead()
    let trailers = HeaderTable()
    do throws(HTTP2Fault) {
        switch event.kind {
        case .request(let head, let endsHere):
            try session.take(head, into: request)
            checkSentOn(request)
            return ["\(event.stream) \(request.target().array()) \(fields(request.headers)) \(endsHere)"]
        case .response(let head, let endsHere):
            try session.take(head, into: response)
            return ["\(event.stream) \(response.status) \(fields(response.headers)) \(endsHere)"]
        case .informational(let head):
            try session.take(head, into: response)
            return ["\(event.stream) \(response.status) \(fields(response.headers))"]
        case .trailers(let head):
            try session.take(head, into: trailers)
            return ["\(event.stream) trailers \(fields(trailers))"]
        case .data(let range, let endsHere):
            precondition(range.lowerBound >= 0 && range.upperBound <= input.count, "DATA beyond the input")
            bodies[event.stream, default: []] += input[range]
            session.consumed(range.count, of: event.stream)
            return endsHere ? ["\(event.stream) ends"] : []
        case .end: return ["\(event.stream) ends"]
        default: return ["\(event.stream) \(event.kind)"]
        }
    } catch {
        return ["\(event.stream) \(error)"]
    }
}

private func fields(_ table: HeaderTable) -> String {
    (0..<table.count).map { "\(table.name(at: $0).array()) \(table.value(at: $0).array())" }.joined(separator: ",")
}

/// What was accepted can be sent, in HTTP/2 and in HTTP/1.1.
private func checkSentOn(_ head: RequestHead) {
    guard let client = HTTP2Session(role: .client, settings: settings, limits: limits) else { return }
    if !head.asksForUpgrade {
        precondition(client.sendRequest(head, ended: true, tag: 0) != nil, "an accepted head cannot be sent")
    }
    let out = ByteBuffer(capacity: HTTP1Encoder.sizeBound(head))
    precondition(HTTP1Encoder.encode(head, into: out), "an accepted head cannot be sent in HTTP/1.1")
    var decoder = HTTP1RequestDecoder(limits: HTTP1Limits())
    let again = RequestHead()
    let step = decoder.decode(out.bytes(), into: again, trailers: HeaderTable())
    guard case .head = step.event, step.consumed == out.count else {
        preconditionFailure("an accepted head is no head in HTTP/1.1: \(step.event)")
    }
}

/// Feeds `input` bit by bit and answers everything that asks, so that both directions are under way at once.
private func answer(_ input: [UInt8], _ isServer: Bool) {
    let session = session(isServer)
    let output = Output()
    let response = ResponseHead()
    response.setStatus(200)
    var rest = input[...]
    var turn = 0
    while !rest.isEmpty {
        let piece = Array(rest.prefix(19 + turn % 83))
        turn += 1
        let taken = session.receive(piece.span, now: Instant(nanoseconds: UInt64(turn)))
        rest = rest.dropFirst(max(taken, 0))
        var events = 0
        while let event = session.nextEvent() {
            events += 1
            switch event.kind {
            case .request where event.stream % 4 == 1:
                _ = session.sendInformational(response, on: event.stream)
                _ = session.sendResponse(
                    response, framing: .chunked, keepsLength: false, ended: false, on: event.stream)
                session.sendData(
                    ByteSlice(copying: [UInt8](repeating: 1, count: 20_000)), ended: false, on: event.stream)
                _ = session.sendTrailers(HeaderTable(), on: event.stream)
            case .request:
                _ = session.sendResponse(response, framing: .none, keepsLength: false, ended: true, on: event.stream)
            case .data(let range, _):
                session.consumed(range.count, of: event.stream)
                session.sendData(ByteSlice(copying: [1, 2, 3]), ended: turn % 3 == 0, on: event.stream)
                if turn % 5 == 0 { session.reset(event.stream, .cancel, provoked: turn % 2 == 0) }
            case .settings: session.ping(UInt64(turn))
            default: break
            }
        }
        precondition(taken > 0 || events > 0, "the session does not advance")
        _ = session.flush(into: output, atMost: 30_000)
        if turn == 40 { session.announceShutdown() }
        if turn == 60 { session.goAway(.noError) }
    }
}
