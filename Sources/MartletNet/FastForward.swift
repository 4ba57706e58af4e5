internal import CLinux
internal import MartletCore

#if canImport(Glibc)
internal import Glibc
#endif

/// Bytes that go from one socket to another as they are, and small ones: the loop receives and sends them by itself, without
/// asking an object or counting a reference. Whatever is out of the ordinary ends it, and the sockets' owner takes over.
struct FastForward {
    enum Outcome: Equatable {
        /// What had arrived has been sent, all of it.
        case passed
        /// There may be more than the buffer took, or this was the peer's end: who reads finds out.
        case unfinished
        /// The sink took no more than so many of the bytes in the buffer.
        case stuck(sent: Int)
        /// The sink is broken, and took none: an errno, which the kernel tells once.
        case refused(Int32)
        /// The source is broken: an errno, which the kernel tells once.
        case failed(Int32)
    }

    private let source: Int32
    private let sink: Int32
    /// Bytes that have passed since they were last taken.
    private(set) var passed: UInt64 = 0
    private(set) var lastPassed: Instant

    init(from source: Int32, to sink: Int32, at now: Instant) {
        self.source = source
        self.sink = sink
        lastPassed = now
    }

    /// One system call to receive and one to send what there is. `buffer` holds it afterwards.
    @inline(__always)
    mutating func pass(through buffer: ByteBuffer, at now: Instant) -> Outcome {
        buffer.removeAll()
        var failure: Int32 = 0
        let received = unsafe buffer.fill { space in
            let result = unsafe mrt_recv(source, space.baseAddress, space.count)
            if result < 0 { failure = Int32(-result) }
            return Int(max(result, 0))
        }
        guard received > 0 else { return failure == 0 ? .unfinished : failure == EAGAIN ? .passed : .failed(failure) }
        let sent = unsafe buffer.withUnsafeBytes(in: 0..<received) {
            unsafe Int(mrt_send(sink, $0.baseAddress, $0.count, false))
        }
        guard sent >= 0 || sent == -Int(EAGAIN) else { return .refused(Int32(-sent)) }
        lastPassed = now
        passed &+= UInt64(max(sent, 0))
        guard sent == received else { return .stuck(sent: max(sent, 0)) }
        // A short read has emptied the socket; what comes later raises a new edge.
        return buffer.free > 0 ? .passed : .unfinished
    }

    mutating func takePassed() -> UInt64 {
        defer { passed = 0 }
        return passed
    }
}
