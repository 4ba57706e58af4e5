internal import MartletCore
internal import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// The question to an authorization service that speaks gRPC: `envoy.service.auth.v3.CheckRequest`.
struct CheckRequest {
    private var writer = WireWriter()
    /// The request's fields by name: a map has each once.
    private var values: [[UInt8]: [UInt8]] = [:]

    /// - Parameters:
    ///   - passes: which fields the service is told of.
    ///   - body: nil when bodies are not asked about.
    static func encode(
        _ exchange: Exchange, context: [(name: HeaderName, value: String)], body: (bytes: [UInt8], isPartial: Bool)?,
        packsBytes: Bool, _ passes: (HeaderTable, Int) -> Bool
    ) -> [UInt8] {
        var message = CheckRequest()
        message.collect(exchange.request, passes)
        // Envoy's name, so that services made for it find it.
        if let body {
            message.values[Array("x-envoy-auth-partial-body".utf8)] = Array((body.isPartial ? "true" : "false").utf8)
        }
        let values = message.values
        // AttributeContext.
        message.writer.message(1) { attributes in
            if let peer = exchange.downstream {
                attributes.message(1) { source(exchange, peer, &$0) }
                attributes.message(2) { address(ofListener: peer.localAddress, &$0) }
            }
            attributes.message(4) { request in
                request.message(1) { time in
                    let now = WallClock.now().nanoseconds
                    time.varint(1, now / 1_000_000_000)
                    time.varint(2, now % 1_000_000_000)
                }
                request.message(2) { http(exchange.request, values, body?.bytes, packsBytes: packsBytes, &$0) }
            }
            for field in context {
                let name = field.name.lowercased
                attributes.entry(10, name.span, field.value.utf8Span.span)
            }
            if let tls = exchange.downstream?.tls {
                attributes.message(12) { if let name = tls.serverName { $0.text(1, name) } }
            }
        }
        return message.writer.bytes
    }

    private mutating func collect(_ request: RequestHead, _ passes: (HeaderTable, Int) -> Bool) {
        let headers = request.headers
        for index in 0..<headers.count where headers.id(at: index) != .host && passes(headers, index) {
            let name = headers.name(at: index).array().map(\.lowercasedASCII)
            let value = headers.value(at: index).array()
            if let known = values[name] {
                // RFC 6265 section 5.4: of cookies the separator is another.
                values[name] = known + Array((headers.id(at: index) == .cookie ? "; " : ",").utf8) + value
            } else {
                values[name] = value
            }
        }
        values[Array(":method".utf8)] = request.methodBytes().array()
        values[Array(":path".utf8)] = request.target().array()
        values[Array(":authority".utf8)] = request.authority().array()
        values[Array(":scheme".utf8)] = Array((request.scheme == .https ? "https" : "http").utf8)
    }

    // MARK: Parts

    private static func http(
        _ request: RequestHead, _ values: [[UInt8]: [UInt8]], _ body: [UInt8]?, packsBytes: Bool,
        _ http: inout WireWriter
    ) {
        let headers = request.headers
        if let id = headers.first(.xRequestID) { http.bytes(1, utf8(id).span) }
        http.bytes(2, utf8(request.methodBytes()).span)
        for (name, value) in values { http.entry(3, name.span, utf8(value.span).span) }
        http.bytes(4, utf8(request.target()).span)
        http.bytes(5, utf8(request.authority()).span)
        http.text(6, request.scheme == .https ? "https" : "http")
        if let query = request.query() { http.bytes(7, utf8(query).span) }
        // -1 for what is not known beforehand, which takes all bits.
        if let body {
            http.varint(9, UInt64(body.count))
        } else if case .exactly(let length) = request.body {
            http.varint(9, length)
        } else if request.body != .none {
            http.varint(9, .max)
        }
        http.text(10, request.version.text.description)
        guard let body else { return }
        if packsBytes { http.bytes(12, body.span) } else { http.bytes(11, utf8(body.span).span) }
    }

    /// A protobuf string is UTF-8, and readers refuse a message in which one is not: other bytes become U+FFFD.
    private static func utf8(_ text: Span<UInt8>) -> [UInt8] {
        for index in text.indices where text[index] >= 0x80 { return Array(text.string().utf8) }
        return text.array()
    }

    private static func source(_ exchange: Exchange, _ peer: Downstream, _ source: inout WireWriter) {
        let isDirect = exchange.clientIP == peer.directRemoteIP
        address(exchange.clientIP, port: isDirect ? UInt64(peer.directRemotePort) : 0, &source)
        guard let tls = peer.tls, tls.isPeerValidated, let certificate = tls.peer else { return }
        source.text(4, certificate.uriSANs.first ?? certificate.dnsSANs.first ?? certificate.subject)
    }

    /// Address, SocketAddress.
    private static func address(_ host: String, port: UInt64, _ peer: inout WireWriter) {
        peer.message(1) { address in
            address.message(1) { socket in
                socket.text(2, host)
                socket.varint(3, port)
            }
        }
    }

    /// `1.2.3.4:80`, `[::1]:80`, or a path.
    private static func address(ofListener text: String, _ peer: inout WireWriter) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt64(text[text.index(after: colon)...]) else {
            return peer.message(1) { address in address.message(2) { $0.text(1, text) } }
        }
        address(String(text[..<colon].filter { $0 != "[" && $0 != "]" }), port: port, &peer)
    }
}
