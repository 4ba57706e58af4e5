internal import MartletConfig
internal import MartletCore
internal import MartletGRPC
internal import MartletHTTP
internal import MartletNet

/// One check of one endpoint, over a connection of its own: connecting is part of what is checked. Success needs the wanted
/// status, or text, within the timeout; the body is not waited for.
final class HealthProbe: StreamSocketOwner, TimerTarget {
    private let loop: EventLoop
    private let config: HealthCheckConfig
    /// What the cluster's endpoints are asked by when TLS does not settle it.
    private let speaksHTTP2: Bool
    /// Nil: the check speaks HTTP/1.1, or none.
    private var http2: HTTP2Probe?
    /// Dropped when it has been called; once.
    private var done: ((String?) -> Void)?
    private var socket: StreamSocket?
    private var timer: TimerID?
    private let received = ByteBuffer(capacity: HealthProbe.limit)
    private var consumed = 0
    private let head = ResponseHead()
    private let trailers = HeaderTable()
    private var decoder = HTTP1ResponseDecoder(limits: HTTP1Limits(head: HealthProbe.limit, fields: 100))
    private let endpointName: String

    /// Bytes of an answer that are looked at.
    private static let limit = 16_384

    /// - Parameters:
    ///   - speaksHTTP2: what the cluster's endpoints are asked by in clear text.
    ///   - tls: nil in clear text.
    ///   - header: what they are to get before everything else.
    ///   - done: gets nil for success, or what went wrong. Called once, unless the probe is cancelled; never from here.
    init(
        _ endpoint: Endpoint, _ config: HealthCheckConfig, speaksHTTP2: Bool, tls: TLSClientTarget?,
        header: ProxyHeader?, loop: EventLoop,
        _ done: @escaping (String?) -> Void
    ) {
        self.loop = loop
        self.speaksHTTP2 = speaksHTTP2
        self.config = config
        self.done = done
        endpointName = endpoint.name
        timer = loop.arm(at: loop.now + Nanoseconds(config.timeout), self, tag: 0)
        let address = config.port.flatMap { endpoint.address.at(port: UInt16($0)) } ?? endpoint.address
        do throws(SystemError) {
            let socket =
                if let tls {
                    try StreamSocket(loop: loop, connectingTo: address, tls: tls)
                } else {
                    try StreamSocket(loop: loop, connectingTo: address)
                }
            self.socket = socket
            try socket.start(self)
            // A port of its own for checks is asked directly.
            if let header, config.port == nil { socket.writeAhead(header.encoded().span) }
        } catch {
            failure = error.description
            loop.runNextTurn(self)
        }
    }

    /// Found while it was made.
    private var failure: String?

    func cancel() {
        done = nil
        close()
    }

    private func close() {
        if let timer { loop.cancel(timer) }
        timer = nil
        socket?.close()
        socket = nil
    }

    private func finish(_ failure: String?) {
        let done = self.done.take()
        close()
        done?(failure)
    }

    func timerFired(_ tag: UInt8) {
        guard done != nil else { return }
        finish(failure ?? "no answer within \(config.timeout.text)")
    }

    // MARK: The socket's news

    func socketConnected(_ socket: StreamSocket) {
        if socket.tls.map({ $0.alpn == "h2" }) ?? speaksHTTP2 {
            http2 = HTTP2Probe()
        } else if config.kind.isGRPC {
            return finish("the endpoint does not offer HTTP/2 (ALPN h2)")
        }
        switch config.kind {
        case .http(let http): send(http, on: socket)
        case .tcp(let send, let receive):
            if !send.isEmpty { socket.write(send.utf8Span.span) }
            if receive.isEmpty { send.isEmpty ? finish(nil) : sent(on: socket) }
        case .grpc(let grpc): ask(grpc, on: socket)
        }
    }

    /// What was sent need only be taken.
    private func sent(on socket: StreamSocket) { socket.wantsDrained = true }

    /// A unix socket has no name that could stand here.
    private var standardHost: String { endpointName.hasPrefix("unix:") ? "localhost" : endpointName }

