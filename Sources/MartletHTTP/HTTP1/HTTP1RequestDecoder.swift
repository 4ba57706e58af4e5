package import MartletCore

/// Turns a client's bytes into requests, one after another on a connection. Strict: what two parsers could read
/// differently is refused (RFC 9112 sections 2.2, 5 and 6; DESIGN section 8).
///
/// After `.failed` the connection is beyond use: nothing that follows can be trusted to begin a message.
package struct HTTP1RequestDecoder {
    /// To be changed between messages only.
    package var limits: HTTP1Limits
    private var scan = HTTP1HeadScan()
    private var body = HTTP1Body()
    private var isInBody = false

    package init(limits: HTTP1Limits) { self.limits = limits }

    /// Between two requests: nothing of the next one has been consumed.
    package var isBetweenMessages: Bool { !isInBody }

    /// Decodes the next item of `input`. Pass what was not consumed again, followed by what has come since.
    package mutating func decode(_ input: Span<UInt8>, into head: RequestHead, trailers: HeaderTable) -> HTTP1Step {
        if isInBody {
            let step = body.decode(input, trailers: trailers, limits: limits)
            if body.isDone { isInBody = false }
            return step
        }
        do throws(HTTP1Fault) {
            return try decodeHead(input, into: head)
        } catch {
            return HTTP1Step(consumed: 0, event: .failed(error))
        }
    }

    private mutating func decodeHead(_ input: Span<UInt8>, into head: RequestHead) throws(HTTP1Fault) -> HTTP1Step {
        // RFC 9112 section 2.2: an empty line before a request line is passed over; one, not a stream of them.
        var start = 0
        if input.count > 0 && input[0] == 0x0D {
            guard input.count > 1 else { return HTTP1Step(consumed: 0, event: .needMore) }
            guard input[1] == 0x0A else { throw .bareCR }
            guard input.count > 2 else { return HTTP1Step(consumed: 0, event: .needMore) }
            guard input[2] != 0x0D else { throw .badRequestLine }
            start = 2
        }
        let message = input.extracting(start..<input.count)
        if !scan.isFresh, try scan.end(in: message, limit: limits.head) == nil {
            return HTTP1Step(consumed: 0, event: .needMore)
        }
        let base = head.headers.arena.count
        var fields = HTTP1Fields()
        guard let firstLine = message.firstIndex(of: 0x0A), firstLine > 0,
            let end = try fields.parse(
                message, from: firstLine + 1, base: base, into: head.headers, .request, limits: limits)
        else {
            head.headers.reset()
            _ = try scan.end(in: message, limit: limits.head)
            try checkPartialLine(message)
            return HTTP1Step(consumed: 0, event: .needMore)
        }
        let block = message.extracting(0..<end)
        let lineEnd = firstLine - 1
        guard block[lineEnd] == 0x0D else { throw .bareLF }
        _ = head.headers.arena.append(block)
        let target = try requestLine(block.extracting(0..<lineEnd), base, head)
        try resolveTarget(target, block, base, head, hasHost: fields.hasHost)
        try resolveFraming(fields, head)
        if fields.namesFields { fields.removeNamed(block, from: lineEnd + 2, head.headers) }
        head.headers.markParsed()
        body = HTTP1Body(head.body)
        isInBody = !body.isDone
        return HTTP1Step(consumed: start + end, event: .head(endsHere: !isInBody))
    }

    /// Refuses what can no longer become a request, such as a TLS handshake, without waiting for its end.
    private func checkPartialLine(_ input: Span<UInt8>) throws(HTTP1Fault) {
        var index = 0
        let end = min(input.count, 32)
        while index < end && Token.contains(input[index]) { index += 1 }
        if index < end && (input[index] != 0x20 || index == 0) { throw .badMethod }
        if index == 32 { throw .badMethod }
    }

    // MARK: Request line

    private func requestLine(_ line: Span<UInt8>, _ base: Int, _ head: RequestHead) throws(HTTP1Fault) -> Range<Int> {
        guard let methodEnd = line.firstIndex(of: 0x20) else { throw .badRequestLine }
        guard methodEnd > 0, methodEnd < 32 else { throw .badMethod }
        for index in 0..<methodEnd where !Token.contains(line[index]) { throw .badMethod }
        guard let targetEnd = line.firstIndex(of: 0x20, from: methodEnd + 1) else { throw .badRequestLine }
        let version = line.extracting((targetEnd + 1)..<line.count)
        if version.equals("HTTP/1.1") {
            head.version = .http11
        } else if version.equals("HTTP/1.0") {
            head.version = .http10
        } else if version.equals("HTTP/2.0") && line.extracting(0..<methodEnd).equals("PRI") {
            throw .http2Preface
        } else if version.hasPrefixIgnoringCase("http/") && version.count == 8 {
            throw .unsupportedVersion
        } else {
            throw .badRequestLine
        }
        head.store(method: ByteRange(start: base, length: methodEnd))
        guard targetEnd > methodEnd + 1 else { throw .badTarget }
        for index in (methodEnd + 1)..<targetEnd {
            let byte = line[index]
            // RFC 3986: no controls, no space, no fragment, nothing beyond ASCII.
            if byte <= 0x20 || byte >= 0x7F || byte == 0x23 { throw .badTarget }
        }
        return (methodEnd + 1)..<targetEnd
    }

    /// RFC 9112 section 3.2: the four forms of a target.
    private func resolveTarget(
        _ range: Range<Int>, _ block: Span<UInt8>, _ base: Int, _ head: RequestHead, hasHost: Bool
    ) throws(HTTP1Fault) {
        let target = block.extracting(range)
        if head.method == .connect {
            guard Authority.isValid(target), Authority.hasPort(target) else { throw .badAuthority }
            if !hasHost && head.version == .http11 { throw .missingHost }
            head.setAuthority(target)
            return head.store(target: ByteRange(start: base + range.lowerBound, length: range.count))
        }
        if target[0] == 0x2F {
            head.store(target: ByteRange(start: base + range.lowerBound, length: range.count))
        } else if target.equals("*") {
            guard head.method == .options else { throw .badTarget }
            head.store(target: ByteRange(start: base + range.lowerBound, length: range.count))
        } else {
            // RFC 9112 section 3.2: Host must be there and be one, though the target's authority counts.
            guard hasHost || head.version == .http10 else { throw .missingHost }
            guard !hasHost || Authority.isValid(head.authority()) else { throw .badAuthority }
            return try absoluteForm(target, range.lowerBound, base, head)
        }
        guard hasHost else {
            if head.version == .http11 { throw .missingHost }
            return
        }
        guard Authority.isValid(head.authority()) else { throw .badAuthority }
    }

    /// RFC 9112 section 3.2.2: the authority in the target is the one that counts; Host is made to say the same.
    private func absoluteForm(
        _ target: Span<UInt8>, _ offset: Int, _ base: Int, _ head: RequestHead
    ) throws(HTTP1Fault) {
        let skip: Int
        if target.hasPrefixIgnoringCase("http://") {
            skip = 7
        } else if target.hasPrefixIgnoringCase("https://") {
            skip = 8
        } else {
            throw .badTarget
        }
        var end = skip
        while end < target.count && target[end] != 0x2F && target[end] != 0x3F { end += 1 }
        let authority = target.extracting(skip..<end)
        guard Authority.isValid(authority) else { throw .badAuthority }
        head.setAuthority(authority)
        if end == target.count {
            // RFC 9112 section 3.2.4: of OPTIONS without a path the server as a whole is meant.
            let root: [UInt8] = [head.method == .options ? 0x2A : 0x2F]
            head.setTarget(root.span)
        } else if target[end] == 0x2F {
            head.store(target: ByteRange(start: base + offset + end, length: target.count - end))
        } else {
            var path: [UInt8] = [0x2F]
            for index in end..<target.count { path.append(target[index]) }
            head.setTarget(path.span)
        }
    }

    // MARK: Framing

    private func resolveFraming(_ fields: HTTP1Fields, _ head: RequestHead) throws(HTTP1Fault) {
        if fields.isChunked {
            // RFC 9112 section 6.1 and 6.3: either is how requests are smuggled.
            guard head.version != .http10 else { throw .codingInHTTP10 }
            guard fields.contentLength == nil else { throw .lengthAndCoding }
            head.body = .chunked
        } else if let length = fields.contentLength {
            head.body = .exactly(length)
        } else {
            head.body = .none
        }
        // RFC 9110 section 9.3.6: it has none. To a server that thinks otherwise, what follows would be the tunnel's.
        if head.method == .connect && (fields.isChunked || fields.contentLength != nil) { throw .contentInConnect }
        head.keepsAlive = head.version == .http11 ? !fields.closes : fields.keepsAlive && !fields.closes
        head.expectsContinue = fields.expectsContinue && head.version == .http11
        if fields.hasUpgrade { resolveUpgrade(fields, head) }
    }

    /// RFC 9110 section 7.8. An upgrade that is not one, or to h2c, is dropped and the request goes on without it.
    private func resolveUpgrade(_ fields: HTTP1Fields, _ head: RequestHead) {
        let headers = head.headers
        var isOne = fields.namesUpgrade && head.version == .http11 && head.method == .get && !fields.isChunked
        if let length = fields.contentLength, length > 0 { isOne = false }
        if isOne, let index = headers.firstIndex(of: .upgrade) {
            isOne = headers.firstIndex(of: .upgrade, from: index + 1) == nil && head.hasPlainUpgrade
        }
        if isOne { head.asksForUpgrade = true } else { headers.remove(.upgrade) }
    }
}

