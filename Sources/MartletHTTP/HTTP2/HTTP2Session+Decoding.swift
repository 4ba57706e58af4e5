internal import CHTTP2
package import MartletCore

/// Heads as they came, into the objects the rest of the proxy knows. The C side has checked which fields there are (RFC 9113
/// section 8) and the bytes of each; what they mean is checked here, as strictly as in HTTP/1.1.
extension HTTP2Session {
    /// Fills a request's head. When it throws the stream is still open: answer `fault.status`, or `reset`. What there is of
    /// method and target is in the head then.
    ///
    /// An extended CONNECT (RFC 8441) becomes what HTTP/1.1 has for it: GET with an `upgrade` field that `asksForUpgrade`; it
    /// has no `sec-websocket-key`. Its tunnel is the stream's body. A 2xx answers it.
    package func take(_ head: HTTP2Head, into request: RequestHead) throws(HTTP2Fault) {
        var block = mrt_h2_block()
        guard unsafe mrt_h2_get_block(session, head.index, &block) else { throw .protocolViolation }
        let headers = request.headers
        let arena = headers.arena
        let base = store(block, in: headers)
        request.version = .http2
        if block.too_large || block.too_many {
            // Cut before it was checked: there may be less of it than a request has.
            if block.method.length > 0 { request.store(method: range(block.method, base)) }
            if block.path.length > 0 { request.store(target: range(block.path, base)) }
            throw block.too_large ? .headTooLarge : .tooManyFields
        }
        let isConnect = try storeLine(block, base, request)
        var fields = HTTP2Fields()
        if block.authority.length > 0 {
            let value = range(block.authority, base)
            guard Authority.isValid(arena.bytes(value)) else { throw .badAuthority }
            headers.appendStored(
                name: ByteRange(start: Int(value.start) - 6, length: 4), value: value, id: .host)
            fields.hasAuthority = true
        }
        try storeFields(block, base, headers, &fields, .request)
        headers.markParsed()
        if fields.hasExpect { request.expectsContinue = true }
        if isConnect {
            // RFC 9110 section 9.3.6: what follows is the tunnel's.
            guard fields.contentLength == nil else { throw .contentInConnect }
            request.body = .none
            if block.protocol.length > 0 {
                try storeUpgrade(range(block.protocol, base), request)
            }
        } else if let length = fields.contentLength {
            request.body = .exactly(length)
        } else {
            request.body = head.endsHere ? .none : .chunked
        }
    }

    /// Fills a response's head, also an informational one's.
    package func take(_ head: HTTP2Head, into response: ResponseHead) throws(HTTP2Fault) {
        var block = mrt_h2_block()
        guard unsafe mrt_h2_get_block(session, head.index, &block) else { throw .protocolViolation }
        response.version = .http2
        if block.too_large { throw .headTooLarge }
        if block.too_many { throw .tooManyFields }
        guard (100...599).contains(block.status) else { throw .badStatus }
        response.status = UInt16(block.status)
        let headers = response.headers
        let base = store(block, in: headers)
        var fields = HTTP2Fields()
        try storeFields(block, base, headers, &fields, .response)
        headers.markParsed()
        if block.answers_head || block.status < 200 || block.status == 204 || block.status == 304 {
            response.body = .none
        } else if let length = fields.contentLength {
            response.body = .exactly(length)
        } else {
            response.body = head.endsHere ? .none : .chunked
        }
    }

    /// Fills trailers with the fields that may stand there; others are left out.
    package func take(_ head: HTTP2Head, into trailers: HeaderTable) throws(HTTP2Fault) {
        var block = mrt_h2_block()
        guard unsafe mrt_h2_get_block(session, head.index, &block) else { throw .protocolViolation }
        if block.too_large { throw .headTooLarge }
        if block.too_many { throw .tooManyFields }
        let base = store(block, in: trailers)
        var fields = HTTP2Fields()
        try storeFields(block, base, trailers, &fields, .trailers)
        trailers.markParsed()
    }

    // MARK: Pieces

    /// Copies the block's text into the arena; answers what is to be added to its offsets.
    private func store(_ block: mrt_h2_block, in headers: HeaderTable) -> Int {
        let start = headers.arena.count
        guard block.text.length > 0, let text = unsafe mrt_h2_text(session) else { return start }
        // The C side keeps the text as it is until the next `receive`, and the block's range is within it.
        let span = unsafe Span(_unsafeStart: text + Int(block.text.start), count: Int(block.text.length))
        _ = headers.arena.append(span)
        return start - Int(block.text.start)
    }

    /// What is not there is nowhere, and has no place behind `base`.
    private func range(_ range: mrt_h2_range, _ base: Int) -> ByteRange {
        range.length == 0
            ? ByteRange(start: 0, length: 0) : ByteRange(start: base + Int(range.start), length: Int(range.length))
    }

