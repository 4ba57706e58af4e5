package import CMartletModule
public import MartletCore
public import MartletHTTP

/// One request and its response; see the proxy's. This is a filter's own face of it: everything it says is asked of the host.
///
/// Used for one exchange after another: do not keep one beyond `onEnd`. Everything here is to be used on the worker's
/// thread. Once the exchange is over it is as if nothing had been sent.
@safe
public final class Exchange {
    public let request: RequestHead
    public let response: ResponseHead
    package let requestTrailers: HeaderTable
    package let responseTrailers: HeaderTable

    private let parts: LentParts
    /// Goes up with every exchange, so that a late callback can see it is too late.
    package private(set) var generation: UInt64 = 0
    var slots: [AnyObject?] = []

    package init() {
        parts = LentParts()
        request = RequestHead(of: parts)
        response = ResponseHead(of: parts)
        requestTrailers = HeaderTable(of: parts, .requestTrailers)
        responseTrailers = HeaderTable(of: parts, .responseTrailers)
    }

    /// The host's exchange; nil while there is none.
    package var handle: OpaquePointer? { unsafe parts.parts?.exchange }

    package func open(_ parts: martlet_borrowed_parts) {
        generation &+= 1
        unsafe self.parts.open(unsafe parts)
    }

    package func close() {
        parts.close()
        for index in slots.indices where slots[index] != nil { slots[index] = nil }
    }

    package var isOpen: Bool { unsafe handle != nil }

    /// What `Call` and `CallStream` ask.
    var host: (services: HostServices?, isOpen: Bool) {
        guard let handle = unsafe handle else { return (nil, false) }
        return unsafe (HostServices(exchange: handle), true)
    }

    // MARK: What the access log and metrics report

    public var downstream: Downstream? { unsafe handle.flatMap { unsafe Downstream(of: $0) } }

    /// The client's address: the peer's, or the one trusted proxies vouch for (`xff_num_trusted_hops`).
    public var clientIP: String {
        guard let handle = unsafe handle else { return "" }
        return Border.text { unsafe martlet_of_host().pointee.exchange_client_ip(handle, $0) } ?? ""
    }

    public var started: Instant {
        guard let handle = unsafe handle else { return Instant(nanoseconds: 0) }
        return Instant(nanoseconds: unsafe martlet_of_host().pointee.exchange_started(handle))
    }

    public var flags: ResponseFlags {
        get {
            guard let handle = unsafe handle else { return ResponseFlags() }
            return HostFlags.flags(unsafe martlet_of_host().pointee.exchange_flags(handle))
        }
        set {
            guard let handle = unsafe handle else { return }
            unsafe martlet_of_host().pointee.exchange_set_flags(handle, HostFlags.bits(newValue))
        }
    }

    /// Why the response is not upstream's own, in words; nil when it is.
    public var reason: String? {
        get {
            guard let handle = unsafe handle else { return nil }
            return Border.text { unsafe martlet_of_host().pointee.exchange_reason(handle, $0) }
        }
        set {
            guard let handle = unsafe handle else { return }
            Border.lend(newValue) { unsafe martlet_of_host().pointee.exchange_set_reason(handle, $0) }
        }
    }

    public var requestBytes: UInt64 {
        guard let handle = unsafe handle else { return 0 }
        return unsafe martlet_of_host().pointee.exchange_request_bytes(handle)
    }

    public var responseBytes: UInt64 {
        guard let handle = unsafe handle else { return 0 }
        return unsafe martlet_of_host().pointee.exchange_response_bytes(handle)
    }

    public var attempts: Int {
        guard let handle = unsafe handle else { return 0 }
        return Int(clamping: unsafe martlet_of_host().pointee.exchange_attempts(handle))
    }

    /// `address:port` of the endpoint of the last attempt.
    public var upstreamAddress: String? {
        guard let handle = unsafe handle else { return nil }
        return Border.text { unsafe martlet_of_host().pointee.exchange_upstream_address(handle, $0) }
    }

    /// The cluster of the last attempt.
    public var clusterName: String? {
        guard let handle = unsafe handle else { return nil }
        return Border.text { unsafe martlet_of_host().pointee.exchange_cluster(handle, $0) }
    }

    // MARK: Route

    /// The route the request matches as it stands. Nil when there is none.
    public var route: Route? {
        guard let handle = unsafe handle else { return nil }
        var position = 0
        guard let name = Border.text({ unsafe martlet_of_host().pointee.exchange_route(handle, &position, $0) }) else {
            return nil
        }
        return Route(position: position, name: name)
    }

    /// Makes the next look at `route` match again, after the request head was edited.
    public func clearRouteCache() {
        if let handle = unsafe handle { unsafe martlet_of_host().pointee.exchange_clear_route(handle) }
    }
}

/// One route of a listener.
public final class Route: Sendable {
    /// Its place in `routes`, from 0.
    public let position: Int
    /// Its `name`, or `route-<position>`.
    public let name: String

    init(position: Int, name: String) {
        self.position = position
        self.name = name
    }
}
