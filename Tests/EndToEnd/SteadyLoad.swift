import Foundation
import MartletCore
import MartletTesting
import Synchronization
import Testing

/// A client that sends requests one after another on one connection until told to stop.
final class SteadyLoad: Sendable {
    private let state = Locked((sent: 0, failed: 0, isOver: false))
    private let done = Locked(false)

    init(_ proxy: TestProxy) {
        Thread.detachNewThread { [self] in
            defer { done.withLock { $0 = true } }
            guard let client = try? proxy.connect() else { return state.withLock { $0.failed += 1 } }
            while !state.withLock({ $0.isOver }) {
                client.forget()
                try? client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                let isAnswered = client.receive { $0.text.hasSuffix("ok") } && client.text.hasPrefix("HTTP/1.1 200")
                state.withLock {
                    $0.sent += 1
                    if !isAnswered { $0.failed += 1 }
                }
                if !isAnswered { return }
            }
        }
    }

    var sent: Int { state.withLock { $0.sent } }
    /// Stops and says how many requests failed.
    func stop() -> Int {
        state.withLock { $0.isOver = true }
        _ = eventually { done.withLock { $0 } }
        return state.withLock { $0.failed }
    }
}
