internal import CLua
internal import MartletCore
internal import MartletFilter

/// Bodies and trailers: Envoy's stream states, over what the chain offers. A whole body is collected behind the held head;
/// chunks are looked at as they pass, the head having gone on.
extension LuaExchange {
    func beginBody() -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        if isLogging { return Int32(MRT_CODE_CANNOT_WAIT) }
        let side = self.side
        if side.takesChunks { return Int32(MRT_CODE_BODY_STREAMING) }
        if let shadow, shadow.copiesBody { return wholeBody == nil ? wait(for: .body) : Int32(MRT_CODE_OK) }
        if wholeBody != nil { return Int32(MRT_CODE_OK) }
        if side.isHeadPassed && shadow == nil {
            return Int32(side.hasSeenBody || side.isBodyOver ? MRT_CODE_BODY_STREAMED : MRT_CODE_BODY_STREAMING)
        }
        if shadow != nil { return isHeadOnly(exchange) ? Int32(MRT_CODE_NOTHING) : wait(for: .body) }
        let collects = isResponding ? exchange.collectResponseBody() : exchange.collectRequestBody()
        return collects ? wait(for: .body) : Int32(MRT_CODE_NOTHING)
    }

    func isHeadOnly(_ exchange: Exchange) -> Bool {
        isResponding ? exchange.isResponseHeadOnly : exchange.isRequestHeadOnly
    }

    /// The collected body.
    var wholeBody: [UInt8]? {
        if let shadow, shadow.isBodyWhole { return shadow.body }
        return isResponding ? exchange?.collectedResponseBody : exchange?.collectedRequestBody
    }

    func beginChunk() -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        if isLogging { return Int32(MRT_CODE_CANNOT_WAIT) }
        if wholeBody != nil || (side.hasSeenBody && !side.takesChunks) { return Int32(MRT_CODE_CHUNKS_LATE) }
        side.takesChunks = true
        if side.isBodyOver || side.hasTrailers || isHeadOnly(exchange) { return Int32(MRT_CODE_NOTHING) }
        return wait(for: .chunk)
    }

    func beginTrailers() -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        if isLogging { return Int32(MRT_CODE_CANNOT_WAIT) }
        if side.hasTrailers { return Int32(MRT_CODE_OK) }
        if side.isBodyOver || isHeadOnly(exchange) { return Int32(MRT_CODE_NOTHING) }
        return wait(for: .trailers)
    }

    func beginSleep(_ milliseconds: Int64) -> Int32 {
        guard milliseconds > 0 else { return Int32(MRT_CODE_OK) }
        let wait = wait(for: .sleep)
        if let exchange, !isLogging {
            let responds = isResponding
            exchange.after(.milliseconds(milliseconds)) { [self] in woken(responds: responds) }
        } else {
            vm.context.after(.milliseconds(milliseconds)) { [self] in woken(responds: false) }
        }
        return wait
    }

    func wait(for what: Wait) -> Int32 {
        side.wait = what
        return Int32(MRT_CODE_PENDING)
    }

    // MARK: Parts

    func part(_ part: Int32) -> mrt_bytes_borrowed? {
        switch Int(part) {
        case MRT_PART_BODY:
            guard let body = wholeBody else { return nil }
            return unsafe Self.lend(body.span)
        case MRT_PART_CHUNK:
            guard let chunk else { return nil }
            if let replacement { return unsafe Self.lend(replacement.span) }
            return unsafe Self.lend(chunk.bytes())
        default:
            let number = Int(part) - MRT_PART_CALL
            guard calls.indices.contains(number) else { return nil }
            if let stream = calls[number].stream {
                guard let piece = stream.piece else { return nil }
                return unsafe Self.lend(piece.bytes())
            }
            let body = calls[number].body
            return unsafe Self.lend(body.span)
        }
    }

    func setPart(_ part: Int32, _ bytes: Span<UInt8>) -> Int32 {
        switch Int(part) {
        case MRT_PART_BODY:
            if let shadow {
                shadow.replaceBody(bytes.array())
                return Int32(MRT_CODE_OK)
            }
            guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
            guard bytes.count <= exchange.bodyLimit.bytes else { return Int32(MRT_CODE_TOO_LARGE) }
            let isReplaced =
                isResponding
                ? exchange.replaceCollectedResponseBody(bytes.array())
                : exchange.replaceCollectedRequestBody(bytes.array())
            return Int32(isReplaced ? MRT_CODE_OK : MRT_CODE_SENT)
        case MRT_PART_CHUNK:
            guard chunk != nil, isRunning else { return Int32(MRT_CODE_SENT) }
            replacement = bytes.array()
            return Int32(MRT_CODE_OK)
        default: return Int32(MRT_CODE_SENT)
        }
    }
}
