package import MartletCore

/// Where a session's frames go: a socket's output queue.
package protocol HTTP2Output: AnyObject {
    /// Lets `body` append up to `space` bytes to the queue's end.
    func write(reserving space: Int, _ body: (ByteBuffer) -> Void)
    /// Queues shared bytes.
    func write(_ slice: ByteSlice)
}
