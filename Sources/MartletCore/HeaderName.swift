/// Which well-known header a field is; `unknown` for every other name. One byte, so a lookup of a well-known header
/// compares bytes, not strings.
package enum HeaderID: UInt8, Sendable, CaseIterable {
    case unknown
    case accept, acceptEncoding, acceptLanguage, age, allow, altSvc, authorization
    case cacheControl, connection, contentEncoding, contentLength, contentType, cookie
    case date, etag, expect, expires, forwarded, from, grpcMessage, grpcStatus, grpcTimeout, host, http2Settings
    case ifMatch, ifModifiedSince, ifNoneMatch, ifRange, keepAlive, lastModified, location
    case origin, proxyAuthenticate, proxyAuthorization, proxyConnection, range, referer, retryAfter
    case server, setCookie, te, trailer, traceparent, tracestate, transferEncoding
    case upgrade, userAgent, vary, via, wwwAuthenticate
    case xEnvoyExpectedTimeout, xEnvoyRateLimited, xForwardedClientCert, xForwardedFor, xForwardedHost, xForwardedPort,
        xForwardedProto
    case xMartletAttempt, xMartletError, xRealIP, xRequestID
    case secWebSocketKey, secWebSocketVersion, secWebSocketAccept, secWebSocketProtocol

    /// In lower case; empty for `unknown`.
    package var text: StaticString {
        switch self {
        case .unknown: ""
        case .accept: "accept"
        case .acceptEncoding: "accept-encoding"
        case .acceptLanguage: "accept-language"
        case .age: "age"
        case .allow: "allow"
        case .altSvc: "alt-svc"
        case .authorization: "authorization"
        case .cacheControl: "cache-control"
        case .connection: "connection"
        case .contentEncoding: "content-encoding"
        case .contentLength: "content-length"
        case .contentType: "content-type"
        case .cookie: "cookie"
        case .date: "date"
        case .etag: "etag"
        case .expect: "expect"
        case .expires: "expires"
        case .forwarded: "forwarded"
        case .from: "from"
        case .grpcMessage: "grpc-message"
        case .grpcStatus: "grpc-status"
        case .grpcTimeout: "grpc-timeout"
        case .host: "host"
        case .http2Settings: "http2-settings"
        case .ifMatch: "if-match"
        case .ifModifiedSince: "if-modified-since"
        case .ifNoneMatch: "if-none-match"
        case .ifRange: "if-range"
        case .keepAlive: "keep-alive"
        case .lastModified: "last-modified"
        case .location: "location"
        case .origin: "origin"
        case .proxyAuthenticate: "proxy-authenticate"
        case .proxyAuthorization: "proxy-authorization"
        case .proxyConnection: "proxy-connection"
        case .range: "range"
        case .referer: "referer"
        case .retryAfter: "retry-after"
        case .server: "server"
        case .setCookie: "set-cookie"
        case .te: "te"
        case .trailer: "trailer"
        case .traceparent: "traceparent"
        case .tracestate: "tracestate"
        case .transferEncoding: "transfer-encoding"
        case .upgrade: "upgrade"
        case .userAgent: "user-agent"
        case .vary: "vary"
        case .via: "via"
        case .wwwAuthenticate: "www-authenticate"
        case .xEnvoyExpectedTimeout: "x-envoy-expected-rq-timeout-ms"
        case .xEnvoyRateLimited: "x-envoy-ratelimited"
        case .xForwardedClientCert: "x-forwarded-client-cert"
        case .xForwardedFor: "x-forwarded-for"
        case .xForwardedHost: "x-forwarded-host"
        case .xForwardedPort: "x-forwarded-port"
        case .xForwardedProto: "x-forwarded-proto"
        case .xMartletAttempt: "x-martlet-attempt"
        case .xMartletError: "x-martlet-error"
        case .xRealIP: "x-real-ip"
        case .xRequestID: "x-request-id"
        case .secWebSocketKey: "sec-websocket-key"
        case .secWebSocketVersion: "sec-websocket-version"
        case .secWebSocketAccept: "sec-websocket-accept"
        case .secWebSocketProtocol: "sec-websocket-protocol"
        }
    }
}

