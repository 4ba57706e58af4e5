internal import MartletCore

/// A request method. The common ones are known by number, every other token by its bytes.
public enum Method: UInt8, Sendable {
    case get, head, post, put, delete, options, patch, trace, connect, other

    /// RFC 9110 section 9.2.2: sending it twice has the effect of sending it once.
    public var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .patch, .connect, .other: false
        }
    }
}

public enum HTTPVersion: UInt8, Sendable {
    case http10, http11, http2
}

public enum Scheme: UInt8, Sendable {
    case http, https
}

/// How long a message's body is, and so how HTTP/1.1 frames it.
public enum BodyLength: Sendable, Equatable {
    case none
    /// `content-length`.
    case exactly(UInt64)
    /// Unknown until it ends: `transfer-encoding: chunked`.
    case chunked
    /// Response only: ends when the connection does.
    case untilClose
}

extension Method {
    /// Methods are case-sensitive (RFC 9110 section 9.1).
    package init(_ bytes: Span<UInt8>) {
        switch bytes.count {
        case 3: self = bytes.equals("GET") ? .get : bytes.equals("PUT") ? .put : .other
        case 4: self = bytes.equals("HEAD") ? .head : bytes.equals("POST") ? .post : .other
        case 5: self = bytes.equals("PATCH") ? .patch : bytes.equals("TRACE") ? .trace : .other
        case 6: self = bytes.equals("DELETE") ? .delete : .other
        case 7: self = bytes.equals("OPTIONS") ? .options : bytes.equals("CONNECT") ? .connect : .other
        default: self = .other
        }
    }
}
