internal import MartletCore

/// How far ahead of its peer an HTTP/2 connection works, whichever side it is on.
enum HTTP2Pace {
    /// Bytes of frames made before the kernel has taken those before: enough to keep it busy, and few, so that what is urgent
    /// does not wait behind much.
    static let outputAhead = 131_072
    /// Bytes of a stream's body that are left when its exchange is asked for more; below the smallest `stream_buffer`.
    static let drainedAt = 2048
    /// An idle connection holds no buffers after so long; sooner they are needed again.
    static let trimTime = Nanoseconds.seconds(2)
}