/// A set of well-known headers.
package struct HeaderIDs: Sendable, ExpressibleByArrayLiteral {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    package init(arrayLiteral ids: HeaderID...) {
        for id in ids {
            if id.rawValue < 64 { low |= 1 << UInt64(id.rawValue) } else { high |= 1 << UInt64(id.rawValue - 64) }
        }
    }

    package func contains(_ id: HeaderID) -> Bool {
        id.rawValue < 64 ? low & (1 << UInt64(id.rawValue)) != 0 : high & (1 << UInt64(id.rawValue & 63)) != 0
    }
}

/// A header's name: case-insensitive, and cheap to look up because well-known names are known by number.
public struct HeaderName: Sendable, Hashable, CustomStringConvertible {
    package let id: HeaderID
    /// Lower case.
    package let lowercased: [UInt8]

    /// Nil when `name` is not a token (RFC 9110 section 5.1).
    public init?(_ name: String) {
        let bytes = Array(name.utf8)
        guard !bytes.isEmpty, bytes.allSatisfy(\.isTokenCharacter) else { return nil }
        let lowercased = bytes.map(\.lowercasedASCII)
        id = HeaderIndex.id(of: lowercased.span)
        self.lowercased = lowercased
    }

    /// For names that stand in the source: a token in lower case.
    package init(known name: StaticString) {
        let bytes = Array(name.description.utf8)
        id = HeaderIndex.id(of: bytes.span)
        lowercased = bytes
    }

    package init(_ id: HeaderID) {
        self.id = id
        lowercased = Array(id.text.description.utf8)
    }

    public var description: String { String(decoding: lowercased, as: UTF8.self) }

    public static func == (left: HeaderName, right: HeaderName) -> Bool {
        left.id == right.id && (left.id != .unknown || left.lowercased == right.lowercased)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(lowercased) }

    public static let accept = HeaderName(.accept)
    public static let acceptEncoding = HeaderName(.acceptEncoding)
    public static let allow = HeaderName(.allow)
    public static let authorization = HeaderName(.authorization)
    public static let cacheControl = HeaderName(.cacheControl)
    public static let connection = HeaderName(.connection)
    public static let contentEncoding = HeaderName(.contentEncoding)
    public static let contentLength = HeaderName(.contentLength)
    public static let contentType = HeaderName(.contentType)
    public static let cookie = HeaderName(.cookie)
    public static let date = HeaderName(.date)
    public static let etag = HeaderName(.etag)
    public static let expect = HeaderName(.expect)
    public static let forwarded = HeaderName(.forwarded)
    public static let grpcMessage = HeaderName(.grpcMessage)
    public static let grpcStatus = HeaderName(.grpcStatus)
    public static let grpcTimeout = HeaderName(.grpcTimeout)
    public static let host = HeaderName(.host)
    public static let location = HeaderName(.location)
    public static let origin = HeaderName(.origin)
    public static let range = HeaderName(.range)
    public static let referer = HeaderName(.referer)
    public static let retryAfter = HeaderName(.retryAfter)
    package static let secWebSocketAccept = HeaderName(.secWebSocketAccept)
    package static let secWebSocketKey = HeaderName(.secWebSocketKey)
    package static let secWebSocketVersion = HeaderName(.secWebSocketVersion)
    public static let server = HeaderName(.server)
    public static let setCookie = HeaderName(.setCookie)
    public static let te = HeaderName(.te)
    public static let traceparent = HeaderName(.traceparent)
    public static let tracestate = HeaderName(.tracestate)
    public static let trailer = HeaderName(.trailer)
    public static let transferEncoding = HeaderName(.transferEncoding)
    public static let upgrade = HeaderName(.upgrade)
    public static let userAgent = HeaderName(.userAgent)
    public static let vary = HeaderName(.vary)
    public static let via = HeaderName(.via)
    public static let xForwardedFor = HeaderName(.xForwardedFor)
    public static let xForwardedHost = HeaderName(.xForwardedHost)
    public static let xForwardedClientCert = HeaderName(.xForwardedClientCert)
    public static let xForwardedProto = HeaderName(.xForwardedProto)
    package static let xEnvoyExpectedTimeout = HeaderName(.xEnvoyExpectedTimeout)
    package static let xMartletAttempt = HeaderName(.xMartletAttempt)
    public static let xMartletError = HeaderName(.xMartletError)
    public static let xRequestID = HeaderName(.xRequestID)
}
