internal import MartletCore
internal import MartletHTTP

/// The first byte says what was asked and where the rest is cut in two. Whatever the rest is: decoding it whole, in two
/// pieces and byte by byte gives the same responses.
@c(LLVMFuzzerTestOneInput)
public func fuzzHTTP1Response(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let lent = unsafe UnsafeBufferPointer(start: data, count: size)
    guard let selector = unsafe lent.first else { return 0 }
    let input = unsafe Array(lent.dropFirst())
    let asked = Asked(method: selector & 1 == 0 ? .get : .head, upgrade: selector & 3 == 2)
    let cut = input.count * Int(selector) / 256
    let whole = transcript([input], asked)
    precondition(
        whole == transcript([Array(input[..<cut]), Array(input[cut...])], asked), "differs when cut at \(cut)")
    if input.count <= 256 {
        precondition(whole == transcript(input.map { [$0] }, asked), "differs byte by byte")
    }
    return 0
}

private struct Asked {
    let method: Method
    let upgrade: Bool
}

/// What the decoder makes of `pieces`: heads as they would be sent on, bodies, trailers, and an end by fault.
private func transcript(_ pieces: [[UInt8]], _ asked: Asked) -> [UInt8] {
    var decoder = HTTP1ResponseDecoder(limits: HTTP1Limits())
    decoder.expect(requestMethod: asked.method, askedForUpgrade: asked.upgrade)
    let head = ResponseHead()
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
                log += encoded(head, framing: head.body)
                isOver = endsHere
            case .body(let range, let last):
                log += pending[range]
                isOver = last
            case .end:
                for index in 0..<trailers.count { log += trailers.value(at: index).array() }
                isOver = true
            case .informational:
                log += encoded(head, framing: .none)
                head.reset()
            case .upgraded: return log + encoded(head, framing: .none) + Array("upgraded".utf8)
            case .failed: return log + Array("failed".utf8)
            }
            if isOver {
                log += Array("|".utf8)
                head.reset()
                trailers.reset()
                decoder.expect(requestMethod: asked.method, askedForUpgrade: asked.upgrade)
            }
            pending.removeFirst(step.consumed)
            if case .needMore = step.event { break decoding }
            precondition(step.consumed > 0, "the decoder does not advance")
        }
    }
    return log
}

private func encoded(_ head: ResponseHead, framing: BodyLength) -> [UInt8] {
    let out = ByteBuffer(capacity: HTTP1Encoder.sizeBound(head))
    let isSafe = HTTP1Encoder.encode(head, framing: framing, connection: .keep, keepsLength: false, into: out)
    precondition(isSafe, "an accepted head cannot be sent")
    return out.bytes().array()
}
