internal import MartletCore
internal import MartletGRPC

/// The first byte says what is read, the second where the rest is cut in two: messages in a body, gRPC-Web's base64, protobuf.
/// Whatever the rest is, in pieces it is read as it is read whole.
@c(LLVMFuzzerTestOneInput)
public func fuzzGRPC(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let lent = unsafe UnsafeBufferPointer(start: data, count: size)
    guard lent.count >= 2 else { return 0 }
    let (selector, place) = unsafe (lent[0], lent[1])
    let input = unsafe Array(lent.dropFirst(2))
    let cut = input.count * Int(place) / 256
    let pieces = [Array(input[..<cut]), Array(input[cut...])]
    switch selector % 4 {
    case 0: messages(input, pieces)
    case 1: text(input, pieces)
    case 2: wire(input)
    default: fields(input)
    }
    return 0
}

private struct Messages: Equatable {
    var found: [MessageDecoder.Message] = []
    var fault: MessageFault?
    var isBetween = true
    var counted: UInt64 = 0

    init(_ pieces: [[UInt8]]) {
        var decoder = MessageDecoder(maxMessage: 1000)
        var counter = MessageCounter()
        for piece in pieces { counter.take(piece.span) }
        counted = counter.count
        for piece in pieces {
            var start = 0
            do {
                while let message = try decoder.next(piece.span, &start) { found.append(message) }
            } catch {
                fault = error
                return
            }
            precondition(start == piece.count, "a piece is left")
        }
        isBetween = decoder.isBetweenMessages
    }
}

private func messages(_ input: [UInt8], _ pieces: [[UInt8]]) {
    let whole = Messages([input])
    precondition(whole == Messages(pieces), "differs when cut")
    if input.count <= 256 { precondition(whole == Messages(input.map { [$0] }), "differs byte by byte") }
    precondition(whole.counted >= UInt64(whole.found.count))
    var again: [UInt8] = []
    for message in whole.found where !message.isCompressed { MessageEncoder.append(message.bytes.span, to: &again) }
    precondition(Messages([again]).found == whole.found.filter { !$0.isCompressed })
}

private func text(_ input: [UInt8], _ pieces: [[UInt8]]) {
    func decoded(_ pieces: [[UInt8]]) -> [UInt8]? {
        var decoder = TextDecoder()
        var out: [UInt8] = []
        for piece in pieces {
            let isText = decoder.decode(piece.span, into: &out)
            if !isText { return nil }
        }
        return decoder.isBetweenQuanta ? out : nil
    }
    func encoded(_ pieces: [[UInt8]]) -> [UInt8] {
        var encoder = TextEncoder()
        var out: [UInt8] = []
        for piece in pieces { encoder.encode(piece.span, into: &out) }
        encoder.flush(into: &out)
        return out
    }
    precondition(decoded([input]) == decoded(pieces), "differs when cut")
    let text = encoded([input])
    precondition(text == encoded(pieces), "is written otherwise when cut")
    precondition(decoded([text]) == input, "does not come back")
}

/// As deep as there are messages in messages: every field of bytes may be one.
private func wire(_ input: [UInt8]) {
    func read(_ range: Range<Int>, depth: Int) {
        var reader = WireReader(range)
        do {
            while let field = try reader.field(input.span) {
                guard case .bytes(let inner) = field.value else { continue }
                precondition(inner.lowerBound >= range.lowerBound && inner.upperBound <= range.upperBound)
                if depth < 4 { read(inner, depth: depth + 1) }
            }
        } catch {}
    }
    read(0..<input.count, depth: 0)
    _ = try? HealthMessages.response(input.span)
    if let response = try? CheckResponse(input) {
        let size = response.fields.reduce(response.body.count) { $0 + $1.name.count + $1.value.count }
        precondition(size <= input.count, "more than was given")
    }
}

private func fields(_ input: [UInt8]) {
    let message = GRPCMessageText.encode(input.span)
    precondition(HeaderTable.isSafeValue(message.span))
    let decoded = GRPCMessageText.decode(message.span)
    precondition(input.starts(with: decoded), "a message does not come back")
    _ = GRPCMessageText.decode(input.span)
    _ = GRPCContentType(input.span)
    _ = GRPCStatus(input.span)
    if let path = GRPCMethodPath(input.span) { precondition(path.service.upperBound + 1 == path.method.lowerBound) }
    if let timeout = GRPCTimeout.parse(input.span) {
        let text = Array(GRPCTimeout.text(timeout).utf8)
        guard let again = GRPCTimeout.parse(text.span) else { preconditionFailure("a timeout that cannot be read") }
        precondition(again.rawValue >= timeout.rawValue)
    }
}
