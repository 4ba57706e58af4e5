internal import MartletCore
internal import MartletHTTP
internal import MartletNet

/// One connection to the admin API: requests in order, bodies read and dropped.
final class AdminConnection: StreamSocketOwner, TimerTarget {
    private let loop: EventLoop
    private let socket: StreamSocket
    private unowned let server: AdminServer
    private var decoder = HTTP1RequestDecoder(limits: HTTP1Limits(head: 16_384))
    private let request = RequestHead()
    private let trailers = HeaderTable()
    private var pending: [UInt8] = []
    /// Bytes of `pending` that have been decoded.
    private var consumed = 0
    private var isClosing = false
    private var isBusy = false
    private var headDone = false
    private var timer = LazyTimer()
    private static let idleTime = Nanoseconds.seconds(30)
    private static let maxBody: UInt64 = 1 << 20
    private var bodyBytes: UInt64 = 0

    init(loop: EventLoop, socket: StreamSocket, server: AdminServer) {
        self.loop = loop
        self.socket = socket
        self.server = server
    }

    func start() {
        do throws(SystemError) {
            try socket.start(self)
            timer.require(loop.now + Self.idleTime, loop, self)
        } catch {
            server.closed(self)
        }
    }

    func socketClosed(_ socket: StreamSocket) { close() }
    func socketConnected(_ socket: StreamSocket) {}
    func socketDrained(_ socket: StreamSocket) {}
    func socketFailed(_ socket: StreamSocket, _ error: SystemError) { close() }

    func timerFired(_ tag: UInt8) {
        timer.fired()
        if isBusy && !isClosing { timer.require(loop.now + Self.idleTime, loop, self) } else { close() }
    }

    private func close() {
        timer.cancel(loop)
        socket.close()
        server.closed(self)
    }

    func socketReadable(_ socket: StreamSocket) {
        for _ in 0..<4 {
            var buffer: ByteBuffer? = loop.buffers.takeScratch()
            defer { loop.buffers.release(&buffer) }
            guard let scratch = buffer else { return }
            switch socket.read(into: scratch) {
            case .bytes:
                pending.append(contentsOf: scratch.bytes().array())
                guard pending.count <= 2 << 20 else { return close() }
                consume()
                if socket.isClosed { return }
            case .nothing: return
            case .end, .failed: return close()
            }
        }
        socket.readAgainNextTurn()
    }

    private func consume() {
        while !isBusy, !isClosing, consumed < pending.count {
            let bytes = pending
            let rest = bytes.span.extracting(consumed..<bytes.count)
            let step = decoder.decode(rest, into: request, trailers: trailers)
            consumed += step.consumed
            switch step.event {
            case .head(let endsHere):
                bodyBytes = 0
                if endsHere { answer() }
            case .body(let range, let last):
                bodyBytes += UInt64(range.count)
                if bodyBytes > Self.maxBody { return close() }
                if last { answer() }
            case .end: answer()
            case .failed(let fault):
                send(AdminReply(status: fault.status, type: "text/plain", body: fault.rawValue + "\n"), closes: true)
                return
            default: return forgetConsumed()
            }
        }
        forgetConsumed()
    }

    private func forgetConsumed() {
        pending.removeFirst(consumed)
        consumed = 0
    }

    private func answer() {
        isBusy = true
        let closes = !request.keepsAlive
        // An answer that comes at once leaves the next request to the loop in `consume`: calling it from here would nest as
        // deep as there are requests.
        var isWithin = true
        server.handle(request) { [weak self] reply in
            guard let self, !self.socket.isClosed else { return }
            self.send(reply, closes: closes)
            self.isBusy = false
            self.request.reset()
            self.trailers.reset()
            if !isWithin { self.consume() }
        }
        isWithin = false
    }

    private func send(_ reply: AdminReply, closes: Bool) {
        let head = ResponseHead()
        head.status = reply.status
        head.headers.append(.contentType, reply.type.description)
        head.headers.append(.cacheControl, "no-store")
        if let allow = reply.allow { head.headers.append(.allow, allow) }
        let body = Array(reply.body.utf8)
        socket.write(reserving: HTTP1Encoder.sizeBound(head)) {
            _ = HTTP1Encoder.encode(
                head, framing: .exactly(UInt64(body.count)), connection: closes ? .close : .keep, keepsLength: false,
                into: $0)
        }
        if request.method != .head { socket.write(body.span) }
        timer.require(loop.now + Self.idleTime, loop, self)
        if closes {
            isClosing = true
            socket.pauseReading()
            socket.closeWhenFlushed()
        }
    }
}
