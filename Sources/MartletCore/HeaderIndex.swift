/// Finds a well-known header by its bytes: by length and last character, then one comparison or two. Constants only, so
/// that a lookup touches no lazily made table.
package enum HeaderIndex {
    /// `.unknown` when the name, a token, is not well known. Any case.
    package static func id(of name: Span<UInt8>) -> HeaderID {
        let count = name.count
        guard count >= 2, count <= 30 else { return .unknown }
        let last = name[count - 1] | 0x20
        switch count {
        case 2:
            switch last {
            case 0x65:  // e
                return first(name, .te)
            default: return .unknown
            }
        case 3:
            switch last {
            case 0x61:  // a
                return first(name, .via)
            case 0x65:  // e
                return first(name, .age)
            default: return .unknown
            }
        case 4:
            switch last {
            case 0x65:  // e
                return first(name, .date)
            case 0x67:  // g
                return first(name, .etag)
            case 0x6D:  // m
                return first(name, .from)
            case 0x74:  // t
                return first(name, .host)
            case 0x79:  // y
                return first(name, .vary)
            default: return .unknown
            }
        case 5:
            switch last {
            case 0x65:  // e
                return first(name, .range)
            case 0x77:  // w
                return first(name, .allow)
            default: return .unknown
            }
        case 6:
            switch last {
            case 0x65:  // e
                return first(name, .cookie)
            case 0x6E:  // n
                return first(name, .origin)
            case 0x72:  // r
                return first(name, .server)
            case 0x74:  // t
                return first(name, .accept, .expect)
            default: return .unknown
            }
        case 7:
            switch last {
            case 0x63:  // c
                return first(name, .altSvc)
            case 0x65:  // e
                return first(name, .upgrade)
            case 0x72:  // r
                return first(name, .referer, .trailer)
            case 0x73:  // s
                return first(name, .expires)
            default: return .unknown
            }
        case 8:
            switch last {
            case 0x65:  // e
                return first(name, .ifRange)
            case 0x68:  // h
                return first(name, .ifMatch)
            case 0x6E:  // n
                return first(name, .location)
            default: return .unknown
            }
        case 9:
            switch last {
            case 0x64:  // d
                return first(name, .forwarded)
            case 0x70:  // p
                return first(name, .xRealIP)
            default: return .unknown
            }
        case 10:
            switch last {
            case 0x65:  // e
                return first(name, .keepAlive, .setCookie, .tracestate)
            case 0x6E:  // n
                return first(name, .connection)
            case 0x74:  // t
                return first(name, .userAgent)
            default: return .unknown
            }
        case 11:
            switch last {
            case 0x72:  // r
                return first(name, .retryAfter)
            case 0x73:  // s
                return first(name, .grpcStatus)
            case 0x74:  // t
                return first(name, .traceparent)
            default: return .unknown
            }
        case 12:
            switch last {
            case 0x64:  // d
                return first(name, .xRequestID)
            case 0x65:  // e
                return first(name, .contentType, .grpcMessage)
            case 0x74:  // t
                return first(name, .grpcTimeout)
            default: return .unknown
            }
        case 13:
            switch last {
            case 0x64:  // d
                return first(name, .lastModified)
            case 0x68:  // h
                return first(name, .ifNoneMatch)
            case 0x6C:  // l
                return first(name, .cacheControl)
            case 0x6E:  // n
                return first(name, .authorization)
            default: return .unknown
            }
        case 14:
            switch last {
            case 0x68:  // h
                return first(name, .contentLength)
            case 0x73:  // s
                return first(name, .http2Settings)
            default: return .unknown
            }
        case 15:
            switch last {
            case 0x65:  // e
                return first(name, .acceptLanguage)
            case 0x67:  // g
                return first(name, .acceptEncoding)
            case 0x72:  // r
                return first(name, .xForwardedFor, .xMartletError)
            default: return .unknown
            }
        case 16:
            switch last {
            case 0x65:  // e
                return first(name, .wwwAuthenticate)
            case 0x67:  // g
                return first(name, .contentEncoding)
            case 0x6E:  // n
                return first(name, .proxyConnection)
            case 0x74:  // t
                return first(name, .xForwardedHost, .xForwardedPort)
            default: return .unknown
            }
        case 17:
            switch last {
            case 0x65:  // e
                return first(name, .ifModifiedSince)
            case 0x67:  // g
                return first(name, .transferEncoding)
            case 0x6F:  // o
                return first(name, .xForwardedProto)
            case 0x74:  // t
                return first(name, .xMartletAttempt)
            case 0x79:  // y
                return first(name, .secWebSocketKey)
            default: return .unknown
            }
        case 18:
            switch last {
            case 0x65:  // e
                return first(name, .proxyAuthenticate)
            default: return .unknown
            }
        case 19:
            switch last {
            case 0x64:  // d
                return first(name, .xEnvoyRateLimited)
            case 0x6E:  // n
                return first(name, .proxyAuthorization)
            default: return .unknown
            }
        case 20:
            switch last {
            case 0x74:  // t
                return first(name, .secWebSocketAccept)
            default: return .unknown
            }
        case 21:
            switch last {
            case 0x6E:  // n
                return first(name, .secWebSocketVersion)
            default: return .unknown
            }
        case 22:
            switch last {
            case 0x6C:  // l
                return first(name, .secWebSocketProtocol)
            default: return .unknown
            }
        case 23:
            switch last {
            case 0x74:  // t
                return first(name, .xForwardedClientCert)
            default: return .unknown
            }
        case 30:
            switch last {
            case 0x73:  // s
                return first(name, .xEnvoyExpectedTimeout)
            default: return .unknown
            }
        default: return .unknown
        }
    }

    @inline(__always)
    private static func first(_ name: Span<UInt8>, _ one: HeaderID) -> HeaderID {
        name.tokenEquals(one.text) ? one : .unknown
    }

    @inline(__always)
    private static func first(_ name: Span<UInt8>, _ one: HeaderID, _ two: HeaderID) -> HeaderID {
        name.tokenEquals(one.text) ? one : first(name, two)
    }

    @inline(__always)
    private static func first(_ name: Span<UInt8>, _ one: HeaderID, _ two: HeaderID, _ three: HeaderID) -> HeaderID {
        name.tokenEquals(one.text) ? one : first(name, two, three)
    }

    @inline(__always)
    private static func first(
        _ name: Span<UInt8>, _ one: HeaderID, _ two: HeaderID, _ three: HeaderID, _ four: HeaderID
    ) -> HeaderID {
        name.tokenEquals(one.text) ? one : first(name, two, three, four)
    }
}
