import MartletConfig
import MartletCore
import MartletFilter
import MartletNet
import MartletTesting
import Synchronization
import Testing

@testable import MartletProxy

/// A worker of the proxy's in this process, on a thread of its own: it has the cluster `up` and no listener, and makes the calls that a test wants. Ends with the object.
final class CallingWorker: Sendable {
    /// Where the worker's thread keeps the worker.
    private final class Place: @unchecked Sendable {
        // Sendable because only the worker's thread touches it.
        var worker: Worker?
    }

    private let inbox: Mailbox<WorkerMessage>
    private let place = Place()
    private let settings: String

    /// - Parameter settings: of the cluster, each line indented by four spaces.
    init(port: UInt16, settings: String = "") throws {
        self.settings = settings
        inbox = try Mailbox()
        let (inbox, place) = (self.inbox, self.place)
        try LoopThread.start("calls") { Self.run(inbox, place) }
        try use(port)
    }

    /// As a reload that gives `up` another endpoint, or leaves no cluster.
    func use(_ port: UInt16?) throws { adopt(try Self.snapshot(port, settings)) }

    private static let listener = """
        listeners:
          - { name: l, address: "127.0.0.1:1", filters: [router], routes: [{ match: {}, respond: { status: 204 } }] }

        """

    private static func snapshot(_ port: UInt16?, _ settings: String) throws -> Snapshot {
        let diagnostics = ConfigDiagnostics()
        let clusters = port.map { TestProxy.cluster($0, "    protocol: http2\n\(settings)") } ?? ""
        let parsed = ProxyConfig.parse(
            text: listener + clusters, file: "test.yaml", filters: ["router"], diagnostics: diagnostics)
        let config = try #require(parsed, "\(diagnostics.errors.map(\.description))")
        let runtimes = try config.clusters.map { cluster in
            let tls = cluster.tls.flatMap {
                ClusterTLS.make($0, cluster.protocol, at: cluster.place.key("tls"), diagnostics)
            }
            let address = try #require(port.flatMap { SocketAddress(ip: "127.0.0.1", port: $0) })
            return ClusterRuntime(
                config: cluster, endpoints: [Endpoint(address: address, weight: 1, zone: nil, cluster)], tls: tls)
        }
        try #require(!diagnostics.hasErrors, "\(diagnostics.errors.map(\.description))")
        return Snapshot(
            version: 1, loadedAt: .now(), config: config, listeners: [], addresses: .none, clusters: runtimes)
    }

    private func adopt(_ snapshot: Snapshot) { inbox.post(.adopt(snapshot, sockets: [:]) { _ in }) }

    deinit {
        // Connections say goodbye in the turn in which they are closed.
        try? use(nil)
        perform { worker in _ = worker.schedule(after: .zero) { [unowned worker] in worker.loop.stop() } }
    }

    private static func run(_ inbox: Mailbox<WorkerMessage>, _ place: Place) {
        let worker = try? Worker(
            index: 0, mailbox: inbox, shared: SharedCounts(), peers: WorkerPeers(),
            threads: WorkThreads(name: "work", count: 1), overload: OverloadState(maxConnections: 1000),
            operatorLog: { _, _ in }, drained: { _ in }, changed: { _ in })
        place.worker = worker
        worker?.run()
        place.worker = nil
    }

    /// Does `work` on the worker's thread, where reports are made; what is asked for first is done first.
    func perform(_ work: @escaping @Sendable (Worker) -> Void) {
        let place = self.place
        inbox.post(.report(.everything) { _ in if let worker = place.worker { work(worker) } })
    }

    /// What the worker finds, on its thread.
    func ask<Answer: Sendable>(_ question: @escaping @Sendable (Worker) -> Answer) throws -> Answer {
        let box = AnswerBox<Answer>()
        perform { worker in
            let answer = question(worker)
            box.answer.withLock { $0 = answer }
        }
        _ = eventually { box.answer.withLock { $0 != nil } }
        return try #require(box.answer.withLock { $0 })
    }

    /// Connections to the endpoint that are open.
    var connections: Int {
        get throws { try ask { $0.clusters.all.reduce(0) { $0 + $1.counts.open } } }
    }

    /// Calls that wait for a connection.
    var waiting: Int {
        get throws { try ask { $0.clusters.all.reduce(0) { $0 + $1.runtime.limits.pending.inUse } } }
    }
}

/// From one thread to another.
private final class AnswerBox<Answer: Sendable>: Sendable {
    let answer = Locked<Answer?>(nil)
}
