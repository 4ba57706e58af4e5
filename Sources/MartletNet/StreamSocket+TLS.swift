internal import CLinux
package import MartletCore

#if canImport(Glibc)
internal import Glibc
#endif

/// Sockets that speak TLS. The owner's bytes never reach the wire as they are: they are sealed when they are flushed, and
/// nothing is flushed before the handshake is over.
extension StreamSocket {
    /// What the handshake settled; nil without TLS, and before.
    package var tls: TLSDetails? { secure?.details }

    /// `.end` was read, but the peer did not say that it was the end: somebody may have cut the stream short.
    package var endedWithoutCloseNotify: Bool { secure?.isTruncated ?? false }

    /// There is nothing left to read, and the peer is gone without a close_notify, as a process is that was killed
    /// (RFC 8446 section 6.1). It looks without reading.
    package var isCutShort: Bool {
        guard isPeerClosed, state == .open, let secure, !secure.hasEnded, !secure.holdsInput else { return false }
        return mrt_has_ended(descriptor)
    }

    /// The newest session that the server has offered since the last call, to be given to the next connection. With TLS 1.3
    /// it comes after the handshake, so ask when something has been read.
    package func takeTLSSession() -> TLSClientSession? { secure?.session.takeResumption() }

    /// Starts dialling; `socketConnected` comes when the handshake is over.
    /// - Parameter resuming: a session of an earlier connection. Begun under other rules it is not used.
    package convenience init(
        loop: EventLoop, connectingTo address: SocketAddress, tls target: TLSClientTarget,
        resuming: TLSClientSession? = nil
    ) throws(SystemError) {
        guard let session = TLSSession(target, resuming: resuming) else {
            throw SystemError(call: "TLS to \(address)", code: ENOMEM)
        }
        try self.init(loop: loop, connectingTo: address)
        secure = TLSStream(session, buffers)
    }

    /// The peer of an accepted socket is to begin a handshake: `socketConnected` or `socketFailed` tells what came of it,
    /// never from within this call. Nothing must have been written.
    /// - Parameter alreadyRead: what has been read of it; the caller lets go of it.
    package func startTLS(_ context: TLSServerContext, alreadyRead: ByteBuffer? = nil) throws(SystemError) {
        guard state == .open, secure == nil, output.isEmpty else { throw SystemError(call: "TLS", code: EINVAL) }
        guard let session = TLSSession(context) else { throw SystemError(call: "TLS", code: ENOMEM) }
        secure = TLSStream(session, buffers, alreadyRead: alreadyRead)
        state = .handshaking
        if mayHaveMore { readAgainNextTurn() }
    }

    /// Queues what goes ahead of everything, a handshake too, and in the clear. For a socket that is still connecting.
    package func writeAhead(_ bytes: Span<UInt8>) {
        guard state == .connecting else { return }
        if let secure { secure.sendClear(bytes) } else { write(bytes) }
    }

    // MARK: The handshake

    func shakeHands() {
        guard let secure else { return }
        while state == .handshaking {
            let outcome = secure.shakeHands()
            guard secure.collect() else { return fail(Self.tooMuchHeld) }
            if secure.queued > 0 { markDirty() }
            switch outcome {
            case .done: return handshakeEnded()
            case .failed:
                sendLastWords(secure)
                return fail(SystemError(tls: secure.session.failure))
            case .ended: return fail(Self.endedEarly)
            case .hungry: guard isReadable else { return }
            }
            switch receive(secure, plaintext: 0) {
            case .bytes: continue
            case .nothing: return
            case .end: return fail(Self.endedEarly)
            case .failed(let error): return fail(error)
            }
        }
    }

    private func handshakeEnded() {
        state = .open
        owner?.socketConnected(self)
        guard state == .open else { return }
        if !output.isEmpty || closesWhenFlushed { markDirty() }
        if mayHaveMore && !isReadingPaused { owner?.socketReadable(self) }
    }

    private static var endedEarly: SystemError {
        SystemError(tls: TLSFailure(.ended, "the peer went away during the handshake"))
    }

