internal import CLinux

/// How a socket ends: now or when its queue is empty, with a FIN or a reset, by its owner or by a fault.
extension StreamSocket {
    func closed() {
        let owner = self.owner
        if resetsWhenFlushed { reset() } else { close() }
        owner?.socketClosed(self)
    }

    func fail(_ call: String, _ code: Int32) { fail(SystemError(call: call, code: code)) }

    func fail(_ error: SystemError) {
        let owner = self.owner
        drop()
        owner?.socketFailed(self, error)
    }

    /// Closes now. Queued output is dropped; the owner hears nothing more.
    package func close() {
        if let secure { sayGoodbye(secure) }
        end(reset: false)
    }

    /// As `close`, without a last word to the peer.
    func drop() { end(reset: false) }

    /// Closes with a TCP reset, so that the peer cannot take what it got for a whole message.
    package func reset() { end(reset: true) }

    private func end(reset: Bool) {
        guard state != .closed else { return }
        stopForwarding()
        stopFeeding()
        state = .closed
        if slot >= 0 { loop.deregister(slot, descriptor, isClosing: true) }
        output.removeAll(pool: buffers)
        pipe = nil
        secure?.drop()
        if reset { mrt_close_reset(descriptor) } else { mrt_close(descriptor) }
        owner = nil
    }

    /// Closes once everything queued has been sent, and tells the owner, maybe from within this call.
    package func closeWhenFlushed() {
        guard state != .closed else { return }
        stopFeeding()
        if queuedBytes == 0 && !isDirty { return closed() }
        closesWhenFlushed = true
    }

    /// As `closeWhenFlushed`, with a reset: what was sent is not the whole.
    package func resetWhenFlushed() {
        resetsWhenFlushed = true
        closeWhenFlushed()
    }

    /// Sends FIN once everything queued has been sent; reading goes on.
    package func shutdownWhenFlushed() {
        guard state == .open else { return }
        stopFeeding()
        if secure != nil {
            shutsDownWhenFlushed = true
            markDirty()
        } else if !hasOutput {
            _ = mrt_shutdown_write(descriptor)
        } else {
            shutsDownWhenFlushed = true
        }
    }
}
