package import MartletCore

/// Small messages that pass unseen. While it lasts, both sockets are open, plain and writable, nothing is queued on the sink, and the
/// source has been read to its end: whoever changes one of these ends it first.
extension StreamSocket {
    /// From now on the loop sends what arrives here to `sink` by itself, until there is more than a small message, an end or a fault:
    /// then the owner hears of it as if nothing had been.
    /// - Returns: false when that cannot be now.
    package func forward(to sink: StreamSocket) -> Bool {
        guard slot >= 0, isPlain, sink.isPlain, forwardSink == nil, sink.feeder < 0, sink !== self else { return false }
        guard state == .open, !isReadable, !isReadingPaused, !isPeerClosed, isWritable else { return false }
        guard sink.state == .open, sink.isWritable, !sink.isWriteBroken, !sink.isEnding, sink.queuedBytes == 0 else {
            return false
        }
        loop.beginForwarding(slot, FastForward(from: descriptor, to: sink.descriptor, at: loop.now))
        forwardSink = sink
        sink.feeder = slot
        return true
    }

    package var isForwarding: Bool { forwardSink != nil }

    /// Bytes received for `forward(to:)` since the last call, and when the last of them passed.
    package func takeForwarded() -> (bytes: UInt64, last: Instant) {
        settleForwarded()
        defer { forwarded.bytes = 0 }
        return forwarded
    }

    private func settleForwarded() {
        guard let sink = forwardSink, let (bytes, last) = loop.takeForwarded(slot) else { return }
        sink.addSent(Int(bytes))
        forwarded = (forwarded.bytes &+ bytes, last)
    }

    /// The owner reads again.
    func stopForwarding() {
        settleForwarded()
        guard let sink = forwardSink.take() else { return }
        loop.endForwarding(slot)
        sink.feeder = -1
    }

    /// Whoever forwards to this one stops.
    func stopFeeding() {
        guard feeder >= 0 else { return }
        loop.stream(in: feeder)?.stopForwarding()
    }

    /// The loop could not send all that it had received into `buffer`, but only what is before `sent`.
    func forwardingStuck(_ buffer: ByteBuffer, from sent: Int) {
        let sink = forwardSink
        stopForwarding()
        if let sink {
            sink.write(buffer.bytes(in: sent..<buffer.count))
            sink.wantsDrained = true
        }
        // They were received, and the sink counts them when they are sent.
        forwarded.bytes &+= UInt64(buffer.count - sent)
        isReadable = true
        readAgainNextTurn()
    }

    /// The loop could send nothing of what it had received into `buffer`: the sink is broken.
    func forwardingRefused(_ buffer: ByteBuffer, _ code: Int32) {
        let sink = forwardSink
        stopForwarding()
        forwarded.bytes &+= UInt64(buffer.count)
        isReadable = true
        readAgainNextTurn()
        // Last: it may close both.
        sink?.writeFailed(code)
    }

    func forwardingFailed(_ code: Int32) {
        stopForwarding()
        fail(SystemError(call: "read", code: code))
    }
}
