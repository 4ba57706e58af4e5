internal import CLinux
package import MartletCore

#if canImport(Glibc)
internal import Glibc
#endif

/// The protocol engine behind a socket. All calls come on the loop's thread; the socket may be closed in any of them.
package protocol StreamSocketOwner: AnyObject {
    /// A dialled socket is connected; with TLS, dialled or accepted, its handshake is over.
    func socketConnected(_ socket: StreamSocket)
    /// There is something to read, or the peer's end: read until `.nothing`.
    func socketReadable(_ socket: StreamSocket)
    /// What was queued has all been handed to the kernel, after `wantsDrained` was set.
    func socketDrained(_ socket: StreamSocket)
    /// The socket failed: connect error, reset, write error. It is closed already.
    func socketFailed(_ socket: StreamSocket, _ error: SystemError)
    /// What was queued when `closeWhenFlushed` was called has been sent, and the socket is closed.
    func socketClosed(_ socket: StreamSocket)
}

/// What one read came to.
package enum ReadResult {
    case bytes(Int)
    /// Nothing now; `socketReadable` will tell.
    case nothing
    /// The peer sent its last byte.
    case end
    /// The socket failed and is closed; the owner has not been told through `socketFailed`.
    case failed(SystemError)
}

/// A connected stream socket, plain TCP or unix. Edge-triggered: registered once, never changed, so an exchange on a
/// kept-alive connection costs a read and a write and no `epoll_ctl`.
package final class StreamSocket: EventSource {
    enum State: UInt8 {
        /// `handshaking`: with TLS only, connected and nothing of the owner's sent yet.
        case connecting, handshaking, open, closed
    }

    package let loop: EventLoop
    let buffers: BufferPool
    let descriptor: Int32
    private(set) var slot: Int32 = -1
    var state: State
    /// Dropped at close, which breaks the cycle between the two.
    package var owner: (any StreamSocketOwner)?

    // What the last edges said, until a system call proves otherwise.
    var isReadable = false
    var isWritable = true
    var isPeerClosed = false
    private(set) var isReadingPaused = false
    /// An owner that has paused reading is told by `socketFailed` of a peer that `isCutShort`.
    package var watchesPeer = false
    /// Writing failed. What the peer sent before it went may still be read.
    package private(set) var isWriteBroken = false
    private var isQueuedAgain = false
    private(set) var isDirty = false
    var closesWhenFlushed = false
    var resetsWhenFlushed = false
    var shutsDownWhenFlushed = false
    /// Calls `socketDrained` when the queue has been sent.
    package var wantsDrained = false

    /// Where the loop sends what arrives here, and the slot of the socket whose bytes it sends here; see StreamSocket+Forward.
    var forwardSink: StreamSocket?
    var feeder: Int32 = -1
    var forwarded: (bytes: UInt64, last: Instant) = (0, Instant(nanoseconds: 0))

    var output = OutputQueue()
    /// Lent until what it holds has been sent; that goes behind `output`, which stays empty meanwhile. Without TLS only.
    var pipe: SplicePipe?
    /// Bytes handed to the kernel so far; with TLS those of records that carry the owner's.
    package private(set) var sentBytes: UInt64 = 0
    /// Nil for a plain socket.
    var secure: TLSStream?

    /// Takes over an accepted, non-blocking descriptor.
    init(loop: EventLoop, accepted descriptor: Int32) {
        self.loop = loop
        buffers = loop.buffers
        self.descriptor = descriptor
        state = .open
    }

    /// Starts dialling. The outcome comes to the owner, never from within this call.
    package init(loop: EventLoop, connectingTo address: SocketAddress) throws(SystemError) {
        self.loop = loop
        buffers = loop.buffers
        var raw = address.raw
        var fd: Int32 = -1
        let result = unsafe mrt_connect(&raw, &fd)
        guard result == 0 || result == -EINPROGRESS else {
            throw SystemError(call: "connect to \(address)", code: -result)
        }
        descriptor = fd
        // Even a connect that is done at once is reported by the first writable edge.
        state = .connecting
        isWritable = false
    }

    /// Starts hearing events.
    package func start(_ owner: any StreamSocketOwner) throws(SystemError) {
        self.owner = owner
        do throws(SystemError) {
            slot = try loop.register(descriptor, self, .edge)
        } catch {
            self.owner = nil
            state = .closed
            mrt_close(descriptor)
            throw error
        }
    }

    package var isOpen: Bool { state == .open }
    /// A read may find something; until an edge says so again, it would not.
    package var mayHaveMore: Bool { isReadable || secure?.holdsInput ?? false }
    package var isClosed: Bool { state == .closed }
    /// Bytes queued and not yet taken by the kernel.
    package var queuedBytes: Int { output.count + (secure?.queued ?? pipe?.count ?? 0) }
    var hasOutput: Bool { !output.isEmpty || pipe != nil }
    var isEnding: Bool { closesWhenFlushed || shutsDownWhenFlushed }

    // MARK: Events

    func eventsReady(_ flags: UInt32) {
        if state == .connecting { return connectEnded(flags) }
        if forwardSink != nil {
            // It is writable as long as it forwards.
            guard flags & UInt32(MRT_READABLE | MRT_PEER_CLOSED | MRT_HANGUP) != 0 else { return }
            stopForwarding()
        }
        if flags & UInt32(MRT_WRITABLE) != 0 && !isWritable {
            isWritable = true
            if hasOutput || secure != nil { markDirty() }
        }
        if flags & UInt32(MRT_PEER_CLOSED) != 0 { isPeerClosed = true }
        if flags & UInt32(MRT_HANGUP) != 0 { isPeerClosed = true }
        if flags & UInt32(MRT_READABLE | MRT_PEER_CLOSED | MRT_HANGUP) != 0 {
            isReadable = true
            if state == .handshaking {
                shakeHands()
            } else if !isReadingPaused {
                owner?.socketReadable(self)
            }
        }
        // Who reads finds the error behind what came before it; who does not is told.
        if flags & UInt32(MRT_HANGUP) != 0 && state == .open && isReadingPaused {
            let error = mrt_socket_error(descriptor)
            if error != 0 { return fail("socket", error) }
        }
        if watchesPeer && isReadingPaused && isCutShort { fail("read", ECONNRESET) }
    }

    private func connectEnded(_ flags: UInt32) {
        let error = mrt_socket_error(descriptor)
        if error != 0 { return fail("connect", error) }
        guard flags & UInt32(MRT_WRITABLE) != 0 else { return }
        state = secure == nil ? .open : .handshaking
        isWritable = true
        if flags & UInt32(MRT_READABLE | MRT_PEER_CLOSED | MRT_HANGUP) != 0 {
            isReadable = true
            isPeerClosed = flags & UInt32(MRT_PEER_CLOSED | MRT_HANGUP) != 0
        }
        if state == .handshaking { return shakeHands() }
        owner?.socketConnected(self)
        guard state == .open else { return }
        if !output.isEmpty { markDirty() }
        if isReadable && !isReadingPaused { owner?.socketReadable(self) }
    }

    func runAgain() {
        isQueuedAgain = false
        if state == .handshaking { return shakeHands() }
        if state == .open && mayHaveMore && !isReadingPaused { owner?.socketReadable(self) }
    }

    // MARK: Reading

    /// Fills `buffer`'s free space with one system call.
    package func read(into buffer: ByteBuffer) -> ReadResult {
        if let secure { return read(secure, into: buffer) }
        guard state == .open, isReadable else { return .nothing }
        let space = buffer.free
        guard space > 0 else { return .nothing }
        var failure: Int32 = 0
        let count = unsafe buffer.fill { space in
            let result = unsafe mrt_recv(descriptor, space.baseAddress, space.count)
            if result < 0 { failure = Int32(-result) }
            return Int(max(result, 0))
        }
        if count > 0 {
            // A short read has emptied the socket; what comes later raises a new edge. The peer's end does not.
            if count < space && !isPeerClosed { isReadable = false }
            return .bytes(count)
        }
        if failure == EAGAIN {
            isReadable = false
            return .nothing
        }
        if failure != 0 {
            close()
            return .failed(SystemError(call: "read", code: failure))
        }
        isPeerClosed = true
        isReadable = false
        return .end
    }

    /// The owner stops for this turn although there may be more: fairness.
    package func readAgainNextTurn() {
        guard mayHaveMore, !isQueuedAgain else { return }
        isQueuedAgain = true
        loop.runAgain(self)
    }

    /// Back-pressure: no `socketReadable` until `resumeReading`.
    package func pauseReading() {
        if forwardSink != nil { stopForwarding() }
        isReadingPaused = true
    }

    package func resumeReading() {
        guard isReadingPaused else { return }
        isReadingPaused = false
        readAgainNextTurn()
    }

    /// Looks for bytes that have come since the last poll.
    package func readNow() {
        guard state == .open, !isReadingPaused else { return }
        if forwardSink != nil { stopForwarding() }
        isReadable = true
        owner?.socketReadable(self)
    }

    // MARK: Writing

    /// Queues a copy; it is sent at the end of the turn.
    package func write(_ bytes: Span<UInt8>) {
        guard state != .closed, !isWriteBroken else { return }
        output.append(bytes, pool: buffers)
        markDirty()
    }

    /// Queues shared bytes.
    package func write(_ slice: ByteSlice) {
        guard state != .closed, !isWriteBroken else { return }
        output.append(slice)
        markDirty()
    }

    /// Lets `body` append up to `space` bytes to the queue's end.
    package func write(reserving space: Int, _ body: (ByteBuffer) -> Void) {
        guard state != .closed, !isWriteBroken else { return }
        output.reserve(space, pool: buffers, body)
        markDirty()
    }

    /// Queues what `pipe` holds, and nothing else until that has been sent. Whoever lends the pipe leaves it alone until then.
    package func write(from pipe: SplicePipe) {
        guard state != .closed, !isWriteBroken, secure == nil else { return }
        self.pipe = pipe
        markDirty()
    }

    func markDirty() {
        if feeder >= 0 { stopFeeding() }
        // Nothing is writable before it is connected.
        guard !isDirty, state != .closed, isWritable else { return }
        isDirty = true
        loop.needsFlush(self)
    }

    /// The loop's end of turn.
    func flush() {
        isDirty = false
        guard state != .closed else { return }
        if let secure { return flush(secure) }
        if !output.isEmpty {
            let (sent, offered) = output.send(
                to: descriptor, isLast: closesWhenFlushed || shutsDownWhenFlushed, pool: buffers)
            if sent < 0 && sent != -Int(EAGAIN) { return writeFailed(Int32(-sent)) }
            if sent > 0 { sentBytes &+= UInt64(sent) }
            if sent < offered {
                return becameFull()
            }
            // More pieces than one system call takes.
            if !output.isEmpty { return markDirty() }
        }
        if let pipe {
            let (sent, failure) = pipe.empty(into: descriptor)
            sentBytes &+= UInt64(sent)
            if failure == EAGAIN { return becameFull() }
            if failure != 0 { return writeFailed(failure) }
            self.pipe = nil
        }
        flushed()
    }

    /// The kernel's buffer is full; an edge tells when it is not, and somebody has to hear it.
    func becameFull() {
        isWritable = false
        if forwardSink != nil { stopForwarding() }
    }

    func addSent(_ count: Int) { sentBytes &+= UInt64(count) }

    /// Everything that was queued has been taken by the kernel.
    func flushed() {
        if closesWhenFlushed { return closed() }
        if shutsDownWhenFlushed {
            shutsDownWhenFlushed = false
            _ = mrt_shutdown_write(descriptor)
        }
        if wantsDrained {
            wantsDrained = false
            owner?.socketDrained(self)
        }
    }

    /// A peer that answers before it has read everything and closes resets the connection; its answer is in our buffer.
    func writeFailed(_ code: Int32) {
        guard state == .open, code == EPIPE || code == ECONNRESET, !isReadingPaused, !closesWhenFlushed,
            !shutsDownWhenFlushed
        else {
            return fail("write", code)
        }
        stopForwarding()
        isWriteBroken = true
        isPeerClosed = true
        output.removeAll(pool: buffers)
        pipe = nil
        secure?.dropOutput()
        isReadable = true
        readAgainNextTurn()
    }

    package func localAddress() -> SocketAddress? {
        var raw = mrt_address()
        guard state != .closed, unsafe mrt_local_address(descriptor, &raw) == 0 else { return nil }
        return SocketAddress(raw: raw)
    }
}
