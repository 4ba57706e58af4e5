package import MartletCore
package import MartletGRPC
package import MartletHTTP

/// A gRPC method of a cluster, as a filter or the proxy itself calls it.
package struct GRPCRequest {
    package var cluster: String
    /// `/package.Service/Method`.
    package var path: String
    package var authority: String
    /// Fields of the request's head: custom metadata. Names that gRPC or HTTP use themselves are left out.
    package var metadata: [(name: HeaderName, value: String)] = []
    /// The whole call, and what the server is told of it; zero is none. Default none.
    package var timeout: Duration = .zero
    /// Bytes of one message of the response. A larger one ends the call with RESOURCE_EXHAUSTED. Default 4 MiB.
    package var maxMessage = ByteCount(MessageDecoder.defaultMaxMessage)

    package init(cluster: String, path: String, authority: String) {
        self.cluster = cluster
        self.path = path
        self.authority = authority
    }
}

/// How a call ended.
package struct GRPCEnd {
    package let status: GRPCStatus
    /// For people; may be empty.
    package let message: String
    /// What came with the status; nil when there was nothing.
    package let trailers: HeaderTable?
    /// Why there was no response; nil when the server gave the status.
    package let failure: CallFailure?
}

/// What a call tells, in this order: a head, messages, the end. The end always comes, unless the call is cancelled.
package enum GRPCEvent {
    /// The response's metadata. Not told when the response is its end alone.
    case head(ResponseHead)
    case message([UInt8])
    /// What was sent has left, after `isFull` had been found true.
    case writable
    /// The last event.
    case ended(GRPCEnd)
}

/// A gRPC call under way, unary or streaming, over a cluster's connections. Used on its worker's thread. Cancelled by itself when
/// its exchange ends; nothing is heard after `cancel` or the end.
package final class GRPCCall {
    private let events: (GRPCEvent) -> Void
    private var stream: CallStream?
    private var decoder: MessageDecoder
    private var isOver = false
    /// In a response that is nothing but its end, the status is in the head.
    private var head: ResponseHead?
    private var hasMessages = false

    fileprivate init(_ request: GRPCRequest, _ events: @escaping (GRPCEvent) -> Void) {
        self.events = events
        decoder = MessageDecoder(maxMessage: request.maxMessage.bytes)
    }

    // MARK: Sending

    /// Sends a message of less than 4 GiB. Messages that the server does not take are kept: look at `isFull` before sending more.
    package func send(_ message: [UInt8]) {
        guard !isOver else { return }
        let framed = MessageEncoder.encode(message)
        stream?.send(framed.span)
    }

    /// No further messages follow.
    package func finishSending() {
        guard !isOver else { return }
        stream?.endRequest()
    }

    /// 64 KiB or more wait to be sent: `.writable` tells when they have been.
    package var isFull: Bool { !isOver && stream?.isFull == true }

    /// No messages until `resume`, but for those that have come already.
    package func pause() { if !isOver { stream?.pause() } }
    package func resume() { if !isOver { stream?.resume() } }

    package func cancel() {
        guard !isOver else { return }
        isOver = true
        stream?.cancel()
        stream = nil
    }

    // MARK: Hearing

    fileprivate func carried(by stream: CallStream) {
        if isOver { return stream.cancel() }
        self.stream = stream
    }

    fileprivate func heard(_ event: CallEvent) {
        guard !isOver else { return }
        switch event {
        case .head(let head): received(head)
        case .body(let slice): received(slice)
        case .writable: events(.writable)
        case .ended: end()
        case .failed(let failure):
            end(GRPCStatus(failure), failure.rawValue, failure: failure)
        }
    }

    private func received(_ head: ResponseHead) {
        guard head.status == 200, GRPCContentType.isGRPC(head.headers) else {
            // gRPC's http-grpc-status-mapping: of a response that is no gRPC, only the status says something.
            return end(
                GRPCStatus(http: head.status), "HTTP status \(head.status), and no gRPC", failure: nil, cancels: true)
        }
        self.head = head
        // Known to be a beginning only when more comes.
        if GRPCStatus(in: head.headers) == nil { events(.head(head)) }
    }

    private func received(_ slice: ByteSlice) {
        hasMessages = true
        let bytes = slice.bytes()
        var start = 0
        do throws(MessageFault) {
            while !isOver, let message = try decoder.next(bytes, &start) {
                guard !message.isCompressed else { throw .compressed }
                events(.message(message.bytes))
            }
        } catch {
            end(error == .tooLarge ? .resourceExhausted : .internal, error.rawValue, failure: nil, cancels: true)
        }
    }

    private func end() {
        let trailers = stream?.trailers
        let table = trailers.flatMap { $0.isEmpty ? nil : $0 } ?? (hasMessages ? nil : head?.headers)
        guard let table, let status = GRPCStatus(in: table) else {
            return end(.unknown, "the response has no grpc-status", failure: nil)
        }
        if status == .ok && !decoder.isBetweenMessages {
            return end(.internal, MessageFault.truncated.rawValue, failure: nil)
        }
        var message = ""
        if let field = table.first(id: .grpcMessage) {
            message = String(decoding: GRPCMessageText.decode(field), as: UTF8.self)
        }
        end(status, message, trailers: table, failure: nil)
    }

    private func end(
        _ status: GRPCStatus, _ message: String, trailers: HeaderTable? = nil, failure: CallFailure?,
        cancels: Bool = false
    ) {
        guard !isOver else { return }
        isOver = true
        let stream = self.stream.take()
        if cancels { stream?.cancel() }
        events(.ended(GRPCEnd(status: status, message: message, trailers: trailers, failure: failure)))
    }
}

