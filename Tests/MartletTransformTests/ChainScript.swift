import MartletConfig
import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@testable import MartletTransform

/// Both sides of an exchange, as a test writes them: what it hands to the chain, and what came through.
final class ChainScript: ExchangeHost {
    let exchange = Exchange()
    let worker = IdleWorker()
    var services: any WorkerServices { worker }
    /// How many pieces of body the receiver takes before it is full.
    var room = Int.max

    private(set) var passed: [String] = []
    private(set) var body: [UInt8] = []
    private(set) var pieces = 0
    private(set) var hasEnded = false
    private(set) var reset: ResetReason?

    init(_ filters: (FilterContext) -> [any Filter]) throws {
        let slots = SlotCounter()
        let context = FilterContext(position: 0, listener: "l", services: worker, slots: slots)
        let diagnostics = ConfigDiagnostics()
        let config = try #require(
            ProxyConfig.parse(
                text: """
                    listeners: [{ name: l, address: "127.0.0.1:0", filters: [router], routes: [] }]
                    """, file: "t.yaml", filters: ["router"], diagnostics: diagnostics), "\(diagnostics.errors)")
        let routes = try #require(
            RouteIndex.build(
                config.listeners[0], clusterIndex: { _ in 0 }, overrides: [], diagnostics: diagnostics))
        exchange.attach(self)
        exchange.open(
            chain: Chain(filters: filters(context), routes: routes),
            downstream: Downstream(
                directRemoteIP: "127.0.0.1", directRemotePort: 1, localAddress: "127.0.0.1:1", listener: "l",
                scheme: .http, connectionID: 1), at: Instant(nanoseconds: 1))
    }

    deinit { exchange.detach() }

    func request(_ fields: [(String, String)] = [], method: String = "GET", body: BodyLength = .none) {
        let request = exchange.request
        request.setMethod(method.utf8Span.span)
        request.setTarget("/".utf8Span.span)
        for (name, value) in fields { request.headers.append(named: name.utf8Span.span, value.utf8Span.span) }
        request.body = body
        exchange.requestFlow.headReceived(exchange, ended: body == .none)
    }

    func response(_ status: UInt16 = 200, _ fields: [(String, String)] = [], body: BodyLength = .chunked) {
        let response = exchange.response
        response.status = status
        for (name, value) in fields { response.headers.append(named: name.utf8Span.span, value.utf8Span.span) }
        response.body = body
        exchange.responseFlow.headReceived(exchange, ended: body == .none)
    }

    func send(_ bytes: [UInt8], isLast: Bool = false) {
        exchange.responseFlow.bodyReceived(exchange, BodyChunk(ByteSlice(copying: bytes), isLast: isLast))
    }

    func finish() {
        exchange.finish()
        exchange.recycle()
    }

    func counter(_ name: String, _ labels: String = "") -> UInt64? {
        worker.metrics.copy().counters.first {
            $0.key.name == name && (labels.isEmpty || $0.key.labels.contains(labels))
        }?.value
    }

    func headPassed(_ direction: Direction, of exchange: Exchange, ended: Bool) {
        passed.append("\(direction) head")
        if direction == .response { hasEnded = ended }
    }

    func bodyPassed(_ direction: Direction, of exchange: Exchange, _ chunk: ByteSlice, ended: Bool) {
        passed.append("\(direction) body")
        pieces += 1
        body += chunk.array()
        hasEnded = ended
        room -= 1
    }

    func trailersPassed(_ direction: Direction, of exchange: Exchange) {
        passed.append("\(direction) trailers")
        hasEnded = true
    }

    func hasRoom(_ direction: Direction, of exchange: Exchange) -> Bool { room > 0 }
    func flowOpened(_ direction: Direction, of exchange: Exchange) {}
    func replyStarted(of exchange: Exchange) { passed.append("reply") }
    func resetByFilter(_ exchange: Exchange, _ reason: ResetReason) { reset = reason }
}

/// A worker that has nothing to do for its filters but to count.
final class IdleWorker: WorkerServices {
    let metrics = Metrics()
    let now = Instant(nanoseconds: 1)
    let workerIndex = 0

    func call(_ request: CallRequest, of exchange: Exchange?, _ done: @escaping (CallResult) -> Void) -> CallHandle {
        CallHandle(cancel: {})
    }
    func stream(_ request: CallRequest, of exchange: Exchange?, _ events: @escaping (CallEvent) -> Void) -> CallStream {
        fatalError("no filter here makes calls")
    }
    func schedule(after delay: Nanoseconds, _ action: @escaping () -> Void) -> TimerHandle { TimerHandle(cancel: {}) }
    func log(_ level: LogLevel, _ message: String, of exchange: Exchange?) {}
    func shared(_ key: ObjectIdentifier, _ make: () -> AnyObject) -> AnyObject { make() }
}

/// Settings as a configuration would have them, and what is said against them.
func settings<Config>(
    _ text: String, _ decode: (ConfigSection) -> Config
) throws -> (config: Config, errors: [String]) {
    let diagnostics = ConfigDiagnostics()
    let node = try #require(YAMLDocument.read(Array(text.utf8), file: "s", diagnostics: diagnostics))
    let section = ConfigSection(node, diagnostics: diagnostics)
    let config = decode(section)
    section.finish()
    return (config, diagnostics.errors.map(\.description))
}

func headers(_ fields: [(String, String)]) -> HeaderTable {
    let table = HeaderTable()
    for (name, value) in fields { table.append(named: name.utf8Span.span, value.utf8Span.span) }
    return table
}
