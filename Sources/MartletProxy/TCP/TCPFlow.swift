internal import MartletFilter
internal import MartletNet

/// One direction of a relayed connection: what it has moved, and how.
final class TCPFlow {
    let source: StreamSocket
    let sink: StreamSocket
    /// Bytes that came from the source.
    private(set) var received: UInt64 = 0
    private let counter: Counter?
    /// The source sent its last byte.
    var isEnded = false
    /// Holds bytes on their way to the sink.
    var pipe: SplicePipe?
    private var run = 0
    /// Much is coming, so that it pays to leave it in the kernel.
    private(set) var isBulk = false

    /// Reads of at least this size count as much, and lesser ones as little, once so many came in a row. Below it a pipe's extra
    /// system calls cost what the copy would.
    private static let much = 32_768
    private static let little = 8192
    private static let inARow = 4

    init(from source: StreamSocket, to sink: StreamSocket, counted counter: Counter?) {
        self.source = source
        self.sink = sink
        self.counter = counter
    }

    func count(_ bytes: Int) {
        received &+= UInt64(bytes)
        counter?.add(UInt64(bytes))
    }

    func moved(_ count: Int) {
        self.count(count)
        let speaksForChange = isBulk ? count < Self.little : count >= Self.much
        run = speaksForChange ? run + 1 : 0
        guard run == Self.inARow else { return }
        isBulk.toggle()
        run = 0
    }

    /// What it held has been sent, or nobody wants it.
    func releasePipe() { if let pipe = pipe.take() { source.loop.pipes.release(pipe) } }
}
