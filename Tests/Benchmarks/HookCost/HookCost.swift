import MartletConfig
import MartletCore
import MartletFilter
import MartletHTTP
import MartletNative
import ProbeFilter

/// What a hook costs: the filter `stamp`, which reads one request header and sets another, compiled in and as a module.
///
///     hook-cost path/of/libProbeFilter.so
///
/// An exchange with fifteen headers runs through a chain of one filter. Rounds alternate; the best of each counts, because
/// everything that disturbs only adds.
@main
enum HookCost {
    static func main() throws {
        guard CommandLine.arguments.count == 2 else { return print("usage: HookCost libProbeFilter.so") }
        let none = try Runner(chain(compiled: false, module: nil))
        let compiled = try Runner(chain(compiled: true, module: nil))
        let native = try Runner(chain(compiled: false, module: CommandLine.arguments[1]))
        let unwatched = try Runner(chain(compiled: false, module: CommandLine.arguments[1], slowHook: "0"))
        precondition(none.stamped() == nil && compiled.stamped() == "probe" && native.stamped() == "probe")
        var best = [Double](repeating: .infinity, count: 4)
        for _ in 0..<3000 {
            for (index, runner) in [none, compiled, native, unwatched].enumerated() {
                // About a millisecond: short enough to be left alone now and then on a busy machine.
                best[index] = min(best[index], runner.nanoseconds(an: 2000))
            }
        }
        print("exchange without the filter: \(Int(best[0])) ns")
        print("compiled in: \(Int(best[1] - best[0])) ns more")
        print("as a module: \(Int(best[2] - best[0])) ns more, \(Int(best[2] - best[1])) ns beyond compiled in")
        print("with slow_hook: 0: \(Int(best[3] - best[1])) ns beyond compiled in")
    }

    private struct Mistake: Error { let text: String }

    private static func chain(compiled: Bool, module: String?, slowHook: String = "10ms") throws -> Chain {
        let registry = FilterRegistry(
            (compiled ? [StampKind()] : []) + [IdleKind()], modules: ModuleCatalog())
        let hasFilter = compiled || module != nil
        let text = """
            listeners:
              - name: bench
                address: 127.0.0.1:1
                filters: [\(hasFilter ? "stamp, " : "")router]
                routes: [{ match: {}, cluster: up }]
            clusters: [{ name: up, endpoints: ["127.0.0.1:2"] }]
            \(module.map { "modules: [{ name: probe, path: \"\($0)\", slow_hook: \(slowHook) }]" } ?? "")
            """
        let diagnostics = ConfigDiagnostics()
        let (config, known) = registry.load(bytes: Array(text.utf8), file: "bench.yaml", diagnostics: diagnostics)
        guard let config, let listener = config.listeners.first,
            let (filters, routes) = known.compileChain(
                of: listener, clusterIndex: { _ in 0 }, load: LoadContext(config: config, workers: 1),
                diagnostics: diagnostics)
        else { throw Mistake(text: diagnostics.report) }
        let slots = SlotCounter()
        let worker = IdleWorker()
        return Chain(
            filters: filters.enumerated().map { position, filter in
                filter.make(FilterContext(position: position, listener: "bench", services: worker, slots: slots))
            }, routes: routes)
    }
}

/// Runs exchanges that go nowhere.
private final class Runner: ExchangeHost {
    private let exchange = Exchange()
    private let chain: Chain
    private let downstream = Downstream(
        directRemoteIP: "127.0.0.1", directRemotePort: 1, localAddress: "127.0.0.1:1", listener: "bench", scheme: .http,
        connectionID: 1)
    private let names: [HeaderName]
    private let worker = IdleWorker()
    var services: any WorkerServices { worker }

    init(_ chain: Chain) throws {
        self.chain = chain
        let texts = ["host", "user-agent", "accept", "accept-encoding", "accept-language", "cookie", "x-request-id"]
        let more = (0..<7).map { "x-header-\($0)" }
        names = (texts + more + ["x-from"]).compactMap { HeaderName($0) }
        exchange.attach(self)
    }

    func stamped() -> String? {
        begin()
        let value = HeaderName("x-to").flatMap { exchange.request.headers.string($0) }
        end()
        return value
    }

    func nanoseconds(an count: Int) -> Double {
        let began = Instant.now()
        for _ in 0..<count {
            begin()
            end()
        }
        return Double((Instant.now() - began).rawValue) / Double(count)
    }

    private func begin() {
        exchange.open(chain: chain, downstream: downstream, at: Instant(nanoseconds: 0))
        for name in names { exchange.request.headers.append(name, "probe") }
        exchange.requestFlow.headReceived(exchange, ended: true)
    }

    private func end() {
        exchange.finish()
        exchange.recycle()
    }

    func headPassed(_ direction: Direction, of exchange: Exchange, ended: Bool) {}
    func bodyPassed(_ direction: Direction, of exchange: Exchange, _ chunk: ByteSlice, ended: Bool) {}
    func trailersPassed(_ direction: Direction, of exchange: Exchange) {}
    func flowOpened(_ direction: Direction, of exchange: Exchange) {}
    func replyStarted(of exchange: Exchange) {}
    func resetByFilter(_ exchange: Exchange, _ reason: ResetReason) {}
}

private final class IdleWorker: WorkerServices {
    func call(_ request: CallRequest, of exchange: Exchange?, _ done: @escaping (CallResult) -> Void) -> CallHandle {
        CallHandle {}
    }
    func stream(_ request: CallRequest, of exchange: Exchange?, _ events: @escaping (CallEvent) -> Void) -> CallStream {
        CallStream(IdleStream())
    }
    func schedule(after delay: Nanoseconds, _ action: @escaping () -> Void) -> TimerHandle { TimerHandle {} }
    func log(_ level: LogLevel, _ message: String, of exchange: Exchange?) {}
    var now: Instant { .now() }
    let metrics = Metrics()
    var workerIndex: Int { 0 }
    func shared(_ key: ObjectIdentifier, _ make: () -> AnyObject) -> AnyObject { make() }
}

private final class IdleStream: CallStreamCarrier {
    func send(_ bytes: Span<UInt8>) {}
    func endRequest() {}
    func checkFull() -> Bool { false }
    func pause() {}
    func resume() {}
    func cancel() {}
}

/// Stands for the router, without hooks.
private struct IdleKind: FilterKind {
    let name = "router"
    func decode(_ section: ConfigSection, _ load: LoadContext) -> Bool? { true }
    func makeFilter(_ config: Bool, _ context: FilterContext) -> any Filter { Idle() }
    private final class Idle: Filter { let hooks: Hooks = [] }
}
