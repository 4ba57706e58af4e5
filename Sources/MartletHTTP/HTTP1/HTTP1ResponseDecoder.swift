package import MartletCore

/// Turns a server's bytes into responses. Which request a response answers decides how long it is, so `expect` comes
/// before each.
package struct HTTP1ResponseDecoder {
    private let limits: HTTP1Limits
    private var scan = HTTP1HeadScan()
    private var body = HTTP1Body()
    private var isInBody = false
    private var isTunnel = false
    private var requestMethod = Method.get
    private var askedForUpgrade = false
    private var informationals = 0
    /// The response ended with its connection, or said that it closes it.
    package private(set) var closesConnection = false

    package init(limits: HTTP1Limits) { self.limits = limits }

    package mutating func expect(requestMethod: Method, askedForUpgrade: Bool) {
        self.requestMethod = requestMethod
        self.askedForUpgrade = askedForUpgrade
        isInBody = false
        isTunnel = false
        informationals = 0
        closesConnection = false
        scan.reset()
    }

    package mutating func decode(_ input: Span<UInt8>, into head: ResponseHead, trailers: HeaderTable) -> HTTP1Step {
        if isTunnel { return HTTP1Step(consumed: 0, event: .needMore) }
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

    /// The server closed. True when that ends the response properly (RFC 9112 section 6.3, last case).
    package mutating func connectionClosed() -> Bool {
        guard isInBody, body.endsWithConnection else { return false }
        body.end()
        isInBody = false
        return true
    }

    private mutating func decodeHead(_ input: Span<UInt8>, into head: ResponseHead) throws(HTTP1Fault) -> HTTP1Step {
        if !scan.isFresh, try scan.end(in: input, limit: limits.head) == nil {
            return HTTP1Step(consumed: 0, event: .needMore)
        }
        let base = head.headers.arena.count
        var fields = HTTP1Fields()
        guard let firstLine = input.firstIndex(of: 0x0A), firstLine > 0,
            let end = try fields.parse(
                input, from: firstLine + 1, base: base, into: head.headers, .response, limits: limits)
        else {
            head.headers.reset()
            _ = try scan.end(in: input, limit: limits.head)
            try checkPartialLine(input)
            return HTTP1Step(consumed: 0, event: .needMore)
        }
        let block = input.extracting(0..<end)
        let lineEnd = firstLine - 1
        guard block[lineEnd] == 0x0D else { throw .bareLF }
        _ = head.headers.arena.append(block)
        try statusLine(block.extracting(0..<lineEnd), base, head)
        if fields.namesFields { fields.removeNamed(block, from: lineEnd + 2, head.headers) }
        head.headers.markParsed()
        head.keepsAlive = head.version == .http11 ? !fields.closes : fields.keepsAlive && !fields.closes

        if head.status == 101 {
            // RFC 9110 section 15.2.2: only to who asked. Anything else would turn a request into a tunnel.
            guard askedForUpgrade, fields.hasUpgrade, fields.contentLength == nil, !fields.isChunked else {
                throw .unexpectedUpgrade
            }
            isTunnel = true
            closesConnection = true
            return HTTP1Step(consumed: end, event: .upgraded)
        }
        if requestMethod == .connect && head.status >= 200 && head.status < 300 {
            // RFC 9110 section 9.3.6: the tunnel begins behind the head, whatever the head says of a length.
            head.headers.remove(.contentLength)
            isTunnel = true
            closesConnection = true
            return HTTP1Step(consumed: end, event: .upgraded)
        }
        if head.status < 200 {
            guard fields.contentLength == nil, !fields.isChunked else { throw .lengthAndCoding }
            informationals += 1
            guard informationals <= limits.informational else { throw .tooManyInformational }
            return HTTP1Step(consumed: end, event: .informational)
        }
        if fields.hasUpgrade { head.headers.remove(.upgrade) }
        if fields.isChunked && head.version == .http10 { throw .codingInHTTP10 }
        if fields.isChunked && fields.contentLength != nil { throw .lengthAndCoding }
        head.body = try length(fields, head.status)
        body = HTTP1Body(head.body)
        isInBody = !body.isDone
        if case .untilClose = head.body { head.keepsAlive = false }
        closesConnection = !head.keepsAlive
        return HTTP1Step(consumed: end, event: .head(endsHere: !isInBody))
    }

    /// RFC 9112 section 6.3.
    private func length(_ fields: HTTP1Fields, _ status: UInt16) throws(HTTP1Fault) -> BodyLength {
        if requestMethod == .head || status == 304 { return .none }
        if status == 204 || status == 205 {
            // RFC 9112 section 6.1 and RFC 9110 section 15.3.5: neither has content; one that claims some is not believed.
            if fields.isChunked || (fields.contentLength ?? 0) > 0 { throw .lengthAndCoding }
            return .none
        }
        if fields.isChunked { return .chunked }
        if let length = fields.contentLength { return .exactly(length) }
        return .untilClose
    }

    private func checkPartialLine(_ input: Span<UInt8>) throws(HTTP1Fault) {
        let expected: StaticString = "HTTP/1."
        let count = min(input.count, expected.utf8CodeUnitCount)
        // A static string's bytes live for ever.
        let prefix = unsafe Span(_unsafeStart: expected.utf8Start, count: count)
        guard input.extracting(0..<count).equals(prefix) else { throw .badStatusLine }
    }

    /// `HTTP/1.x SP 3DIGIT [ SP reason ]`. A missing space before an empty reason is common and harmless.
    private func statusLine(_ line: Span<UInt8>, _ base: Int, _ head: ResponseHead) throws(HTTP1Fault) {
        guard line.count >= 12, line[8] == 0x20 else { throw .badStatusLine }
        if line.extracting(0..<8).equals("HTTP/1.1") {
            head.version = .http11
        } else if line.extracting(0..<8).equals("HTTP/1.0") {
            head.version = .http10
        } else {
            throw .badStatusLine
        }
        guard let status = line.extracting(9..<12).decimal(), (100...599).contains(status) else { throw .badStatusLine }
        head.status = UInt16(status)
        guard line.count > 12 else { return head.store(reason: .empty) }
        guard line[12] == 0x20 else { throw .badStatusLine }
        if FieldValue.fault(in: line.extracting(13..<line.count)) != nil { throw .badStatusLine }
        head.store(reason: ByteRange(start: base + 13, length: line.count - 13))
    }
}
