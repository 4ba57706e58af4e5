internal import MartletCore
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
    /// What lately came of it.
    private(set) var load = Load.mixed
    private var run = 0
    private var runsOf = Load.mixed
    /// Its bytes were left to the loop, and nobody has looked at it since.
    private(set) var isLeftToLoop = false

    /// How much comes at a time, which decides how it is passed on.
    enum Load {
        /// Single messages: what is done beside the two system calls for each is felt.
        case small
        case mixed
        /// So much that it pays to leave it in the kernel.
        case bulk
    }

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
        let kind: Load = count >= Self.much ? .bulk : count < Self.little ? .small : .mixed
        run = kind == runsOf ? run + 1 : 1
        runsOf = kind
        if kind != .small && load == .small { load = .mixed }
        if kind != .mixed && run >= Self.inARow { load = kind }
    }

    /// Has the loop pass on what comes, if it is small and both sockets are quiet.
    func forwardIfSmall() {
        guard load == .small, !isEnded else { return }
        isLeftToLoop = source.forward(to: sink)
    }

    /// Something that does not pass unseen has come.
    func forwardingEnded() {
        isLeftToLoop = false
        load = .mixed
        run = 0
    }

    /// Counts what the loop has passed on, and returns when the last of it was.
    func settle() -> Instant {
        let passed = source.takeForwarded()
        if passed.bytes > 0 { count(Int(passed.bytes)) }
        return passed.last
    }

    /// What it held has been sent, or nobody wants it.
    func releasePipe() { if let pipe = pipe.take() { source.loop.pipes.release(pipe) } }
}
