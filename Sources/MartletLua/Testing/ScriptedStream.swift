internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// A streamed call of a test: answered by the script once its request is whole, the body in pieces of up to 1 KiB.
final class ScriptedStream: CallStreamCarrier {
    private var request: CallRequest
    private var events: ((CallEvent) -> Void)?
    private let call: (CallRequest, @escaping (CallResult) -> Void) -> CallHandle
    private var handle: CallHandle?
    private var pieces: ArraySlice<UInt8> = []
    private var isAnswering = false
    private var isPaused = false

    private static let piece = 1024

    init(
        _ request: CallRequest, _ events: @escaping (CallEvent) -> Void,
        _ call: @escaping (CallRequest, @escaping (CallResult) -> Void) -> CallHandle
    ) {
        self.request = request
        self.events = events
        self.call = call
    }

    func start() { if !request.streamsBody { endRequest() } }

    func send(_ bytes: Span<UInt8>) { if handle == nil { request.body += bytes.array() } }

    func endRequest() {
        guard handle == nil, events != nil else { return }
        request.streamsBody = false
        request.maxResponseBody = .mebibytes(1024)
        handle = call(request) { [self] in answered($0) }
    }

    private func answered(_ result: CallResult) {
        switch result {
        case .failure(let failure): end(.failed(failure))
        case .response(let response):
            pieces = response.body[...]
            isAnswering = true
            events?(.head(response.head))
            deliver()
        }
    }

    private func deliver() {
        while isAnswering, !isPaused, events != nil, !pieces.isEmpty {
            let piece = pieces.prefix(Self.piece)
            pieces = pieces.dropFirst(Self.piece)
            events?(.body(ByteSlice(copying: Array(piece))))
        }
        if isAnswering, pieces.isEmpty { end(.ended) }
    }

    private func end(_ event: CallEvent) {
        let events = self.events.take()
        isAnswering = false
        events?(event)
    }

    func checkFull() -> Bool { false }
    func pause() { isPaused = true }

    func resume() {
        isPaused = false
        deliver()
    }

    func cancel() {
        events = nil
        handle?.cancel()
    }
}
