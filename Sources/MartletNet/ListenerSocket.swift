internal import CLinux
internal import MartletCore

#if canImport(Glibc)
internal import Glibc
#endif

/// A descriptor bound and listening, not yet on a loop. Opened off the workers so that a reload can refuse an address
/// that cannot be bound before anything changes; then moved to the worker that accepts on it.
package struct BoundSocket: ~Copyable, Sendable {
    fileprivate let descriptor: Int32
    package let address: SocketAddress

    /// - Parameter backlog: as in listen(2); the kernel caps it at `net.core.somaxconn`.
    package init(_ address: SocketAddress, backlog: Int32 = 4096) throws(SystemError) {
        var raw = address.raw
        if address.family == .unix { Self.removeStaleSocket(address.host) }
        descriptor = try SystemError.check("listen on \(address)", unsafe mrt_listen(&raw, backlog, 1, 1))
        var bound = mrt_address()
        // Port 0 asks the kernel for a free one; report which.
        self.address =
            unsafe mrt_local_address(descriptor, &bound) == 0 && address.family != .unix
            ? SocketAddress(raw: bound) : address
    }

    /// Fails when anybody listens on `address`. SO_REUSEPORT alone would let a second proxy of the same user share the
    /// port in silence.
    package static func requireFree(_ address: SocketAddress) throws(SystemError) {
        guard address.family != .unix, address.port != 0 else { return }
        var raw = address.raw
        mrt_close(try SystemError.check("listen on \(address)", unsafe mrt_listen(&raw, 1, 0, 1)))
    }

    deinit { mrt_close(descriptor) }

    /// A second descriptor of the same socket, for a worker that shares it: unix sockets know no SO_REUSEPORT.
    package func duplicate() throws(SystemError) -> BoundSocket {
        let copy = dup(descriptor)
        guard copy >= 0 else { throw SystemError(call: "dup", code: errno) }
        _ = fcntl(copy, F_SETFD, FD_CLOEXEC)
        return BoundSocket(descriptor: copy, address: address)
    }

    private init(descriptor: Int32, address: SocketAddress) {
        self.descriptor = descriptor
        self.address = address
    }

    /// A unix socket's file outlives a process that was killed. It is removed only when nobody answers on it.
    private static func removeStaleSocket(_ path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK,
            let address = SocketAddress(unixPath: path)
        else { return }
        var raw = address.raw
        var probe: Int32 = -1
        let result = unsafe mrt_connect(&raw, &probe)
        if probe >= 0 { mrt_close(probe) }
        if result == -ECONNREFUSED { _ = unsafe unlink(path) }
    }

    fileprivate consuming func take() -> Int32 {
        let fd = descriptor
        discard self
        return fd
    }
}

/// Accepts on one worker's loop.
package final class ListenerSocket: EventSource, TimerTarget {
    private let loop: EventLoop
    private let descriptor: Int32
    package let address: SocketAddress
    private var slot: Int32 = -1
    private var accepted: ((StreamSocket, SocketAddress) -> Void)?
    /// Told when accepting fails for want of descriptors or memory; accepting pauses for a moment then.
    private var starved: ((SystemError) -> Void)?
    private var isWatching = false
    private var pause: TimerID?

    /// Connections taken a turn: the rest waits in the kernel's queue, so that a flood of new ones cannot starve the old.
    private static let batch = 64
    private static let pauseAfterFailure = Nanoseconds.milliseconds(50)

    package init(
        loop: EventLoop, _ bound: consuming BoundSocket, starved: @escaping (SystemError) -> Void,
        accepted: @escaping (StreamSocket, SocketAddress) -> Void
    ) throws(SystemError) {
        self.loop = loop
        address = bound.address
        descriptor = bound.take()
        self.accepted = accepted
        self.starved = starved
        do throws(SystemError) {
            slot = try loop.register(descriptor, self, .level)
        } catch {
            mrt_close(descriptor)
            throw error
        }
        isWatching = true
    }

    func eventsReady(_ flags: UInt32) { accept(atMost: Self.batch) }

    private func accept(atMost count: Int) {
        for _ in 0..<count {
            guard let accepted else { return }
            var peer = mrt_address()
            let fd = unsafe mrt_accept(descriptor, &peer)
            if fd >= 0 {
                accepted(StreamSocket(loop: loop, accepted: fd), SocketAddress(raw: peer))
                continue
            }
            switch -fd {
            case EAGAIN: return
            // Gone before it was taken (accept(2)): the next may be fine.
            case ECONNABORTED, EINTR, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH: continue
            default:
                starved?(SystemError(call: "accept", code: -fd))
                return rest()
            }
        }
    }

    /// Level-triggered and full would spin: look away for a moment.
    private func rest() {
        guard isWatching else { return }
        isWatching = false
        loop.deregister(slot, descriptor, isClosing: false)
        pause = loop.arm(at: loop.now + Self.pauseAfterFailure, self, tag: 0)
    }

    package func timerFired(_ tag: UInt8) {
        pause = nil
        guard accepted != nil, !isWatching else { return }
        do throws(SystemError) {
            slot = try loop.register(descriptor, self, .level)
            isWatching = true
        } catch {
            pause = loop.arm(at: loop.now + Self.pauseAfterFailure, self, tag: 0)
        }
    }

    func runAgain() {}

    /// What is accepted from now on is another's.
    package func hand(
        starved: @escaping (SystemError) -> Void, accepted: @escaping (StreamSocket, SocketAddress) -> Void
    ) {
        self.starved = starved
        self.accepted = accepted
    }

    /// Stops accepting. Connections already accepted are not touched. With SO_REUSEPORT, those still in this socket's
    /// queue would be reset by closing it, so they are taken first.
    package func close() {
        guard accepted != nil else { return }
        if isWatching { accept(atMost: .max) }
        accepted = nil
        starved = nil
        if let pause { loop.cancel(pause) }
        if isWatching { loop.deregister(slot, descriptor, isClosing: false) }
        isWatching = false
        mrt_close(descriptor)
    }
}
