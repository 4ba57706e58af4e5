internal import CMartletModule
public import MartletCore

/// What a response says before its body; see the proxy's. That of an exchange is read and edited in the host's memory and is
/// empty between exchanges; that of a call is this module's to keep.
@safe
public final class ResponseHead {
    public let headers: HeaderTable
    // Of an exchange, or of a call: then `headers` holds what `own` is.
    private let parts: LentParts?
    private let own: OpaquePointer?

    package init(of parts: LentParts) {
        self.parts = parts
        unsafe own = nil
        headers = HeaderTable(of: parts, .response)
    }

    /// The head of a call's response, handed over by the host with its table.
    package init(owned handle: OpaquePointer, headers: OpaquePointer?) {
        parts = nil
        unsafe own = unsafe handle
        self.headers = unsafe HeaderTable(headers, of: handle)
    }

    private var handle: OpaquePointer? {
        guard let parts else { return unsafe own }
        return unsafe parts.parts?.response
    }

    /// 100...599; 0 while there is no response.
    public var status: UInt16 {
        get {
            guard let handle = unsafe handle else { return 0 }
            return unsafe martlet_of_host().pointee.response_status(handle)
        }
        set {
            guard let handle = unsafe handle else { return }
            unsafe martlet_of_host().pointee.response_set_status(handle, newValue, false)
        }
    }

    public var body: BodyLength {
        get {
            guard let handle = unsafe handle else { return .none }
            return BodyLength(unsafe martlet_of_host().pointee.response_body(handle))
        }
        set {
            if let handle = unsafe handle { unsafe martlet_of_host().pointee.response_set_body(handle, newValue.lent) }
        }
    }

    public var version: HTTPVersion {
        guard let handle = unsafe handle else { return .http11 }
        return HTTPVersion(lent: unsafe martlet_of_host().pointee.response_version(handle))
    }

    /// The HTTP/1.1 reason phrase as received or set; nil means the standard one for `status`.
    @_lifetime(borrow self)
    public func reason() -> Span<UInt8>? {
        guard let handle = unsafe handle else { return nil }
        let bytes = unsafe martlet_of_host().pointee.response_reason(handle)
        guard let start = unsafe bytes.start else { return nil }
        // The host's, until the head is changed: as with its own.
        return unsafe _overrideLifetime(Span(_unsafeStart: start, count: bytes.count), borrowing: self)
    }

    public func setReason(_ bytes: Span<UInt8>) {
        guard let handle = unsafe handle else { return }
        Border.lend(bytes) { unsafe martlet_of_host().pointee.response_set_reason(handle, $0) }
    }

    /// Sets the status and forgets the old one's reason phrase.
    public func setStatus(_ status: UInt16) {
        guard let handle = unsafe handle else { return }
        unsafe martlet_of_host().pointee.response_set_status(handle, status, true)
    }
}