    private func ask(_ grpc: GRPCCheckConfig, on socket: StreamSocket) {
        let request = RequestHead()
        request.setMethod("POST".utf8Span.span)
        request.setTarget(HealthMessages.path.utf8Span.span)
        let host = grpc.authority ?? standardHost
        request.setAuthority(host.utf8Span.span)
        request.headers.append(.te, "trailers")
        request.headers.append(.contentType, "application/grpc")
        request.headers.append(.userAgent, "martlet-health-check")
        request.headers.append(.grpcTimeout, GRPCTimeout.text(Nanoseconds(config.timeout)))
        request.body = .chunked
        let message = MessageEncoder.encode(HealthMessages.request(service: grpc.service))
        if http2?.begin(request, body: message, on: socket) != true { finish("the request cannot be sent") }
    }

    private func send(_ http: HTTPCheckConfig, on socket: StreamSocket) {
        let request = RequestHead()
        request.setMethod(http.method.utf8Span.span)
        request.setTarget(http.path.utf8Span.span)
        let host = http.host ?? standardHost
        request.setAuthority(host.utf8Span.span)
        request.headers.append(.userAgent, "martlet-health-check")
        if let http2 {
            if !http2.begin(request, body: nil, on: socket) { finish("the request cannot be sent") }
            return
        }
        if request.method == .post || request.method == .put { request.body = .exactly(0) }
        decoder.expect(requestMethod: request.method, askedForUpgrade: false)
        var fits = false
        socket.write(reserving: HTTP1Encoder.sizeBound(request)) { fits = HTTP1Encoder.encode(request, into: $0) }
        if !fits { finish("the request cannot be sent") }
    }

    func socketReadable(_ socket: StreamSocket) {
        while done != nil {
            switch socket.read(into: received) {
            case .bytes: look()
            case .nothing:
                if received.free == 0 { finish("the answer is longer than \(Self.limit) bytes") }
                return
            case .end: return finish("closed before the answer")
            case .failed(let error): return finish(error.description)
            }
        }
    }

    private func look() {
        let received = self.received
        if http2 != nil { return lookAtHTTP2() }
        switch config.kind {
        case .http(let http): decode(http)
        case .tcp(_, let receive):
            if !receive.isEmpty, received.bytes().contains(receive.utf8Span.span) { finish(nil) }
        case .grpc: finish("there is no memory for the check")
        }
    }

    private func lookAtHTTP2() {
        guard let http2, let socket else { return }
        let received = self.received
        consumed += received.count
        let progress = http2.receive(received.bytes(), now: loop.now, on: socket)
        received.removeAll()
        switch (progress, config.kind) {
        case (.failed(let reason), _): finish(reason)
        case (.head, .http(let http)), (.whole, .http(let http)): judge(http2.response, http)
        case (.whole, .grpc): finish(GRPCHealth.failure(http2.response, http2.body, http2.trailers))
        default: if consumed > Self.limit { finish("the answer is longer than \(Self.limit) bytes") }
        }
    }

    private func judge(_ head: ResponseHead, _ http: HTTPCheckConfig) {
        let status = Int(head.status)
        finish(http.expect.contains { $0.contains(status) } ? nil : "status \(status)")
    }

    private func decode(_ http: HTTPCheckConfig) {
        let received = self.received
        while done != nil {
            let step = decoder.decode(received.bytes(in: consumed..<received.count), into: head, trailers: trailers)
            consumed += step.consumed
            switch step.event {
            case .needMore: return
            case .informational: head.reset()
            case .failed(let fault): return finish("the answer is no HTTP: \(fault.rawValue)")
            case .head, .body, .end, .upgraded: return judge(head, http)
            }
        }
    }

    func socketDrained(_ socket: StreamSocket) { finish(nil) }
    func socketFailed(_ socket: StreamSocket, _ error: SystemError) { finish(error.description) }
    func socketClosed(_ socket: StreamSocket) {}
}

extension SocketAddress {
    /// The same host at another port; nil for a unix socket.
    fileprivate func at(port: UInt16) -> SocketAddress? {
        family == .unix ? nil : SocketAddress(ip: host, port: port)
    }
}

extension Duration {
    /// As a configuration writes it.
    fileprivate var text: String { ConfigText.duration(self) }
}

extension Span where Element == UInt8 {
    /// `part` is somewhere in it.
    fileprivate func contains(_ part: Span<UInt8>) -> Bool {
        guard count >= part.count else { return false }
        for start in 0...(count - part.count) where extracting(start..<start + part.count).equals(part) { return true }
        return false
    }
}