    private static var tooMuchHeld: SystemError {
        SystemError(tls: TLSFailure(.protocolError, "the peer does not read the answers to its handshakes"))
    }

    // MARK: Reading

    /// One system call for ciphertext. `.bytes`: how much there is to open.
    private func receive(_ secure: TLSStream, plaintext: Int) -> ReadResult {
        var result = 0
        var asked = 0
        unsafe secure.receive(plaintext: plaintext) { space in
            asked = space.count
            result = unsafe mrt_recv(descriptor, space.baseAddress, space.count)
            return max(result, 0)
        }
        if result > 0 {
            if result < asked && !isPeerClosed { isReadable = false }
            return .bytes(result)
        }
        isReadable = false
        if result == 0 {
            isPeerClosed = true
            return .end
        }
        return result == -Int(EAGAIN) ? .nothing : .failed(SystemError(call: "read", code: Int32(-result)))
    }

    func read(_ secure: TLSStream, into buffer: ByteBuffer) -> ReadResult {
        guard state == .open, buffer.free > 0 else { return .nothing }
        if secure.hasEnded { return readBehindEnd() }
        while true {
            if secure.holdsInput {
                let before = buffer.count
                let outcome = secure.open(into: buffer)
                guard secure.collect() else { return failed(Self.tooMuchHeld) }
                if secure.queued > 0 { markDirty() }
                if buffer.count > before { return .bytes(buffer.count - before) }
                switch outcome {
                case .done, .hungry: break
                case .ended:
                    isPeerClosed = true
                    isReadable = false
                    return .end
                case .failed:
                    sendLastWords(secure)
                    return failed(SystemError(tls: secure.session.failure))
                }
            }
            guard isReadable else { return .nothing }
            switch receive(secure, plaintext: buffer.free) {
            case .bytes: continue
            case .nothing: return .nothing
            case .end:
                secure.isTruncated = true
                return .end
            case .failed(let error): return failed(error)
            }
        }
    }

    /// Nothing counts after close_notify but that the connection broke.
    private func readBehindEnd() -> ReadResult {
        isReadable = false
        let error = mrt_socket_error(descriptor)
        return error == 0 ? .nothing : failed(SystemError(call: "read", code: error))
    }

    private func failed(_ error: SystemError) -> ReadResult {
        drop()
        return .failed(error)
    }

    // MARK: Writing

    func flush(_ secure: TLSStream) {
        if state == .open {
            if isWriteBroken { secure.dropOutput() }
            guard secure.seal(&output) else {
                // As the kernel has it of writing behind the end.
                return secure.hasSaidGoodbye ? writeFailed(EPIPE) : fail(SystemError(tls: secure.session.failure))
            }
            if output.isEmpty && (closesWhenFlushed || shutsDownWhenFlushed) { secure.sayGoodbye() }
        }
        if secure.queued > 0 {
            let isLast = output.isEmpty && (closesWhenFlushed || shutsDownWhenFlushed)
            let (sent, offered, application) = secure.send(to: descriptor, isLast: isLast)
            if sent < 0 && sent != -Int(EAGAIN) { return writeFailed(Int32(-sent)) }
            addSent(application)
            if sent < offered {
                becameFull()
                return
            }
            // More than is sealed ahead, or than one system call takes.
            if secure.queued > 0 || state == .open && !output.isEmpty { return markDirty() }
        }
        if state == .open { flushed() }
    }

    /// What is queued for the peer just before the socket is closed; what does not go at once is lost.
    func sendLastWords(_ secure: TLSStream) {
        guard isWritable, !isWriteBroken, secure.collect(), secure.queued > 0 else { return }
        _ = secure.send(to: descriptor, isLast: true)
    }

    /// The peer is told that this is the end, when it can be: nothing of the owner's was left unsent.
    func sayGoodbye(_ secure: TLSStream) {
        guard state == .open, output.isEmpty, secure.queued == 0, !isPeerClosed || secure.hasEnded else { return }
        secure.sayGoodbye()
        sendLastWords(secure)
    }
}
