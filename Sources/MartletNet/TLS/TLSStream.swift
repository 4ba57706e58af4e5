internal import MartletCore

/// What a socket that speaks TLS has besides: the session, ciphertext that has come and is not opened yet, and ciphertext
/// on its way out. An idle connection holds no buffer here.
final class TLSStream {
    let session: TLSSession
    private let buffers: BufferPool
    /// What the handshake settled; nil before its end.
    private(set) var details: TLSDetails?

    // Read from the socket, and opened up to `used`.
    private var input: ByteBuffer?
    private var used = 0
    /// A read finds something without asking the socket.
    private(set) var holdsInput = false
    /// The peer has said close_notify, and the owner knows.
    private(set) var hasEnded = false
    /// The peer's stream ended without close_notify: who reads to the end may have been cheated of a part.
    var isTruncated = false
    /// We have said close_notify: nothing can be written any more.
    private(set) var hasSaidGoodbye = false

    private(set) var ciphertext = OutputQueue()
    /// Handshakes and alerts at the queue's front: no application bytes.
    private var handshakeAhead = 0

    /// How much is sealed ahead of the socket, so that back-pressure is felt in time.
    private static let maxSealed = 128 << 10
    /// The most that a peer has us hold by not reading: sealed bytes, and answers to its handshakes.
    private static let maxHeld = 512 << 10
    /// What a whole record takes, and what it adds.
    private static let record = 16_384 + recordOverhead
    private static let recordOverhead = 30

    /// - Parameter alreadyRead: ciphertext read before anybody knew that it was.
    init(_ session: TLSSession, _ buffers: BufferPool, alreadyRead: ByteBuffer? = nil) {
        self.session = session
        self.buffers = buffers
        if let alreadyRead, alreadyRead.count > 0 {
            input = alreadyRead
            holdsInput = true
        }
    }

    /// Nothing can be sent any more.
    func dropOutput() {
        ciphertext.removeAll(pool: buffers)
        handshakeAhead = 0
    }

    /// Gives the buffers back.
    func drop() {
        buffers.release(&input)
        dropOutput()
        holdsInput = false
    }

    // MARK: In

    /// Lets `body` read ciphertext, as much as `plaintext` bytes and their records take. What was there must be used up.
    func receive(plaintext: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int) {
        let limit = max(plaintext, Self.record) + 1024
        buffers.release(&input)
        used = 0
        let buffer = buffers.takeLarge()
        let count = unsafe buffer.fill { space in
            unsafe body(UnsafeMutableRawBufferPointer(start: space.baseAddress, count: min(space.count, limit)))
        }
        input = consume buffer
        if count > 0 { holdsInput = true } else { buffers.release(&input) }
    }

    /// Goes on with the handshake.
    func shakeHands() -> TLSSession.Outcome {
        let outcome = session.shakeHands(input, from: &used)
        if outcome == .done { details = session.makeDetails() }
        settle()
        return outcome
    }

    /// Opens what has been read, as much as fits into `buffer`, which has room.
    func open(into buffer: ByteBuffer) -> TLSSession.Outcome {
        let outcome = session.open(input, from: &used, into: buffer)
        settle()
        if outcome == .ended {
            hasEnded = true
            holdsInput = false
        }
        return outcome
    }

    private func settle() {
        if let count = input?.count, used == count {
            buffers.release(&input)
            used = 0
        }
        holdsInput = input != nil || session.hasPending
    }

    // MARK: Out

    /// Bytes that the kernel has not taken.
    var queued: Int { ciphertext.count }

    /// Queues bytes that go as they are, ahead of the handshake.
    func sendClear(_ bytes: Span<UInt8>) {
        ciphertext.append(bytes, pool: buffers)
        handshakeAhead += bytes.count
    }

    /// Queues what the session has to say besides. False when the peer makes us hold too much.
    func collect() -> Bool {
        let waiting = session.unsent
        guard waiting > 0 else { return true }
        if ciphertext.count == handshakeAhead { handshakeAhead += waiting }
        while session.unsent > 0 {
            ciphertext.reserve(1, preferring: session.unsent, pool: buffers) { session.takeUnsent(into: $0) }
        }
        return ciphertext.count <= Self.maxHeld
    }

    /// Seals the head of `output`. False when the session cannot.
    func seal(_ output: inout OutputQueue) -> Bool {
        var isSound = true
        while isSound, !output.isEmpty, ciphertext.count < Self.maxSealed {
            let records = output.count / 16_384 + 1
            let needed = output.count + records * Self.recordOverhead + 1
            let pool = buffers
            // At least a whole record, or all there is, goes to one buffer.
            ciphertext.reserve(min(needed, Self.record + 1), preferring: needed, pool: pool) { buffer in
                isSound = output.seal(with: session, into: buffer, pool: pool)
            }
            if !collect() { return false }
        }
        return isSound
    }

    /// Queues close_notify, once.
    func sayGoodbye() {
        guard !hasSaidGoodbye, details != nil else { return }
        hasSaidGoodbye = true
        session.sayGoodbye()
        _ = collect()
    }

    /// One system call. `application`: how much of what was sent carries the owner's bytes.
    func send(to descriptor: Int32, isLast: Bool) -> (sent: Int, offered: Int, application: Int) {
        let (sent, offered) = ciphertext.send(to: descriptor, isLast: isLast, pool: buffers)
        let handshake = min(max(sent, 0), handshakeAhead)
        handshakeAhead -= handshake
        return (sent, offered, max(sent, 0) - handshake)
    }
}
