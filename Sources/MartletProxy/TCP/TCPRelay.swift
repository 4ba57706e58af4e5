internal import MartletCore
internal import MartletNet

#if canImport(Glibc)
internal import Glibc
#endif

protocol TCPRelayOwner: AnyObject {
    /// Both connections are closed, and nothing more will be heard of them.
    func relayEnded(_ end: TCPRelay.End)
}

/// Moves bytes between a client's connection and an upstream's until both have sent their last, or one of them breaks.
///
/// Each direction has its own end: a client that has sent everything still gets its answer. What one side sends faster than the
/// other takes waits in the sender's socket; no more than `bufferLimit` and one read are held here.
final class TCPRelay: StreamSocketOwner, TimerTarget {
    enum End: Sendable {
        /// Both sides sent their last byte.
        case complete
        /// That side's connection broke; the other was reset.
        case clientFailed(Int32)
        case upstreamFailed(Int32)
        /// Nothing moved for so long as it may.
        case idleTimeout
        /// It lasted as long as it may.
        case maxDuration
        /// Closed from outside.
        case cut
    }

    private let loop: EventLoop
    private let buffers: BufferPool
    private let up: TCPFlow
    private let down: TCPFlow
    private var owner: (any TCPRelayOwner)?
    private let idleTimeout: Nanoseconds
    private let deadline: Instant
    private var lastMoved: Instant
    private var lastHeld = 0
    private let sentBefore: (client: UInt64, upstream: UInt64)
    private var timer = LazyTimer()
    /// Bytes queued in one direction before its sender has to wait.
    private(set) var bufferLimit: Int
    private var end: End?
    private var openSockets = 2

    /// - Parameters:
    ///   - idleTimeout: without a byte in either direction; zero is none.
    ///   - deadline: closed then, whatever moves; `.never` is none.
    init(
        client: StreamSocket, upstream: StreamSocket, idleTimeout: Nanoseconds, deadline: Instant, bufferLimit: Int,
        counts: TCPService.Counts?, owner: any TCPRelayOwner
    ) {
        loop = client.loop
        buffers = loop.buffers
        up = TCPFlow(from: client, to: upstream, counted: counts?.received)
        down = TCPFlow(from: upstream, to: client, counted: counts?.sent)
        sentBefore = (client.sentBytes, upstream.sentBytes)
        self.idleTimeout = idleTimeout
        self.deadline = deadline
        self.bufferLimit = bufferLimit
        self.owner = owner
        lastMoved = loop.now
    }

    private var client: StreamSocket { up.source }
    private var upstream: StreamSocket { down.source }

    /// Bytes that came from the client, and that were sent to it; over TLS, for it, whose records the kernel counts instead.
    var clientBytes: (received: UInt64, sent: UInt64) {
        settle()
        return (up.received, client.isPlain ? client.sentBytes &- sentBefore.client : down.received)
    }
    /// The same of the upstream.
    var upstreamBytes: (received: UInt64, sent: UInt64) {
        settle()
        return (down.received, upstream.isPlain ? upstream.sentBytes &- sentBefore.upstream : up.received)
    }
    var heldBytes: Int { client.queuedBytes + upstream.queuedBytes }

    /// Both sockets are open and hear this one from now on.
    /// - Parameters:
    ///   - early: what the client has sent already, and the upstream is to get.
    ///   - clientHasEnded: and that was all of it.
    func start(early: Span<UInt8>, clientHasEnded: Bool) {
        client.owner = self
        upstream.owner = self
        lastMoved = loop.now
        if !early.isEmpty {
            up.count(early.count)
            upstream.write(early)
        }
        armTimer()
        if clientHasEnded { ended(up) }
        client.resumeReading()
        upstream.resumeReading()
        // What came while nobody listened raises no edge any more.
        client.readAgainNextTurn()
        upstream.readAgainNextTurn()
    }

    // MARK: Moving

    func socketConnected(_ socket: StreamSocket) {}

    func socketReadable(_ socket: StreamSocket) { pump(socket === client ? up : down) }

    private static let readsPerTurn = 4
    /// Below it a copy is cheaper than a buffer of one's own.
    private static let copyLimit = 8192

