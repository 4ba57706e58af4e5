internal import Foundation
internal import MartletCore
internal import Synchronization

/// A client that sends requests one after another until told to stop. Answers are well that are 200 and end with `ok`.
public final class SteadyLoad: Sendable {
    private let state = Locked((sent: 0, failed: 0, isOver: false))
    private let done = Locked(false)
    private let port: UInt16
    private let reconnects: Bool

    public convenience init(_ proxy: TestProxy) { self.init(port: proxy.port) }

    /// - Parameters:
    ///   - reconnects: every request comes on a connection of its own, and not all on one.
    ///   - pause: milliseconds between requests, where something else than the load is to get on.
    public init(port: UInt16, reconnects: Bool = false, pause: Int32 = 0) {
        self.port = port
        self.reconnects = reconnects
        Thread.detachNewThread { [self] in
            defer { done.withLock { $0 = true } }
            var client: TCPSocket?
            while !state.withLock({ $0.isOver }) {
                if client == nil || reconnects { client = try? TCPSocket(port: port) }
                let isAnswered = client.map(isAnswered) ?? false
                state.withLock {
                    $0.sent += 1
                    if !isAnswered { $0.failed += 1 }
                }
                if !isAnswered { return }
                if pause > 0 { _ = poll(nil, 0, pause) }
            }
        }
    }

    private func isAnswered(_ client: TCPSocket) -> Bool {
        client.forget()
        // With `close` the proxy closes first, and the client's ports do not run out.
        let close = reconnects ? "Connection: close\r\n" : ""
        try? client.send("GET / HTTP/1.1\r\nHost: test\r\n\(close)\r\n")
        guard client.receive(until: { $0.text.hasSuffix("ok") }) else { return false }
        return client.text.hasPrefix("HTTP/1.1 200") && (!reconnects || client.receiveToEnd())
    }

    public var sent: Int { state.withLock { $0.sent } }
    /// Stops and says how many requests failed.
    public func stop() -> Int {
        state.withLock { $0.isOver = true }
        _ = eventually { done.withLock { $0 } }
        return state.withLock { $0.failed }
    }
}
