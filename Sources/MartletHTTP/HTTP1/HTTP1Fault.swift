/// Why a message cannot be read. Named by what was found; `status` is what a server answers, `Rescue` decides.
package enum HTTP1Fault: String, Error, Sendable, CaseIterable {
    case headTooLarge = "head larger than the limit"
    case targetTooLong = "target longer than the limit"
    case tooManyFields = "more fields than the limit"
    case badMethod = "method is not a token"
    case badTarget = "target has a form or character that is not allowed"
    case badRequestLine = "request line is not method, target and version with one space between"
    case unsupportedVersion = "version is not HTTP/1.0 or HTTP/1.1"
    case http2Preface = "HTTP/2 preface on an HTTP/1 connection"
    case bareLF = "line feed without carriage return"
    case bareCR = "carriage return without line feed"
    case badFieldName = "field name is not a token, or is followed by a space"
    case badFieldValue = "field value has a control character"
    case foldedField = "field continues on the next line"
    case missingHost = "no Host"
    case duplicateHost = "more than one Host"
    case badAuthority = "authority is not a host with an optional port"
    case badContentLength = "Content-Length is not a number"
    case duplicateContentLength = "more than one Content-Length"
    case lengthAndCoding = "Content-Length together with Transfer-Encoding"
    case badTransferCoding = "Transfer-Encoding is not exactly `chunked`"
    case codingInHTTP10 = "Transfer-Encoding in HTTP/1.0"
    case protectedFieldInConnection = "Connection names a field that must not be removed"
    case contentInConnect = "CONNECT with content"
    case unknownExpectation = "Expect is not 100-continue"
    case badChunkSize = "chunk size is not a hexadecimal number"
    case chunkExtensionTooLong = "chunk extension longer than the limit"
    case badChunkExtension = "chunk extension is malformed"
    case badChunkEnd = "chunk does not end with CRLF"
    case badTrailer = "trailer section is malformed"
    case badStatusLine = "status line is malformed"
    case unexpectedUpgrade = "101 that was not asked for"
    case tooManyInformational = "too many 1xx responses"

    package var status: UInt16 {
        switch self {
        case .headTooLarge, .tooManyFields: 431
        case .targetTooLong: 414
        case .unsupportedVersion, .http2Preface: 505
        case .unknownExpectation: 417
        default: 400
        }
    }
}

/// What decoding one item came to: how much of the input it took, and the item.
package struct HTTP1Step {
    package let consumed: Int
    package let event: HTTP1Event
}

package enum HTTP1Event {
    /// Nothing can be said yet. What was not consumed must be passed again, with more behind it.
    case needMore
    /// The head is filled. `endsHere`: the message has no body.
    case head(endsHere: Bool)
    /// A piece of body: a range of the input of this call. `last`: the message ends with it.
    case body(Range<Int>, last: Bool)
    /// The end of a chunked body; trailers, if there were any, are in the table.
    case end
    /// A 1xx head (response only); another head follows.
    case informational
    /// A 101 that was asked for: what follows is no HTTP.
    case upgraded
    case failed(HTTP1Fault)
}

/// Bounds of what a decoder takes. One object shared by all decoders of a listener or cluster.
package final class HTTP1Limits: Sendable {
    /// Start line and fields, in bytes. Default 64 KiB.
    package let head: Int
    /// Fields of a head, and of trailers. Default 100 (Envoy's `max_headers_count`).
    package let fields: Int
    /// Bytes of one chunk's size line, extensions included. Default 4 KiB.
    package let chunkLine: Int
    /// 1xx heads before the final one. Default 8.
    package let informational: Int

    package init(head: Int = 65_536, fields: Int = 100, chunkLine: Int = 4096, informational: Int = 8) {
        self.head = head
        self.fields = fields
        self.chunkLine = chunkLine
        self.informational = informational
    }
}
