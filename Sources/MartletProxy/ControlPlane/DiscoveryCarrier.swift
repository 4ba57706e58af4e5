internal import MartletCore
internal import MartletFilter
internal import MartletGRPC
internal import MartletHTTP

/// Carries the supervisor's stream, or its questions, to the control plane over one worker's connections. It looks at no message.
final class DiscoveryCarrier {
    private unowned let worker: Worker
    private let tell: @Sendable (DiscoveryNews) -> Void
    private var call: GRPCCall?
    private var stream = 0

    /// Resources of ten thousand clusters come in one message.
    private static let maxMessage = ByteCount.mebibytes(256)

    init(_ worker: Worker, _ tell: @escaping @Sendable (DiscoveryNews) -> Void) {
        self.worker = worker
        self.tell = tell
    }

    func obey(_ order: DiscoveryOrder) {
        switch order {
        case .open(let stream, let cluster, let path, let authority): open(stream, cluster, path, authority)
        case .send(let stream, let message): if stream == self.stream { call?.send(message) }
        case .close:
            call?.cancel()
            call = nil
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

    private func open(_ stream: Int, _ cluster: String, _ path: String, _ authority: String) {
        call?.cancel()
        self.stream = stream
        var request = GRPCRequest(cluster: cluster, path: path, authority: authority)
        request.maxMessage = Self.maxMessage
        let tell = self.tell
        call = worker.grpc(request, of: nil) { [weak self] event in
            switch event {
            case .head, .writable: break
            case .message(let bytes): tell(.message(stream: stream, bytes))
            case .ended(let end):
                let words = end.message.isEmpty ? "" : ": \(end.message)"
                tell(.ended(stream: stream, "\(end.status)\(words)"))
                guard let self, self.stream == stream else { return }
                self.call = nil
            }
        }
    }
}
