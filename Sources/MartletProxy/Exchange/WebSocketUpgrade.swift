internal import MartletCore
internal import MartletCrypto
internal import MartletFilter
internal import MartletHTTP

/// A WebSocket on its way between HTTP/1.1, which upgrades a connection (RFC 6455), and HTTP/2, which opens a tunnel by extended
/// CONNECT (RFC 8441). In between, in the chain, it is always the former.
enum WebSocketUpgrade {
    /// The answer to an extended CONNECT. What opened no tunnel must not look as if it had.
    static func answerConnect(_ response: ResponseHead, isOpen: Bool) {
        let headers = response.headers
        headers.remove(.upgrade)
        headers.remove(.secWebSocketAccept)
        if isOpen {
            response.setStatus(200)
        } else if (100...299).contains(response.status) {
            response.setStatus(502)
        }
    }

    /// What an HTTP/1.1 server needs of a request that came by HTTP/2.
    static func completeRequest(_ request: RequestHead, random: (UInt64, UInt64)) {
        let headers = request.headers
        guard headers.firstIndex(id: .secWebSocketKey) == nil, let value = headers.first(id: .upgrade),
            value.equalsIgnoringCase("websocket")
        else { return }
        var nonce: [UInt8] = []
        for word in [random.0, random.1] {
            for shift in stride(from: 0, to: 64, by: 8) { nonce.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        let key = Base64.encode(nonce.span, .standard)
        headers.append(.secWebSocketKey, key.span)
        if headers.firstIndex(id: .secWebSocketVersion) == nil { headers.append(.secWebSocketVersion, "13") }
    }

    /// An HTTP/2 server's 2xx to an extended CONNECT, told as HTTP/1.1 does.
    static func answerUpgrade(_ response: ResponseHead, to request: RequestHead) {
        let asked = request.headers
        let headers = response.headers
        response.setStatus(101)
        headers.remove(.contentLength)
        if let name = asked.first(id: .upgrade) { headers.set(.upgrade, name) }
        guard let key = asked.first(id: .secWebSocketKey) else { return }
        guard let hash = HashState().sha1(of: (key.array() + guid).span) else { return }
        headers.set(.secWebSocketAccept, Base64.encode(hash.span, .standard).span)
    }

    /// RFC 6455 section 1.3.
    private static let guid = Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)
}