    private func pump(_ flow: TCPFlow) {
        if flow.isLeftToLoop {
            flow.forwardingEnded()
            settle()
        }
        guard end == nil else { return }
        // It has sent its last byte and takes none: there is nothing left to wait for.
        guard !flow.isEnded else { return flow.source.isWriteBroken ? broken(flow.source) : () }
        for _ in 0..<Self.readsPerTurn {
            // Nothing that is read could be sent. How it went with the sink, its own reading tells.
            guard !flow.sink.isWriteBroken else { return flow.source.pauseReading() }
            guard flow.pipe == nil, flow.sink.queuedBytes < bufferLimit else { return flow.source.pauseReading() }
            let result = flow.load == .bulk && flow.sink.queuedBytes == 0 ? moveByPipe(flow) : copy(flow)
            switch result {
            case .bytes(let count):
                lastMoved = loop.now
                flow.moved(count)
                flow.sink.wantsDrained = true
            case .nothing: return
            // After an error in writing an end is what the kernel says once it has told of a reset.
            case .end: return flow.source.isWriteBroken ? broken(flow.source) : ended(flow)
            case .failed(let error): return failed(flow.source, error.code)
            }
            guard flow.source.mayHaveMore else { return }
        }
        flow.source.readAgainNextTurn()
    }

    private func copy(_ flow: TCPFlow) -> ReadResult {
        var holder: ByteBuffer? = buffers.takeScratch()
        defer { buffers.release(&holder) }
        guard let buffer = holder else { return .nothing }
        let result = flow.source.read(into: buffer)
        if case .bytes(let count) = result {
            if count <= Self.copyLimit {
                flow.sink.write(buffer.bytes())
            } else {
                flow.sink.write(ByteSlice(buffer, 0..<count))
            }
        }
        return result
    }

    private func moveByPipe(_ flow: TCPFlow) -> ReadResult {
        guard flow.source.isPlain, flow.sink.isPlain, let pipe = loop.pipes.take() else { return copy(flow) }
        let result = flow.source.read(into: pipe)
        if case .bytes = result {
            flow.pipe = pipe
            flow.sink.write(from: pipe)
        } else {
            loop.pipes.release(pipe)
        }
        return result
    }

    func socketDrained(_ socket: StreamSocket) {
        let flow = socket === client ? down : up
        lastMoved = loop.now
        lastHeld = heldBytes
        flow.releasePipe()
        flow.source.resumeReading()
        if end == nil { flow.forwardIfSmall() }
    }

    // MARK: Ending

    /// The source sent its last byte: so does the sink, behind what is queued.
    private func ended(_ flow: TCPFlow) {
        flow.isEnded = true
        guard up.isEnded && down.isEnded else { return flow.sink.shutdownWhenFlushed() }
        finish(.complete) { $0.closeWhenFlushed() }
    }

    /// Neither way is open any more.
    private func broken(_ socket: StreamSocket) {
        socket.reset()
        failed(socket, ECONNRESET)
    }

    private func failed(_ socket: StreamSocket, _ code: Int32) {
        guard end == nil else { return }
        openSockets -= 1
        // What was sent is not the whole, and is to look that way on the other side; what arrived is still handed on.
        finish(socket === client ? .clientFailed(code) : .upstreamFailed(code)) { $0.resetWhenFlushed() }
    }

    func socketFailed(_ socket: StreamSocket, _ error: SystemError) {
        if end == nil { failed(socket, error.code) } else { socketClosed(socket) }
    }

    /// Closes what is still open by `close`, which may tell at once.
    private func finish(_ end: End, _ close: (StreamSocket) -> Void) {
        self.end = end
        for socket in [client, upstream] where !socket.isClosed {
            // Whoever closes does not listen any more; unread bytes would keep the socket's error from being told.
            socket.pauseReading()
            close(socket)
        }
        if openSockets == 0 { over() }
    }

    func socketClosed(_ socket: StreamSocket) {
        openSockets -= 1
        if openSockets == 0 { over() }
    }

    /// Ends now: what is queued is dropped and both sides are reset.
    func cut(_ reason: End = .cut) {
        end = end ?? reason
        client.reset()
        upstream.reset()
        over()
    }

    private func over() {
        guard let end, let owner = owner.take() else { return }
        timer.cancel(loop)
        settle()
        up.releasePipe()
        down.releasePipe()
        owner.relayEnded(end)
    }

    // MARK: Time

    private func armTimer() {
        var next = deadline
        if idleTimeout > .zero { next = min(next, lastMoved + idleTimeout) }
        timer.require(next, loop, self)
    }

    /// Counts what the loop has passed on by itself.
    func settle() {
        lastMoved = max(lastMoved, up.settle(), down.settle())
    }

    func timerFired(_ tag: UInt8) {
        timer.fired()
        guard owner != nil else { return }
        guard loop.now < deadline else { return cut(.maxDuration) }
        settle()
        // A slow receiver takes bytes without anybody hearing of it before the last.
        if heldBytes != lastHeld {
            lastHeld = heldBytes
            lastMoved = loop.now
        }
        if idleTimeout > .zero && loop.now >= lastMoved + idleTimeout { return cut(.idleTimeout) }
        armTimer()
    }

    /// Memory is short.
    func shrinkBuffers(to limit: Int) { bufferLimit = min(bufferLimit, limit) }
}
