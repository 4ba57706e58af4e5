internal import MartletCore

/// Reads a body by its framing. A state machine over bytes that keeps nothing but where it is.
struct HTTP1Body {
    private enum State: UInt8 {
        case none, length, chunkSize, chunkData, chunkEnd, trailers, untilClose
    }
    private var state = State.none
    private var remaining: UInt64 = 0
    private var scan = HTTP1HeadScan()

    var isDone: Bool { state == .none }
    var endsWithConnection: Bool { state == .untilClose }

    init() {}

    init(_ length: BodyLength) {
        switch length {
        case .none, .exactly(0): state = .none
        case .exactly(let count):
            state = .length
            remaining = count
        case .chunked: state = .chunkSize
        case .untilClose: state = .untilClose
        }
    }

    mutating func end() { state = .none }

    mutating func decode(_ input: Span<UInt8>, trailers: HeaderTable, limits: HTTP1Limits) -> HTTP1Step {
        guard !input.isEmpty else { return HTTP1Step(consumed: 0, event: .needMore) }
        do throws(HTTP1Fault) {
            return try step(input, trailers, limits)
        } catch {
            return HTTP1Step(consumed: 0, event: .failed(error))
        }
    }

    private mutating func step(
        _ input: Span<UInt8>, _ trailers: HeaderTable, _ limits: HTTP1Limits
    ) throws(HTTP1Fault) -> HTTP1Step {
        var position = 0
        while true {
            switch state {
            case .none: return HTTP1Step(consumed: position, event: .needMore)
            case .length:
                let count = Int(min(UInt64(input.count), remaining))
                remaining -= UInt64(count)
                if remaining == 0 { state = .none }
                return HTTP1Step(consumed: count, event: .body(0..<count, last: remaining == 0))
            case .untilClose:
                return HTTP1Step(consumed: input.count, event: .body(0..<input.count, last: false))
            case .chunkSize:
                guard let lineFeed = input.firstIndex(of: 0x0A, from: position) else {
                    guard input.count - position <= limits.chunkLine else { throw .chunkExtensionTooLong }
                    // A size that cannot become one is refused before its line is whole.
                    try checkPartialSize(input.extracting(position..<input.count))
                    return HTTP1Step(consumed: position, event: .needMore)
                }
                guard lineFeed - position <= limits.chunkLine else { throw .chunkExtensionTooLong }
                guard lineFeed > position, input[lineFeed - 1] == 0x0D else { throw .bareLF }
                remaining = try Self.chunkSize(input.extracting(position..<(lineFeed - 1)))
                position = lineFeed + 1
                state = remaining == 0 ? .trailers : .chunkData
            case .chunkData:
                let count = Int(min(UInt64(input.count - position), remaining))
                guard count > 0 else { return HTTP1Step(consumed: position, event: .needMore) }
                remaining -= UInt64(count)
                if remaining == 0 { state = .chunkEnd }
                return HTTP1Step(consumed: position + count, event: .body(position..<(position + count), last: false))
            case .chunkEnd:
                if position < input.count, input[position] != 0x0D { throw .badChunkEnd }
                guard position + 2 <= input.count else { return HTTP1Step(consumed: position, event: .needMore) }
                guard input[position + 1] == 0x0A else { throw .badChunkEnd }
                position += 2
                state = .chunkSize
            case .trailers: return try trailerSection(input, position, trailers, limits)
            }
        }
    }

    private mutating func trailerSection(
        _ input: Span<UInt8>, _ start: Int, _ trailers: HeaderTable, _ limits: HTTP1Limits
    ) throws(HTTP1Fault) -> HTTP1Step {
        let rest = input.extracting(start..<input.count)
        if rest.count >= 1 && rest[0] == 0x0D {
            guard rest.count >= 2 else { return HTTP1Step(consumed: start, event: .needMore) }
            guard rest[1] == 0x0A else { throw .badTrailer }
            state = .none
            return HTTP1Step(consumed: start + 2, event: .end)
        }
        guard let end = try scan.end(in: rest, limit: limits.head) else {
            return HTTP1Step(consumed: start, event: .needMore)
        }
        let block = rest.extracting(0..<end)
        let stored = trailers.arena.append(block)
        var fields = HTTP1Fields()
        _ = try fields.parse(block, from: 0, base: Int(stored.start), into: trailers, .trailers, limits: limits)
        trailers.markParsed()
        state = .none
        return HTTP1Step(consumed: start + end, event: .end)
    }

    private func checkPartialSize(_ line: Span<UInt8>) throws(HTTP1Fault) {
        for index in line.indices {
            let byte = line[index]
            if byte == 0x3B || byte == 0x0D { return }
            guard byte.hexValue != nil else { throw .badChunkSize }
            guard index < 16 else { throw .badChunkSize }
        }
    }

    /// RFC 9112 section 7.1: hexadecimal digits, then nothing or `;` and extensions, which are checked and dropped.
    private static func chunkSize(_ line: Span<UInt8>) throws(HTTP1Fault) -> UInt64 {
        var size: UInt64 = 0
        var index = 0
        while index < line.count, let digit = line[index].hexValue {
            guard index < 16, size >> 59 == 0 else { throw .badChunkSize }
            size = size << 4 | UInt64(digit)
            index += 1
        }
        guard index > 0 else { throw .badChunkSize }
        try extensions(line.extracting(index..<line.count))
        return size
    }

    /// `*( BWS ";" BWS name [ BWS "=" BWS value ] )`. Bad white space is refused: it has been used to hide a line's end.
    private static func extensions(_ text: Span<UInt8>) throws(HTTP1Fault) {
        var index = 0
        while index < text.count {
            guard text[index] == 0x3B else { throw index == 0 ? .badChunkSize : .badChunkExtension }
            index += 1
            let name = index
            while index < text.count && Token.contains(text[index]) { index += 1 }
            guard index > name else { throw .badChunkExtension }
            guard index < text.count, text[index] == 0x3D else { continue }
            index += 1
            guard index < text.count else { throw .badChunkExtension }
            if text[index] == 0x22 {
                index += 1
                while index < text.count && text[index] != 0x22 {
                    if text[index] == 0x5C { index += 1 }
                    guard index < text.count, text[index] >= 0x20 || text[index] == 0x09, text[index] != 0x7F else {
                        throw .badChunkExtension
                    }
                    index += 1
                }
                guard index < text.count else { throw .badChunkExtension }
                index += 1
            } else {
                let value = index
                while index < text.count && Token.contains(text[index]) { index += 1 }
                guard index > value else { throw .badChunkExtension }
            }
        }
    }
}
