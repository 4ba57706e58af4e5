internal import CMartletModule
public import MartletCore

/// What a filter gets when it is made: its place in the chain and the services of its worker. One per filter object.
@safe
public final class FilterContext {
    /// Place in the chain, from 0.
    public let position: Int
    public let listener: String
    /// Which worker the filter lives on, from 0.
    public let workerIndex: Int
    private let object: HostObject
    private var slots = 0

    package init(owned handle: OpaquePointer) {
        object = unsafe HostObject(unsafe handle)
        position = unsafe martlet_of_host().pointee.context_position(handle)
        workerIndex = unsafe martlet_of_host().pointee.context_worker(handle)
        listener = Border.text { unsafe martlet_of_host().pointee.context_listener(handle, $0) } ?? ""
    }

    private var services: HostServices { unsafe HostServices(context: unsafe object.handle) }

    /// A place in every exchange for this filter's state.
    public func slot<State: AnyObject>(_ type: State.Type) -> Slot<State> {
        defer { slots += 1 }
        return Slot(index: slots)
    }

    /// What the matched route's `filters:` says for this filter, decoded at load. Nil when it says nothing.
    public func routeConfig<RouteConfig: Sendable>(of exchange: Exchange, as type: RouteConfig.Type) -> RouteConfig? {
        guard let handle = unsafe exchange.handle,
            let config = unsafe martlet_of_host().pointee.context_route_config(object.handle, handle)
        else { return nil }
        return unsafe DecodedConfig.lent(config).value as? RouteConfig
    }

    /// A counter `martlet_<name>` with the filter's listener and these labels. Make it once, when the filter is made.
    public func counter(_ name: String, _ labels: [(String, String)] = []) -> Counter {
        unsafe Counter(series(name, labels) { unsafe martlet_of_host().pointee.context_counter($0, $1, $2) })
    }

    public func gauge(_ name: String, _ labels: [(String, String)] = []) -> Gauge {
        unsafe Gauge(series(name, labels) { unsafe martlet_of_host().pointee.context_gauge($0, $1, $2) })
    }

    public func histogram(_ name: String, _ labels: [(String, String)] = []) -> Histogram {
        unsafe Histogram(series(name, labels) { unsafe martlet_of_host().pointee.context_histogram($0, $1, $2) })
    }

    private func series(
        _ name: String, _ labels: [(String, String)],
        _ make: (OpaquePointer, martlet_borrowed_bytes, martlet_borrowed_fields) -> OpaquePointer
    ) -> HostObject {
        Border.lend(name) { name in
            Border.lend(labels.map { (name: $0.0, value: $0.1) }) {
                unsafe HostObject(unsafe make(object.handle, name, $0))
            }
        }
    }

    /// A line in the operator's log that belongs to no exchange.
    public func log(_ level: LogLevel, _ message: String) { services.log(level, message, of: nil) }

    /// Runs `action` on this worker after `delay`.
    @discardableResult
    public func after(_ delay: Duration, _ action: @escaping () -> Void) -> TimerHandle {
        services.schedule(after: Nanoseconds(delay), action)
    }

    /// A call that belongs to no exchange, such as fetching keys.
    @discardableResult
    public func call(_ request: CallRequest, _ done: @escaping (CallResult) -> Void) -> CallHandle {
        services.call(request, of: nil, done)
    }

    /// As `Exchange.stream`, for a call that belongs to no exchange. One that the host does not take has failed at once.
    public func stream(_ request: CallRequest, _ events: @escaping (CallEvent) -> Void) -> CallStream {
        services.stream(request, of: nil, events) ?? CallStream(NoStream())
    }

    public var now: Instant { services.now }
}

/// A stream of a host that made none.
private final class NoStream: CallStreamCarrier {
    func send(_ bytes: Span<UInt8>) {}
    func endRequest() {}
    func checkFull() -> Bool { false }
    func pause() {}
    func resume() {}
    func cancel() {}
}

/// Severity of a log line.
public enum LogLevel: UInt8, Sendable, Comparable {
    case trace, debug, info, warning, error, critical
    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// A timer that a filter armed. Cancelling one that has fired does nothing.
public final class TimerHandle {
    private var cancelAction: (() -> Void)?
    init(cancel: @escaping () -> Void) { cancelAction = cancel }
    public func cancel() {
        let action = cancelAction
        cancelAction = nil
        action?()
    }
}
