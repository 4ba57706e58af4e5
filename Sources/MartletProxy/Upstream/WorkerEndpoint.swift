internal import MartletCore

/// An endpoint on one worker: its idle connections, the most recently used last.
final class WorkerEndpoint {
    let shared: Endpoint
    var idle: [HTTP1Upstream] = []
    private(set) var isRemoved = false

    init(_ shared: Endpoint) { self.shared = shared }

    func forget(_ connection: HTTP1Upstream) {
        if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
    }

    /// The cluster has it no more.
    func remove() {
        isRemoved = true
        closeIdle()
    }

    func closeIdle() {
        let connections = idle
        idle = []
        for connection in connections { connection.discard() }
    }
}
