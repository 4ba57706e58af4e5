import MartletCore
import MartletFilter
import MartletGRPC
import MartletHTTP
import MartletTesting
import Synchronization

/// A `GRPCCall` of a `CallingWorker`, steered and watched from the test's thread.
final class SteeredCall: @unchecked Sendable {
    // Sendable because `call` and `pumping` are touched on the worker's thread alone, and `state` is behind its lock.
    struct End: Sendable {
        let status: GRPCStatus
        let message: String
        let failure: CallFailure?
        let trailers: [String: String]
    }

    struct Heard: Sendable {
        var initial: [String: String]?
        var messages: [[UInt8]] = []
        var writables = 0
        var end: End?
        /// Pieces that `pump` has sent.
        var pumped = 0
        /// Of those, how many fitted before the first wait.
        var pumpedAtOnce: Int?
    }

    private let worker: CallingWorker
    private var call: GRPCCall?
    private var pumping: (piece: [UInt8], left: Int)?
    private let state = Locked(Heard())

    /// - Parameter method: of `test.Echo`, or a whole path.
    init(
        _ worker: CallingWorker, _ method: String, timeout: Duration = .zero, metadata: [String: String] = [:],
        maxMessage: Int? = nil, cluster: String = "up"
    ) {
        self.worker = worker
        let path = method.hasPrefix("/") ? method : "/test.Echo/" + method
        worker.perform { [self] in
            var request = GRPCRequest(cluster: cluster, path: path, authority: "echo.example")
            request.timeout = timeout
            request.metadata = metadata.compactMap { name, value in HeaderName(name).map { ($0, value) } }
            if let maxMessage { request.maxMessage = ByteCount(maxMessage) }
            let call = $0.grpc(request, of: nil) { self.take($0) }
            if state.withLock({ $0.end == nil }) { self.call = call }
        }
    }

    // MARK: Steering

    @discardableResult
    func send(_ messages: [UInt8]...) -> SteeredCall {
        worker.perform { [self] _ in for message in messages { call?.send(message) } }
        return self
    }

    @discardableResult
    func finish() -> SteeredCall {
        worker.perform { [self] _ in call?.finishSending() }
        return self
    }

    func pause() { worker.perform { [self] _ in call?.pause() } }
    func resume() { worker.perform { [self] _ in call?.resume() } }
    func cancel() {
        worker.perform { [self] _ in
            call?.cancel()
            call = nil
        }
    }

    /// Sends a piece so many times, as the call has room for it, and says that no more follow.
    func pump(_ piece: [UInt8], times: Int) {
        worker.perform { [self] _ in
            pumping = (piece, times)
            pump()
        }
    }

    private func pump() {
        guard let call, let (piece, count) = pumping else { return }
        var left = count
        while left > 0, !call.isFull {
            call.send(piece)
            left -= 1
        }
        state.withLock {
            $0.pumped += count - left
            if $0.pumpedAtOnce == nil { $0.pumpedAtOnce = $0.pumped }
        }
        pumping = left > 0 ? (piece, left) : nil
        if left == 0 { call.finishSending() }
    }

    // MARK: Hearing

    var heard: Heard { state.withLock { $0 } }

    private func take(_ event: GRPCEvent) {
        switch event {
        case .head(let head):
            let fields = Self.fields(head.headers)
            state.withLock { $0.initial = fields }
        case .message(let message): state.withLock { $0.messages.append(message) }
        case .writable:
            state.withLock { $0.writables += 1 }
            pump()
        case .ended(let end):
            let trailers = end.trailers.map { Self.fields($0) } ?? [:]
            let told = End(status: end.status, message: end.message, failure: end.failure, trailers: trailers)
            state.withLock { $0.end = told }
            // Each holds the other.
            call = nil
        }
    }

    private static func fields(_ table: HeaderTable) -> [String: String] {
        var fields: [String: String] = [:]
        for index in 0..<table.count { fields[table.name(at: index).string()] = table.value(at: index).string() }
        return fields
    }

    /// Waits for so many messages.
    func messages(_ count: Int) -> [[UInt8]] {
        _ = eventually { state.withLock { $0.messages.count >= count || $0.end != nil } }
        return heard.messages
    }

    /// Waits for the end; nil when it does not come.
    func ended() -> End? {
        _ = eventually { state.withLock { $0.end != nil } }
        return heard.end
    }

    /// One message each way.
    static func unary(
        _ worker: CallingWorker, _ message: [UInt8] = [], _ method: String = "Unary", timeout: Duration = .zero,
        metadata: [String: String] = [:]
    ) -> SteeredCall {
        SteeredCall(worker, method, timeout: timeout, metadata: metadata).send(message).finish()
    }
}
