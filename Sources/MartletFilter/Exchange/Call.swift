public import MartletCore
public import MartletHTTP

/// A request that a filter sends to a cluster of the configuration: an authorization service, a key server.
public struct CallRequest {
    public var cluster: String
    public var method = "GET"
    public var path: String
    public var authority: String
    public var headers: [(name: HeaderName, value: String)] = []
    /// Further fields, for what a client sent, which need not be text. Copied when the call is made.
    public var fields: HeaderTable?
    public var body: [UInt8] = []
    /// For streamed calls: the body is sent in pieces, chunked; `body` does not count.
    public var streamsBody = false
    /// Says `te: trailers`.
    package var wantsTrailers = false
    /// The whole call. Default 1 s; zero means no limit.
    public var timeout: Duration = .seconds(1)
    /// A larger response body fails the call, unless it is streamed. Default 1 MiB.
    public var maxResponseBody: ByteCount = .mebibytes(1)

    public init(cluster: String, path: String, authority: String) {
        self.cluster = cluster
        self.path = path
        self.authority = authority
    }
}

/// What a call came to.
public enum CallResult {
    case response(CallResponse)
    case failure(CallFailure)
}

public final class CallResponse {
    public let head: ResponseHead
    public let body: [UInt8]
    package init(head: ResponseHead, body: [UInt8]) {
        self.head = head
        self.body = body
    }
}

/// Why a call got no response.
public enum CallFailure: String, Sendable {
    case unknownCluster = "unknown-cluster"
    case noHealthyUpstream = "no-healthy-upstream"
    case connectFailure = "connect-failure"
    case reset = "upstream-reset"
    case timeout = "timeout"
    case overflow = "circuit-breaker"
    case tooLarge = "response-too-large"
    case invalidRequest = "invalid-request"
}

/// A call under way. Cancelled by itself when its exchange ends.
public final class CallHandle {
    private var cancelAction: (() -> Void)?
    package init(cancel: @escaping () -> Void) { cancelAction = cancel }
    public func cancel() {
        let action = cancelAction
        cancelAction = nil
        action?()
    }
}

extension Exchange {
    /// Sends `request` to a cluster and hears once how it went, on this worker. Nothing is heard after the exchange has
    /// ended: the call is cancelled with it. Usually a hook starts the call and answers `.wait`.
    @discardableResult
    public func call(_ request: CallRequest, _ done: @escaping (CallResult) -> Void) -> CallHandle {
        let generation = self.generation
        return host.services?.call(request, of: self) { [weak self] result in
            guard let self, self.generation == generation, self.isOpen else { return }
            done(result)
        } ?? CallHandle {}
    }

    /// Runs `action` once after `delay` unless the exchange has ended.
    @discardableResult
    public func after(_ delay: Duration, _ action: @escaping () -> Void) -> TimerHandle {
        let generation = self.generation
        return host.services?.schedule(after: Nanoseconds(delay)) { [weak self] in
            guard let self, self.generation == generation, self.isOpen else { return }
            action()
        } ?? TimerHandle {}
    }

    /// Writes a line to the operator's log, with the exchange's request id.
    public func log(_ level: LogLevel, _ message: String) { host.services?.log(level, message, of: self) }

    public var now: Instant { host.services?.now ?? .now() }
}
