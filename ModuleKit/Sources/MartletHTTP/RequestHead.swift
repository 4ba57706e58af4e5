internal import CMartletModule
public import MartletCore

/// What a request says before its body; see the proxy's. Read and edited in the host's memory. Belongs to one exchange and
/// is used for one after another; between them it is empty.
@safe
public final class RequestHead {
    public let headers: HeaderTable
    private let parts: LentParts

    package init(of parts: LentParts) {
        self.parts = parts
        headers = HeaderTable(of: parts, .request)
    }

    private var handle: OpaquePointer? { unsafe parts.parts?.request }

    // MARK: Reading

    public var method: Method { Method(methodBytes()) }

    @_lifetime(borrow self)
    public func methodBytes() -> Span<UInt8> {
        guard let handle = unsafe handle else { return Span() }
        return unsafe span(unsafe martlet_of_host().pointee.request_method(handle))
    }

    /// Path and query, or `*`, or for CONNECT the authority.
    @_lifetime(borrow self)
    public func target() -> Span<UInt8> {
        guard let handle = unsafe handle else { return Span() }
        return unsafe span(unsafe martlet_of_host().pointee.request_target(handle))
    }

    /// The target up to its `?`.
    @_lifetime(borrow self)
    public func path() -> Span<UInt8> {
        let target = target()
        return target.extracting(0..<(target.firstIndex(of: 0x3F) ?? target.count))
    }

    /// What follows the `?`; nil when there is none.
    @_lifetime(borrow self)
    public func query() -> Span<UInt8>? {
        let target = target()
        guard let mark = target.firstIndex(of: 0x3F) else { return nil }
        return target.extracting((mark + 1)..<target.count)
    }

    /// The `host` field; empty when HTTP/1.0 sent none.
    @_lifetime(borrow self)
    public func authority() -> Span<UInt8> {
        let headers = self.headers
        guard let value = headers.first(.host) else { return Span() }
        return unsafe _overrideLifetime(value, borrowing: self)
    }

    /// How the client framed the body. A filter that changes a body's length says so through the exchange.
    public var body: BodyLength {
        get {
            guard let handle = unsafe handle else { return .none }
            return BodyLength(unsafe martlet_of_host().pointee.request_body(handle))
        }
        set {
            if let handle = unsafe handle { unsafe martlet_of_host().pointee.request_set_body(handle, newValue.lent) }
        }
    }

    public var version: HTTPVersion {
        guard let handle = unsafe handle else { return .http11 }
        return HTTPVersion(lent: unsafe martlet_of_host().pointee.request_version(handle))
    }

    public var scheme: Scheme {
        get {
            guard let handle = unsafe handle else { return .http }
            return unsafe martlet_of_host().pointee.request_scheme(handle) == UInt32(MARTLET_HTTPS) ? .https : .http
        }
        set {
            let number = UInt32(newValue == .https ? MARTLET_HTTPS : MARTLET_PLAIN_HTTP)
            if let handle = unsafe handle { unsafe martlet_of_host().pointee.request_set_scheme(handle, number) }
        }
    }

    // MARK: Writing

    public func setMethod(_ bytes: Span<UInt8>) {
        guard let handle = unsafe handle else { return }
        Border.lend(bytes) { unsafe martlet_of_host().pointee.request_set_method(handle, $0) }
    }

    /// `bytes` must be a valid target, see `isSafeTarget`; a request with another is not sent.
    public func setTarget(_ bytes: Span<UInt8>) {
        guard let handle = unsafe handle else { return }
        Border.lend(bytes) { unsafe martlet_of_host().pointee.request_set_target(handle, $0) }
    }

    public func setAuthority(_ bytes: Span<UInt8>) { headers.set(.host, bytes) }

    /// True when `target` may stand in a request line: not empty, no control, space or `#`.
    public static func isSafeTarget(_ target: Span<UInt8>) -> Bool {
        guard !target.isEmpty else { return false }
        for index in target.indices where target[index] <= 0x20 || target[index] == 0x7F || target[index] == 0x23 {
            return false
        }
        return true
    }

    @_lifetime(borrow self)
    private func span(_ bytes: martlet_borrowed_bytes) -> Span<UInt8> {
        guard let start = unsafe bytes.start else { return Span() }
        // The host's, until the head is changed: as with its own.
        return unsafe _overrideLifetime(Span(_unsafeStart: start, count: bytes.count), borrowing: self)
    }
}

extension BodyLength {
    init(_ lent: martlet_body_length) {
        switch Int(lent.kind) {
        case MARTLET_BODY_EXACTLY: self = .exactly(lent.bytes)
        case MARTLET_BODY_CHUNKED: self = .chunked
        case MARTLET_BODY_UNTIL_CLOSE: self = .untilClose
        default: self = .none
        }
    }

    var lent: martlet_body_length {
        switch self {
        case .none: martlet_body_length(kind: UInt32(MARTLET_BODY_NONE), bytes: 0)
        case .exactly(let bytes): martlet_body_length(kind: UInt32(MARTLET_BODY_EXACTLY), bytes: bytes)
        case .chunked: martlet_body_length(kind: UInt32(MARTLET_BODY_CHUNKED), bytes: 0)
        case .untilClose: martlet_body_length(kind: UInt32(MARTLET_BODY_UNTIL_CLOSE), bytes: 0)
        }
    }
}

extension HTTPVersion {
    init(lent number: UInt32) {
        switch Int(number) {
        case MARTLET_HTTP10: self = .http10
        case MARTLET_HTTP2: self = .http2
        default: self = .http11
        }
    }
}
