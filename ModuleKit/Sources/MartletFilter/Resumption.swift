package import CMartletModule
public import MartletCore

/// The right to go on with an item that a hook held with `.wait`. Using it twice, late, or after the exchange has ended
/// does nothing.
public struct Resumption {
    // Nil when there was nothing to hold: the exchange had ended.
    private let object: HostObject?

    fileprivate init(_ object: HostObject?) { self.object = object }

    /// Goes on as if the hook had answered `verdict`. May be called before the hook has returned.
    public func resume(_ verdict: Verdict = .next) {
        guard isValid, let object else { return }
        unsafe martlet_of_host().pointee.resumption_resume(object.handle, verdict.handedOver())
    }

    /// False once it is too late to resume.
    public var isValid: Bool {
        guard let object else { return false }
        return unsafe martlet_of_host().pointee.resumption_is_valid(object.handle)
    }
}

extension Exchange {
    /// For a request hook that is about to answer `.wait`.
    public func requestResumption() -> Resumption { resumption(UInt32(MARTLET_REQUEST)) }
    /// For a response hook that is about to answer `.wait`.
    public func responseResumption() -> Resumption { resumption(UInt32(MARTLET_RESPONSE)) }

    private func resumption(_ direction: UInt32) -> Resumption {
        guard let handle = unsafe handle else { return Resumption(nil) }
        return unsafe Resumption(HostObject(unsafe martlet_of_host().pointee.exchange_resumption(handle, direction)))
    }

    /// Collects the whole request body behind the head that the running `onRequestHead` hook is about to hold with
    /// `.wait`; see the proxy's.
    public func collectRequestBody(limit: ByteCount? = nil, allowsPartial: Bool = false) -> Bool {
        collect(UInt32(MARTLET_REQUEST), limit, allowsPartial)
    }
    /// As `collectRequestBody`, for the response. Beyond `limit` the client gets 500.
    public func collectResponseBody(limit: ByteCount? = nil) -> Bool {
        collect(UInt32(MARTLET_RESPONSE), limit, false)
    }

    private func collect(_ direction: UInt32, _ limit: ByteCount?, _ allowsPartial: Bool) -> Bool {
        guard let handle = unsafe handle else { return false }
        return unsafe martlet_of_host().pointee.exchange_collect(
            handle, direction, limit.map { max($0.bytes, 0) } ?? Border.none, allowsPartial)
    }

    /// The request body's length will not be what the head says: it goes on in chunks. For a head hook whose filter will
    /// replace pieces of a streamed body.
    public func requestBodyLengthChanges() {
        if let handle = unsafe handle {
            unsafe martlet_of_host().pointee.exchange_length_changes(handle, UInt32(MARTLET_REQUEST))
        }
    }
    public func responseBodyLengthChanges() {
        if let handle = unsafe handle {
            unsafe martlet_of_host().pointee.exchange_length_changes(handle, UInt32(MARTLET_RESPONSE))
        }
    }

    /// The request body that a filter of this chain has had collected.
    public var collectedRequestBody: [UInt8]? { collected(UInt32(MARTLET_REQUEST)) }
    public var collectedResponseBody: [UInt8]? { collected(UInt32(MARTLET_RESPONSE)) }

    private func collected(_ direction: UInt32) -> [UInt8]? {
        guard let handle = unsafe handle else { return nil }
        return Border.bytes { unsafe martlet_of_host().pointee.exchange_collected(handle, direction, $0) }
    }
}

extension Verdict {
    /// As the host takes it. A reply in it is the host's from then on.
    @inline(__always)
    package func handedOver() -> martlet_verdict {
        switch self {
        case .next: unsafe martlet_verdict(decision: UInt32(MARTLET_NEXT), reason: 0, reply: nil)
        case .wait: unsafe martlet_verdict(decision: UInt32(MARTLET_WAIT), reason: 0, reply: nil)
        case .reply(let reply):
            unsafe martlet_verdict(decision: UInt32(MARTLET_REPLY), reason: 0, reply: reply.handedOver())
        case .reset(let reason):
            unsafe martlet_verdict(decision: UInt32(MARTLET_RESET), reason: reason.lent, reply: nil)
        }
    }
}

extension Reply {
    fileprivate func handedOver() -> OpaquePointer {
        Border.lend(headers.map { (name: $0.name.description, value: $0.value) }) { fields in
            Border.lend(body) { body in
                Border.lend(reason) { reason in
                    guard let flag else {
                        let none = unsafe martlet_borrowed_bytes(start: nil, count: 0)
                        return unsafe martlet_of_host().pointee.make_reply(status, fields, body, reason, none)
                    }
                    return Border.lend(flag.letters) {
                        unsafe martlet_of_host().pointee.make_reply(status, fields, body, reason, $0)
                    }
                }
            }
        }
    }
}

extension ResetReason {
    fileprivate var lent: UInt32 {
        let number =
            switch self {
            case .downstreamDisconnect: MARTLET_RESET_DOWNSTREAM_DISCONNECT
            case .downstreamProtocolError: MARTLET_RESET_DOWNSTREAM_PROTOCOL
            case .upstreamDisconnect: MARTLET_RESET_UPSTREAM_DISCONNECT
            case .upstreamProtocolError: MARTLET_RESET_UPSTREAM_PROTOCOL
            case .idleTimeout: MARTLET_RESET_IDLE_TIMEOUT
            case .requestTimeout: MARTLET_RESET_REQUEST_TIMEOUT
            case .tooLarge: MARTLET_RESET_TOO_LARGE
            case .drain: MARTLET_RESET_DRAIN
            // What this border has no number for is the filter's decision all the same.
            default: MARTLET_RESET_BY_FILTER
            }
        return UInt32(number)
    }
}
