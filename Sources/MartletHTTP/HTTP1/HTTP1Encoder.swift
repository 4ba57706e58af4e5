package import MartletCore

/// Writes HTTP/1.1 messages. Field order and case are kept; framing fields say what `body` says, whatever was edited.
///
/// Every function appends to a buffer with at least the room its bound names and answers false when a filter has put
/// something into the head that cannot be sent.
package enum HTTP1Encoder {
    /// Room for what is added to the fields: start line, framing, connection.
    private static let extra = 256

    package static func sizeBound(_ head: RequestHead) -> Int { head.headers.encodedBound + extra }
    package static func sizeBound(_ head: ResponseHead) -> Int { head.headers.encodedBound + extra }

    // What a message says of framing and of its connection is written anew, whatever the head says.
    private static let requestFraming: HeaderIDs = [
        .contentLength, .transferEncoding, .connection, .keepAlive, .http2Settings, .upgrade, .te,
    ]
    private static let responseFraming: HeaderIDs = [
        .contentLength, .transferEncoding, .connection, .keepAlive, .upgrade,
    ]

    private static func append(length: UInt64, named name: Span<UInt8>, to out: ByteBuffer) {
        out.append(name)
        out.append(": ")
        out.append(decimal: length)
        out.append("\r\n")
    }

    // MARK: Requests

    package static func encode(_ head: RequestHead, into out: ByteBuffer) -> Bool {
        let headers = head.headers
        guard head.isSafeLine else { return false }
        out.append(head.methodBytes())
        out.append(0x20)
        out.append(head.target())
        out.append(" HTTP/1.1\r\n")
        var wroteFraming = false
        let isWritten = headers.encode(into: out, leaving: Self.requestFraming) { index, id in
            switch id {
            case .contentLength:
                guard case .exactly(let length) = head.body, !wroteFraming else { return true }
                append(length: length, named: headers.name(at: index), to: out)
                wroteFraming = true
                return true
            case .upgrade where head.asksForUpgrade: return headers.encodeField(at: index, into: out)
            default: return true
            }
        }
        guard isWritten else { return false }
        if !wroteFraming {
            switch head.body {
            case .exactly(let length):
                out.append("content-length: ")
                out.append(decimal: length)
                out.append("\r\n")
            case .chunked: out.append("transfer-encoding: chunked\r\n")
            case .none, .untilClose: break
            }
        }
        if head.asksForUpgrade { out.append("connection: upgrade\r\n") }
        out.append("\r\n")
        return true
    }

    // MARK: Responses

    /// How the connection goes on after a response.
    package enum Connection: Sendable {
        case keep, close, upgrade
        /// Said out loud to an HTTP/1.0 client.
        case keepAlive
    }

    /// - Parameters:
    ///   - framing: how the body is sent to this client; `.none` for a response without one.
    ///   - keepsLength: a bodiless response to HEAD, or a 304, whose Content-Length describes what is not sent.
    package static func encode(
        _ head: ResponseHead, framing: BodyLength, connection: Connection, keepsLength: Bool, into out: ByteBuffer
    ) -> Bool {
        let headers = head.headers
        out.append("HTTP/1.1 ")
        out.append(decimal: UInt64(head.status))
        out.append(0x20)
        if let reason = head.reason() {
            guard HeaderTable.isSafeValue(reason) else { return false }
            out.append(reason)
        } else {
            out.append(StatusReason.text(head.status))
        }
        out.append("\r\n")
        var wroteLength = false
        let isWritten = headers.encode(into: out, leaving: Self.responseFraming) { index, id in
            switch id {
            case .contentLength:
                if wroteLength { return true }
                if keepsLength {
                    guard headers.encodeField(at: index, into: out) else { return false }
                } else if case .exactly(let length) = framing {
                    append(length: length, named: headers.name(at: index), to: out)
                } else {
                    return true
                }
                wroteLength = true
                return true
            case .upgrade where connection == .upgrade: return headers.encodeField(at: index, into: out)
            default: return true
            }
        }
        guard isWritten else { return false }
        switch framing {
        case .exactly(let length) where !wroteLength:
            out.append("content-length: ")
            out.append(decimal: length)
            out.append("\r\n")
        case .chunked: out.append("transfer-encoding: chunked\r\n")
        default: break
        }
        switch connection {
        case .keep: break
        case .close: out.append("connection: close\r\n")
        case .keepAlive: out.append("connection: keep-alive\r\n")
        case .upgrade: out.append("connection: upgrade\r\n")
        }
        out.append("\r\n")
        return true
    }

    package static func encodeInformational(_ head: ResponseHead, into out: ByteBuffer) -> Bool {
        head.headers.remove(.upgrade)
        return encode(head, framing: .none, connection: .keep, keepsLength: false, into: out)
    }

    package static let continueResponse: StaticString = "HTTP/1.1 100 Continue\r\n\r\n"

    // MARK: Chunked bodies

    /// 16 digits, CRLF.
    package static let chunkHeadBound = 18

    package static func chunkHead(_ count: Int, into out: ByteBuffer) {
        var shift = (63 - max(count, 1).leadingZeroBitCount) / 4 * 4
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: (count >> shift) & 15)
            out.append(digit < 10 ? 0x30 + digit : 0x61 + digit - 10)
            shift -= 4
        }
        out.append("\r\n")
    }

    package static func chunkTail(into out: ByteBuffer) { out.append("\r\n") }

    package static func sizeBound(trailers: HeaderTable) -> Int { trailers.encodedBound + 16 }

    package static func lastChunk(_ trailers: HeaderTable, into out: ByteBuffer) -> Bool {
        out.append("0\r\n")
        for index in 0..<trailers.count {
            guard trailers.encodeField(at: index, into: out) else { return false }
        }
        out.append("\r\n")
        return true
    }
}