    /// Method, scheme and target. Answers whether it is a CONNECT, plain or extended.
    private func storeLine(_ block: mrt_h2_block, _ base: Int, _ request: RequestHead) throws(HTTP2Fault) -> Bool {
        let arena = request.headers.arena
        request.store(method: range(block.method, base))
        guard block.method.length < 32, HeaderTable.isToken(request.methodBytes()) else { throw .badMethod }
        let isConnect = request.method == .connect
        if isConnect && block.protocol.length == 0 {
            // RFC 9113 section 8.5.
            let target = range(block.authority, base)
            request.store(target: target)
            guard Authority.hasPort(arena.bytes(target)) else { throw .badAuthority }
            return true
        }
        let path = range(block.path, base)
        request.store(target: path)
        let scheme = arena.bytes(range(block.scheme, base))
        if scheme.equalsIgnoringCase("https") {
            request.scheme = .https
        } else if scheme.equalsIgnoringCase("http") {
            request.scheme = .http
        } else {
            throw .badScheme
        }
        let target = arena.bytes(path)
        for index in target.indices {
            let byte = target[index]
            // RFC 3986: no controls, no space, no fragment, nothing beyond ASCII.
            if byte <= 0x20 || byte >= 0x7F || byte == 0x23 { throw .badTarget }
        }
        guard !target.isEmpty, target[0] == 0x2F || target.equals("*") && request.method == .options else {
            throw .badTarget
        }
        return isConnect
    }

    private func storeFields(
        _ block: mrt_h2_block, _ base: Int, _ headers: HeaderTable, _ fields: inout HTTP2Fields,
        _ kind: HTTP2Fields.Kind
    ) throws(HTTP2Fault) {
        guard block.field_count > 0, let known = unsafe mrt_h2_fields(session) else { return }
        let arena = headers.arena
        var cookies = 0
        var index = Int(block.first_field)
        let end = index + Int(block.field_count)
        while index < end {
            // In bounds: the block's fields are `field_count` from `first_field` on, as long as its text.
            let field = unsafe known[index]
            index += 1
            let nameStart = base + Int(field.name)
            let name = ByteRange(start: nameStart, length: Int(field.name_length))
            let value = ByteRange(start: nameStart + name.count + 2, length: Int(field.value_length))
            let id = HeaderIndex.id(of: arena.bytes(name))
            // Patterns, for `==` of another module's type is a call.
            if case .trailers = kind {
                guard HTTP1Fields.isAllowedInTrailers(id, arena.bytes(name)) else { continue }
            } else {
                switch id {
                case .unknown: break
                case .cookie: cookies += 1
                default: guard try fields.keep(id, value, headers, kind) else { continue }
                }
            }
            headers.appendStored(name: name, value: value, id: id)
        }
        if cookies > 1 { joinCookies(headers) }
    }

    /// RFC 9113 section 8.2.3: what was split for the sake of compression is one field to everyone else.
    private func joinCookies(_ headers: HeaderTable) {
        guard let first = headers.firstIndex(id: .cookie) else { return }
        headers.joinValues(at: first, separator: "; ")
    }

    private func storeUpgrade(_ wanted: ByteRange, _ request: RequestHead) throws(HTTP2Fault) {
        let headers = request.headers
        let arena = headers.arena
        let get: InlineArray<3, UInt8> = [0x47, 0x45, 0x54]
        request.store(method: arena.append(get.span))
        let name: InlineArray<7, UInt8> = [0x75, 0x70, 0x67, 0x72, 0x61, 0x64, 0x65]
        headers.append(named: name.span, arena.bytes(wanted))
        guard request.hasPlainUpgrade else { throw .badProtocol }
        request.asksForUpgrade = true
    }
}

/// What the fields of a head say about the message, gathered while they are stored.
struct HTTP2Fields {
    enum Kind { case request, response, trailers }

    var contentLength: UInt64?
    var hasAuthority = false
    var hasExpect = false
    private var hasHost = false

    /// Notes what a field means; false when it goes no further.
    mutating func keep(
        _ id: HeaderID, _ value: ByteRange, _ headers: HeaderTable, _ kind: Kind
    ) throws(HTTP2Fault) -> Bool {
        let arena = headers.arena
        switch id {
        case .contentLength:
            // The C side has seen to it that there is one, and a number.
            contentLength = arena.bytes(value).decimal()
            return true
        case .host where kind == .request:
            let host = arena.bytes(value)
            guard Authority.isValid(host) else { throw .badAuthority }
            if hasAuthority {
                // RFC 9113 section 8.3.1.
                guard host.equalsIgnoringCase(headers.value(at: 0)) else { throw .differentHosts }
                return false
            }
            return true
        case .expect where kind == .request:
            guard arena.bytes(value).equalsIgnoringCase("100-continue") else { throw .unknownExpectation }
            hasExpect = true
            return true
        // Of this connection only (RFC 9110 section 7.6.1, 11.7); the rest of those make a message malformed.
        case .http2Settings, .proxyAuthorization, .proxyAuthenticate: return false
        default: return true
        }
    }
}
