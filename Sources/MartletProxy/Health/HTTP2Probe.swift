internal import MartletCore
internal import MartletHTTP
internal import MartletNet

/// One request and its response on an HTTP/2 connection of its own. The socket is the probe's.
final class HTTP2Probe {
    enum Progress {
        case waiting
        /// `response` is there.
        case head
        /// All of it is there.
        case whole
        case failed(String)
    }

    let response = ResponseHead()
    let trailers = HeaderTable()
    private(set) var body: [UInt8] = []
    private let session: HTTP2Session
    private var hasHead = false
    private var isWhole = false

    private static let settings = HTTP2Settings(maxConcurrentStreams: 0, streamWindow: 65_535, connectionWindow: 65_535)
    private static let limits = HTTP2Limits(head: 16_384)

    /// Nil without memory.
    init?() {
        guard let session = HTTP2Session(role: .client, settings: Self.settings, limits: Self.limits) else {
            return nil
        }
        self.session = session
    }

    /// - Parameter body: nil when the request has none. False when it cannot be sent.
    func begin(_ request: RequestHead, body: [UInt8]?, on socket: StreamSocket) -> Bool {
        guard let stream = session.sendRequest(request, ended: body == nil, tag: 1) else { return false }
        if let body { session.sendData(ByteSlice(copying: body), ended: true, on: stream) }
        _ = session.flush(into: socket, atMost: .max)
        return true
    }

    func receive(_ bytes: Span<UInt8>, now: Instant, on socket: StreamSocket) -> Progress {
        var offset = 0
        while offset < bytes.count {
            let rest = bytes.extracting(offset..<bytes.count)
            let taken = session.receive(rest, now: now)
            while let event = session.nextEvent() {
                if let failure = heard(event, rest) { return .failed(failure) }
            }
            if case .failed(let fault, _) = session.state {
                return .failed("the answer is no HTTP/2: \(fault.rawValue)")
            }
            if taken == 0 { break }
            offset += taken
        }
        _ = session.flush(into: socket, atMost: .max)
        return isWhole ? .whole : hasHead ? .head : .waiting
    }

    /// What went wrong; nil when nothing did.
    private func heard(_ event: HTTP2Event, _ bytes: Span<UInt8>) -> String? {
        do throws(HTTP2Fault) {
            switch event.kind {
            case .informational(let head):
                try session.take(head, into: response)
                response.reset()
            case .response(let head, let endsHere):
                try session.take(head, into: response)
                hasHead = true
                isWhole = endsHere
            case .data(let range, let endsHere):
                body += bytes.extracting(range).array()
                session.consumed(range.count, of: event.stream)
                if endsHere { isWhole = true }
            case .trailers(let head):
                try session.take(head, into: trailers)
                isWhole = true
            case .end: isWhole = true
            case .closed(let close): return isWhole ? nil : "the stream ended before the answer: \(close)"
            case .goAway, .settings, .pong, .request, .drained: break
            }
        } catch {
            return "the answer is no HTTP/2: \(error.rawValue)"
        }
        return nil
    }
}
