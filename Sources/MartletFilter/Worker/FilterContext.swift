public import MartletCore

/// What a filter gets when it is made: its place in the chain and the services of its worker. One per filter object.
public final class FilterContext {
    /// Place in the chain, from 0.
    public let position: Int
    public let listener: String
    let services: any WorkerServices
    private let slots: SlotCounter

    package init(position: Int, listener: String, services: any WorkerServices, slots: SlotCounter) {
        self.position = position
        self.listener = listener
        self.services = services
        self.slots = slots
    }

    /// A place in every exchange for this filter's state.
    public func slot<State: AnyObject>(_ type: State.Type) -> Slot<State> { Slot(index: slots.next()) }

    /// What the matched route's `filters:` says for this filter, decoded at load. Nil when it says nothing.
    public func routeConfig<RouteConfig: Sendable>(of exchange: Exchange, as type: RouteConfig.Type) -> RouteConfig? {
        guard let chain = exchange.chain, chain.routes.hasOverrides, let route = exchange.route else { return nil }
        return route.override(position) as? RouteConfig
    }

    /// A counter `martlet_<name>` with the filter's listener and these labels. Make it once, when the filter is made.
    public func counter(_ name: String, _ labels: [(String, String)] = []) -> Counter {
        services.metrics.counter("martlet_\(name)", [("listener", listener)] + labels)
    }

    public func gauge(_ name: String, _ labels: [(String, String)] = []) -> Gauge {
        services.metrics.gauge("martlet_\(name)", [("listener", listener)] + labels)
    }

    /// A gauge of what all workers share, read when it is scraped: once, not once a worker. Gone when `read` answers nil.
    public func processGauge(_ name: String, _ labels: [(String, String)] = [], _ read: @escaping () -> Int64?) {
        guard workerIndex == 0 else { return }
        services.metrics.watch("martlet_\(name)", [("listener", listener)] + labels, read)
    }

    public func histogram(_ name: String, _ labels: [(String, String)] = []) -> Histogram {
        services.metrics.histogram("martlet_\(name)", [("listener", listener)] + labels)
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

    /// As `Exchange.stream`, for a call that belongs to no exchange.
    public func stream(_ request: CallRequest, _ events: @escaping (CallEvent) -> Void) -> CallStream {
        services.stream(request, of: nil, events)
    }

    /// The one object on this worker for `owner`, made when no filter holds it.
    package func shared<Shared: AnyObject>(for owner: AnyObject, _ make: () -> Shared) -> Shared? {
        services.shared(ObjectIdentifier(owner), make) as? Shared
    }

    /// Random bits of the worker's own generator: for choices and names, not for secrets.
    public func randomBits() -> UInt64 { services.randomBits() }

    /// A worker that drains waits for `target`, until the drain deadline.
    package func holdDrain(for target: any DrainTarget) { services.holdDrain(for: target) }

    /// A handler on this worker for messages that other threads send, such as those of the filter's like on other workers. It goes
    /// with the receiver, which the filter keeps; it must not hold the filter.
    public func receiver<Message: Sendable>(
        of type: Message.Type, _ handler: @escaping (Message) -> Void
    ) -> Receiver<Message> {
        let (post, forget) = services.receive { message in
            if let message = message as? Message { handler(message) }
        }
        return Receiver(sender: Sender { post($0) }, forget: forget)
    }

    /// Does `work`, which may block or take long, on a thread that is no worker's, then `done` on this worker with what it came to.
    /// False, and neither is called, when `limit` pieces of work wait for such a thread already, whoever they are of.
    public func offload<Outcome: Sendable>(
        limit: Int, _ work: @escaping @Sendable () -> Outcome, _ done: @escaping (Outcome) -> Void
    ) -> Bool {
        services.offload(limit: limit, work) { outcome in
            if let outcome = outcome as? Outcome { done(outcome) }
        }
    }

    public var now: Instant { services.now }
    /// Which worker the filter lives on, from 0.
    public var workerIndex: Int { services.workerIndex }
    package var metrics: Metrics { services.metrics }
}

/// Hands out slot indices while a chain is built.
package final class SlotCounter {
    private var count = 0
    package init() {}
    func next() -> Int {
        defer { count += 1 }
        return count
    }
}
