internal import MartletCore
internal import MartletHTTP

/// The first byte says where the rest is cut in two. Whatever the rest is: decoding it whole, in two pieces and byte by
/// byte gives the same requests, and a request that was accepted is read the same way by the next server.
@c(LLVMFuzzerTestOneInput)
public func fuzzHTTP1Request(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let lent = unsafe UnsafeBufferPointer(start: data, count: size)
    guard let selector = unsafe lent.first else { return 0 }
    let input = unsafe Array(lent.dropFirst())
    let cut = input.count * Int(selector) / 256
    let whole = transcript([input])
    precondition(whole == transcript([Array(input[..<cut]), Array(input[cut...])]), "differs when cut at \(cut)")
    if input.count <= 256 {
        precondition(whole == transcript(input.map { [$0] }), "differs byte by byte")
    }
    return 0
}

/// What the decoder makes of `pieces`: heads as they would be sent on, bodies, trailers, and an end by fault.
private func transcript(_ pieces: [[UInt8]]) -> [UInt8] {
    var decoder = HTTP1RequestDecoder(limits: HTTP1Limits())
    let head = RequestHead()
    let trailers = HeaderTable()
    var log: [UInt8] = []
    var pending: [UInt8] = []
    for piece in pieces {
        pending += piece
        decoding: while true {
            let step = decoder.decode(pending.span, into: head, trailers: trailers)
            precondition((0...pending.count).contains(step.consumed))
            var isOver = false
            switch step.event {
            case .needMore: break
            case .head(let endsHere):
                let sent = encoded(head)
                checkReadBack(sent, head)
                log += sent
                isOver = endsHere
            case .body(let range, let last):
                log += pending[range]
                isOver = last
            case .end:
                for index in 0..<trailers.count { log += trailers.value(at: index).array() }
                isOver = true
            case .failed: return log + Array("failed".utf8)
            case .informational, .upgraded: preconditionFailure("not in a request")
            }
            if isOver {
                log += Array("|".utf8)
                head.reset()
                trailers.reset()
            }
            pending.removeFirst(step.consumed)
            if case .needMore = step.event { break decoding }
            precondition(step.consumed > 0, "the decoder does not advance")
        }
    }
    return log
}

private func encoded(_ head: RequestHead) -> [UInt8] {
    let out = ByteBuffer(capacity: HTTP1Encoder.sizeBound(head))
    precondition(HTTP1Encoder.encode(head, into: out), "an accepted head cannot be sent")
    return out.bytes().array()
}

/// The head that goes upstream holds exactly one request, with the framing its body is sent in.
private func checkReadBack(_ sent: [UInt8], _ head: RequestHead) {
    // HTTP/1.0 may come without Host; that is answered or completed before anything is sent upstream.
    guard head.headers.contains(.host) else { return }
    var decoder = HTTP1RequestDecoder(limits: HTTP1Limits(head: .max, fields: .max))
    let again = RequestHead()
    let step = decoder.decode(sent.span, into: again, trailers: HeaderTable())
    guard case .head = step.event, step.consumed == sent.count else {
        preconditionFailure("sent head is not one head: \(step.event)")
    }
    precondition(again.body == head.body, "framing changed from \(head.body) to \(again.body)")
    precondition(encoded(again) == sent, "sent head changes when sent again")
}
