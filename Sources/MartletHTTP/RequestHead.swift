// MartletHTTP turns bytes into messages and messages into bytes. It does no I/O and keeps no clock, so tests and fuzzers
// feed it bytes. Sockets are MartletNet's; what a request is routed to is MartletProxy's.

public import MartletCore

/// What a request says before its body. The same for every protocol version: HTTP/1.1's `Host` and HTTP/2's `:authority`
/// are both the `host` field of `headers`.
///
/// A decoder fills it; filters read and edit it. Belongs to one exchange and is reused with it.
public final class RequestHead {
    public let headers = HeaderTable()
    public private(set) var method: Method = .get
    /// How the client framed the body. A filter that changes a body's length says so through the exchange.
    public var body: BodyLength = .none
    public var version: HTTPVersion = .http11
    public var scheme: Scheme = .http
    /// The client's connection may serve another request after this one.
    package var keepsAlive = true
    /// `expect: 100-continue` was sent and nobody has answered it yet.
    package var expectsContinue = false
    /// HTTP/1.1 `Upgrade` asks for a tunnel (its value stays in `headers`).
    package var asksForUpgrade = false

    /// What the client has proved of itself by TLS.
    package enum ClientCertificate: Sendable { case none, presented, validated }
    /// Set with the exchange's connection, so that routes can ask for it.
    package var clientCertificate = ClientCertificate.none

    private var methodRange = ByteRange.empty
    private var targetRange = ByteRange.empty
    private var pathLength: UInt32 = 0
    /// Method or target were set by hand and are looked at again before they are sent.
    private var isEdited = false

    public init() {}

    package func reset() {
        headers.reset()
        method = .get
        body = .none
        version = .http11
        scheme = .http
        keepsAlive = true
        expectsContinue = false
        asksForUpgrade = false
        clientCertificate = .none
        methodRange = .empty
        targetRange = .empty
        pathLength = 0
        isEdited = false
    }

    // MARK: Reading

    @_lifetime(borrow self)
    public func methodBytes() -> Span<UInt8> { headers.stored(methodRange, of: self) }

    /// Path and query, or `*`, or for CONNECT the authority.
    @_lifetime(borrow self)
    public func target() -> Span<UInt8> { headers.stored(targetRange, of: self) }

    /// The target up to its `?`.
    @_lifetime(borrow self)
    public func path() -> Span<UInt8> {
        headers.stored(ByteRange(start: Int(targetRange.start), length: Int(pathLength)), of: self)
    }

    /// What follows the `?`; nil when there is none.
    @_lifetime(borrow self)
    public func query() -> Span<UInt8>? {
        guard pathLength < targetRange.length else { return nil }
        let skip = Int(pathLength) + 1
        return headers.stored(
            ByteRange(start: Int(targetRange.start) + skip, length: targetRange.count - skip), of: self)
    }

    /// The `host` field; empty when HTTP/1.0 sent none.
    @_lifetime(borrow self)
    public func authority() -> Span<UInt8> {
        let headers = self.headers
        guard let value = headers.first(id: .host) else { return headers.stored(.empty, of: self) }
        return unsafe _overrideLifetime(value, borrowing: self)
    }

    // MARK: Writing

    /// The protocol asked for is one token, and no other HTTP: what that would carry nobody here could look at.
    package var hasPlainUpgrade: Bool {
        let headers = self.headers
        guard let value = headers.first(id: .upgrade) else { return false }
        return HeaderTable.isToken(value) && !value.hasPrefixIgnoringCase("h2c") && !value.hasPrefixIgnoringCase("http")
    }

    /// The request goes on as an ordinary one.
    package func dropUpgrade() {
        asksForUpgrade = false
        headers.remove(.upgrade)
    }

    public func setMethod(_ bytes: Span<UInt8>) {
        isEdited = true
        methodRange = headers.arena.append(bytes)
        method = Method(bytes)
    }

    /// `bytes` must be a valid target, see `isSafeTarget`; a request with another is not sent.
    public func setTarget(_ bytes: Span<UInt8>) {
        isEdited = true
        store(target: headers.arena.append(bytes))
    }

    /// The request line can be sent.
    var isSafeLine: Bool {
        !isEdited || (HeaderTable.isToken(methodBytes()) && Self.isSafeTarget(target()))
    }

    public func setAuthority(_ bytes: Span<UInt8>) { headers.set(.host, bytes) }

    package func store(method range: ByteRange) {
        methodRange = range
        let arena = headers.arena
        method = Method(arena.bytes(range))
    }

    package func store(target range: ByteRange) {
        targetRange = range
        let arena = headers.arena
        let bytes = arena.bytes(range)
        pathLength = bytes.firstIndex(of: 0x3F).map { UInt32(truncatingIfNeeded: $0) } ?? range.length
    }

    /// True when `target` may stand in a request line: not empty, no control, space or `#`.
    public static func isSafeTarget(_ target: Span<UInt8>) -> Bool {
        guard !target.isEmpty else { return false }
        for index in target.indices {
            let byte = target[index]
            if byte <= 0x20 || byte == 0x7F || byte == 0x23 { return false }
        }
        return true
    }
}

extension HeaderTable {
    /// Bytes of this table's arena, lent by the head that owns the table.
    @_lifetime(borrow owner)
    func stored<Owner: AnyObject>(_ range: ByteRange, of owner: Owner) -> Span<UInt8> {
        let arena = self.arena
        let bytes = arena.bytes(range)
        // `owner` holds this table in a `let`, so the arena lives as long as `owner` is borrowed.
        return unsafe _overrideLifetime(bytes, borrowing: owner)
    }
}
