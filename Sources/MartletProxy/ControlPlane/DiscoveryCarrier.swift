internal import MartletCore
internal import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// Carries the supervisor's streams, or its questions, to the control plane over one worker's connections. It looks at no message.
final class DiscoveryCarrier {
    private unowned let worker: Worker
    private let tell: @Sendable (DiscoveryNews) -> Void
    private var calls: [Int: GRPCCall] = [:]

    init(_ worker: Worker, _ tell: @escaping @Sendable (DiscoveryNews) -> Void) {
        self.worker = worker
        self.tell = tell
    }

    func obey(_ order: DiscoveryOrder) {
        switch order {
        case .open(let call): open(call)
        case .send(let stream, let message): calls[stream]?.send(message)
        case .close(let stream): calls.removeValue(forKey: stream)?.cancel()
        case .ask(let question): ask(question)
        }
    }

    /// Resources of ten thousand clusters, as JSON.
    private static let maxAnswer = ByteCount.mebibytes(64)

    private func ask(_ question: DiscoveryQuestion) {
        var request = CallRequest(cluster: question.cluster, path: question.path, authority: question.cluster)
        request.method = "POST"
        request.headers = [(.contentType, "application/json"), (.accept, "application/json")]
        request.body = question.body
        request.timeout = question.timeout
        request.maxResponseBody = Self.maxAnswer
        let tell = self.tell
        _ = worker.call(request, of: nil) { result in
            let answer: DiscoveryAnswer =
                switch result {
                case .response(let response): .response(status: Int(response.head.status), response.body)
                case .failure(let failure): .failure(failure.rawValue)
                }
            tell(.answered(question: question.number, question.type, answer))
        }
    }

    private func open(_ call: DiscoveryCall) {
        let stream = call.stream
        var request = GRPCRequest(cluster: call.cluster, path: call.path, authority: call.cluster)
        request.maxMessage = call.maxMessage
        let tell = self.tell
        // It may end before there is a call to hold.
        var isOver = false
        let carried = worker.grpc(request, of: nil) { [weak self] event in
            switch event {
            case .head, .writable: break
            case .message(let bytes): tell(.message(stream: stream, bytes))
            case .ended(let end):
                let words = end.message.isEmpty ? "" : ": \(end.message)"
                isOver = true
                self?.calls[stream] = nil
                tell(.ended(stream: stream, end.status, "\(end.status)\(words)"))
            }
        }
        if !isOver { calls[stream] = carried }
    }
}