extension GRPCStatus {
    /// What a call that got no response ended as.
    init(_ failure: CallFailure) {
        self =
            switch failure {
            case .timeout: .deadlineExceeded
            case .tooLarge: .resourceExhausted
            case .invalidRequest: .internal
            case .unknownCluster, .noHealthyUpstream, .connectFailure, .reset, .overflow: .unavailable
            }
    }
}

extension GRPCRequest {
    fileprivate var call: CallRequest {
        var call = CallRequest(cluster: cluster, path: path, authority: authority)
        call.method = "POST"
        call.streamsBody = true
        call.wantsTrailers = true
        call.timeout = timeout
        call.headers = [(.contentType, "application/grpc")]
        let limit = Nanoseconds(timeout)
        if limit > .zero { call.headers.append((.grpcTimeout, GRPCTimeout.text(limit))) }
        for field in metadata {
            switch field.name.id {
            case .contentType, .grpcTimeout, .grpcStatus, .grpcMessage: continue
            default: call.headers.append(field)
            }
        }
        return call
    }
}

extension WorkerServices {
    /// Begins a call and hears what comes of it on this worker, maybe before this returns. With an exchange it is cancelled when
    /// that ends.
    package func grpc(
        _ request: GRPCRequest, of exchange: Exchange?, _ events: @escaping (GRPCEvent) -> Void
    ) -> GRPCCall {
        let call = GRPCCall(request, events)
        call.carried(by: stream(request.call, of: exchange) { call.heard($0) })
        return call
    }
}

extension FilterContext {
    /// A call that belongs to no exchange.
    package func grpc(_ request: GRPCRequest, _ events: @escaping (GRPCEvent) -> Void) -> GRPCCall {
        services.grpc(request, of: nil, events)
    }
}

extension Exchange {
    /// A call for this exchange: nothing is heard of it once the exchange has ended. Nil when the exchange has no worker.
    package func grpc(_ request: GRPCRequest, _ events: @escaping (GRPCEvent) -> Void) -> GRPCCall? {
        let generation = self.generation
        return host.services?.grpc(request, of: self) { [weak self] event in
            guard let self, self.generation == generation, self.isOpen else { return }
            events(event)
        }
    }

    /// A call of one message each way. `done` is heard once: with the message when the status is OK and there was just one.
    @discardableResult
    package func callGRPC(
        _ request: GRPCRequest, _ message: [UInt8], _ done: @escaping ([UInt8]?, GRPCEnd) -> Void
    ) -> GRPCCall? {
        var answer: [UInt8]?
        var count = 0
        let call = grpc(request) { event in
            switch event {
            case .head, .writable: break
            case .message(let bytes):
                count += 1
                answer = bytes
            case .ended(let end):
                guard end.status == .ok, count != 1 else { return done(end.status == .ok ? answer : nil, end) }
                done(
                    nil,
                    GRPCEnd(
                        status: .internal, message: "\(count) messages where one was due", trailers: end.trailers,
                        failure: nil))
            }
        }
        call?.send(message)
        call?.finishSending()
        return call
    }
}
