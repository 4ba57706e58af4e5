public import MartletCore

/// What a response says before its body. A decoder fills it; filters read and edit it.
public final class ResponseHead {
    public let headers = HeaderTable()
    /// 100...599.
    public var status: UInt16 = 0
    public var body: BodyLength = .none
    public var version: HTTPVersion = .http11
    /// The connection the response came on may serve another request.
    package var keepsAlive = true

    private var reasonRange = ByteRange.empty
    private var hasReason = false

    public init() {}

    package func reset() {
        headers.reset()
        status = 0
        body = .none
        version = .http11
        keepsAlive = true
        reasonRange = .empty
        hasReason = false
    }

    /// The HTTP/1.1 reason phrase as received or set; nil means the standard one for `status`.
    @_lifetime(borrow self)
    public func reason() -> Span<UInt8>? {
        hasReason ? headers.stored(reasonRange, of: self) : nil
    }

    public func setReason(_ bytes: Span<UInt8>) {
        reasonRange = headers.arena.append(bytes)
        hasReason = true
    }

    package func store(reason range: ByteRange) {
        reasonRange = range
        hasReason = true
    }

    /// Becomes as `other`, which is left as it is.
    package func copy(from other: ResponseHead) {
        headers.copy(from: other.headers)
        status = other.status
        body = other.body
        version = other.version
        keepsAlive = other.keepsAlive
        hasReason = false
        if let reason = other.reason() { setReason(reason) }
    }

    /// Sets the status and forgets the old one's reason phrase.
    public func setStatus(_ status: UInt16) {
        self.status = status
        hasReason = false
    }
}
