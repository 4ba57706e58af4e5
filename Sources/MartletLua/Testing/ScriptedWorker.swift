internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// The worker of a test: calls are answered by the script, timers by the test's clock, log lines are kept.
final class ScriptedWorker: WorkerServices {
    struct LogLine {
        let level: LogLevel
        let message: String

        /// `warning not for intruders`.
        var text: String { "\(level) \(message)" }

        /// What the filter writes when a hook of the policy fails.
        func isFailure(of policy: String) -> Bool { level == .error && message.hasPrefix("policy \(policy): ") }
    }

    let clock: TestClock
    let metrics = Metrics()
    let workerIndex = 0
    var now: Instant { clock.now }

    private(set) var logs: [LogLine] = []
    /// What was wrong with the calls made since `expect(calls:)`.
    private(set) var failures: [PolicyTestFailure] = []
    private(set) var callsMade: [SeenMessage] = []
    private var script: [ScriptedCall] = []
    /// What filters share lives until `end`. It refers back to this worker.
    private var sharedObjects: [ObjectIdentifier: AnyObject] = [:]
    private var underWay: [(exchange: Exchange, timer: TimerHandle)] = []

    init(clock: TestClock) { self.clock = clock }

    /// Lets go of what the test has left behind.
    func end() {
        sharedObjects = [:]
        underWay = []
        clock.stop()
    }

    // MARK: Logs

    func log(_ level: LogLevel, _ message: String, of exchange: Exchange?) {
        logs.append(LogLine(level: level, message: message))
    }

    // MARK: What filters share

    func shared(_ key: ObjectIdentifier, _ make: () -> AnyObject) -> AnyObject {
        if let object = sharedObjects[key] { return object }
        let object = make()
        sharedObjects[key] = object
        return object
    }

    // MARK: Timers

    func schedule(after delay: Nanoseconds, _ action: @escaping () -> Void) -> TimerHandle {
        clock.schedule(after: delay, action)
    }

    // MARK: Calls

    /// Begins a request: what it calls, in this order. Logs begin anew.
    func begin(calls: [ScriptedCall]) {
        script = calls
        callsMade = []
        failures = []
        logs = []
    }

    /// Calls of the script that nobody made.
    var callsLeft: [ScriptedCall] { script }

    func call(_ request: CallRequest, of exchange: Exchange?, _ done: @escaping (CallResult) -> Void) -> CallHandle {
        let seen = SeenMessage(request)
        callsMade.append(seen)
        let (delay, result) = answer(request, seen)
        let timer = clock.schedule(after: delay) { done(result) }
        if let exchange { underWay.append((exchange, timer)) }
        return CallHandle { timer.cancel() }
    }

    func stream(_ request: CallRequest, of exchange: Exchange?, _ events: @escaping (CallEvent) -> Void) -> CallStream {
        let stream = ScriptedStream(request, events) { [self] request, done in call(request, of: exchange, done) }
        stream.start()
        return CallStream(stream)
    }

    /// What was called for an exchange ends with it.
    func cancelCalls(of exchange: Exchange) {
        for call in underWay where call.exchange === exchange { call.timer.cancel() }
        underWay.removeAll { $0.exchange === exchange }
    }

    private func answer(_ request: CallRequest, _ seen: SeenMessage) -> (Nanoseconds, CallResult) {
        guard !script.isEmpty else {
            failures.append(
                PolicyTestFailure(
                    "a call that is not in `calls`", got: ["to \(request.cluster):"] + seen.lines))
            return (.zero, .failure(.connectFailure))
        }
        let call = script.removeFirst()
        if call.cluster != request.cluster {
            failures.append(
                PolicyTestFailure("the called cluster", at: call.mark, expected: [call.cluster], got: [request.cluster])
            )
        }
        failures += PolicyTestCheck.compare(call.facts, with: seen, called: "the call to \(request.cluster)")
        let timeout = Nanoseconds(request.timeout)
        if timeout > .zero, call.delay >= timeout { return (timeout, .failure(.timeout)) }
        switch call.outcome {
        case .fail(let failure):
            return (failure == .timeout ? max(timeout, call.delay) : call.delay, .failure(failure))
        case .reply(let response):
            let body = response.message.body
            guard body.count <= request.maxResponseBody.bytes else { return (call.delay, .failure(.tooLarge)) }
            let head = ResponseHead()
            response.fill(head)
            return (call.delay, .response(CallResponse(head: head, body: body)))
        }
    }
}