/// RFC 3986 section 3.2 as HTTP uses it: a host and maybe a port, no userinfo.
package enum Authority {
    package static func isValid(_ text: Span<UInt8>) -> Bool {
        guard !text.isEmpty, text.count <= 300 else { return false }
        var index = 0
        if text[0] == 0x5B {
            guard let close = text.firstIndex(of: 0x5D), Self.isIPv6(text.extracting(1..<close)) else { return false }
            index = close + 1
        } else {
            var hasAlphanumeric = false
            while index < text.count, text[index] != 0x3A {
                switch text[index] {
                case 0x61...0x7A, 0x41...0x5A, 0x30...0x39: hasAlphanumeric = true
                // An empty label is no name (RFC 1035 section 3.1); a dot may end one.
                case 0x2E where index > 0 && text[index - 1] != 0x2E: break
                case 0x2D, 0x5F: break
                default: return false
                }
                index += 1
            }
            guard hasAlphanumeric else { return false }
        }
        guard index < text.count else { return true }
        guard text[index] == 0x3A, let port = text.extracting((index + 1)..<text.count).decimal() else { return false }
        return port >= 1 && port <= 65_535 && text.count - index <= 6
    }

    private static func isIPv6(_ text: Span<UInt8>) -> Bool {
        text.firstIndex(of: 0x3A) != nil && IPAddress(text) != nil
    }

    static func hasPort(_ text: Span<UInt8>) -> Bool {
        guard let colon = text.firstIndex(of: 0x3A) else { return false }
        if text[0] != 0x5B { return colon < text.count - 1 }
        guard let close = text.firstIndex(of: 0x5D) else { return false }
        return close + 1 < text.count
    }
}
