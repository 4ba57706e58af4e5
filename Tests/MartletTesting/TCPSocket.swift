// The kit: real sockets, a proxy in a process of its own, an upstream that a test scripts. It waits for conditions, never
// for time, and gives up after `patience`.

internal import Glibc
internal import Synchronization

/// How long a test waits for what must happen before it fails.
public let patience: Int32 = 20_000

public struct SocketFailure: Error, CustomStringConvertible {
    public let description: String
    init(_ what: String) { description = "\(what): errno \(errno)" }
}

/// A blocking TCP socket with a limit on every wait.
public final class TCPSocket: @unchecked Sendable {
    // Sendable because the descriptor never changes and the kernel serialises calls on it.
    private let descriptor: Int32
    public private(set) var received: [UInt8] = []

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Connects to a port of 127.0.0.1.
    public convenience init(port: UInt16) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = TCPSocket.loopback(port)
        let result = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            throw SocketFailure("connect to \(port)")
        }
        self.init(descriptor: descriptor)
    }

    static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    public func send(_ text: String) throws { try send(Array(text.utf8)) }

    public func send(_ bytes: [UInt8]) throws {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(
                    descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw SocketFailure("send") }
            done += count
        }
    }

    /// As much as the kernel takes without waiting; nil when it takes nothing.
    public func sendWithoutWaiting(_ bytes: [UInt8]) -> Int? {
        let count = unsafe bytes.withUnsafeBytes {
            unsafe Glibc.send(descriptor, $0.baseAddress, bytes.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        }
        return count > 0 ? count : nil
    }

    public func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Closes with a reset.
    public func reset() {
        // Linux dissolves the association and sends the reset, while the descriptor stays ours.
        var nobody = sockaddr()
        nobody.sa_family = sa_family_t(AF_UNSPEC)
        _ = unsafe connect(descriptor, &nobody, socklen_t(MemoryLayout<sockaddr>.size))
    }

    public enum Received: Equatable, Sendable {
        case bytes(Int)
        case end
        case timeout
        case failed
    }

    /// Waits for bytes and adds them to `received`.
    @discardableResult
    public func receive(timeout: Int32 = patience) -> Received {
        var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&poller, 1, timeout) > 0 else { return .timeout }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return count == 0 ? .end : .failed }
        received.append(contentsOf: buffer[..<count])
        return .bytes(count)
    }

    /// Receives and throws away at most `limit` bytes; how many came, nil at the end.
    public func discard(_ limit: Int, timeout: Int32 = patience) -> Int? {
        var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&poller, 1, timeout) > 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: min(limit, 262_144))
        let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
        return count > 0 ? count : nil
    }

    public var text: String { String(decoding: received, as: UTF8.self) }

    /// Receives until `isEnough` holds; false when the peer ended or patience did.
    @discardableResult
    public func receive(until isEnough: (TCPSocket) -> Bool) -> Bool {
        while !isEnough(self) {
            guard case .bytes = receive() else { return isEnough(self) }
        }
        return true
    }

    /// Receives all there is until the peer closes; whether it did.
    @discardableResult
    public func receiveToEnd() -> Bool {
        while true {
            switch receive() {
            case .bytes: continue
            case .end, .failed: return true
            case .timeout: return false
            }
        }
    }

    public func forget() { received = [] }
    func drop(_ count: Int) { received.removeFirst(count) }
}

/// A listening socket on a free port, at 127.0.0.1 and, where there is IPv6, at ::1: whatever `localhost` means.
public final class TCPListener: Sendable {
    private let descriptor: Int32
    public let port: UInt16

    public init() throws {
        guard let (descriptor, port) = Self.listen(AF_INET6) ?? Self.listen(AF_INET) else {
            throw SocketFailure("listen")
        }
        self.descriptor = descriptor
        self.port = port
    }

    private static func listen(_ family: Int32, port: UInt16 = 0) -> (descriptor: Int32, port: UInt16)? {
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var off: Int32 = 0
        unsafe setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, socklen_t(MemoryLayout<Int32>.size))
        // All zeros is every address of either family.
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(family)
        address.sin6_port = port.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let isBound = unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, length) == 0 && Glibc.listen(descriptor, 1024) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else {
            close(descriptor)
            return nil
        }
        // At the same place in both families.
        return (descriptor, UInt16(bigEndian: address.sin6_port))
    }

    deinit { close(descriptor) }

    /// Wakes a waiting `accept` for good.
    public func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Nil once stopped.
    public func accept() -> TCPSocket? {
        let accepted = Glibc.accept(descriptor, nil, nil)
        return accepted >= 0 ? TCPSocket(descriptor: accepted) : nil
    }

    /// A port nobody listens on, and that nobody else in this process is given. Below those that the kernel gives to clients,
    /// for one of them could take it before whoever asked listens on it.
    public static func freePort() throws -> UInt16 {
        for _ in 0..<1000 {
            let next = turn.wrappingAdd(1, ordering: .relaxed).newValue
            let port = UInt16(15_000 + next % 17_000)
            guard let (descriptor, _) = listen(AF_INET6, port: port) ?? listen(AF_INET, port: port) else { continue }
            close(descriptor)
            return port
        }
        throw SocketFailure("no free port")
    }
    // Runs beside each other begin at different places.
    private static let turn = Atomic(Int.random(in: 0..<17_000))
}

/// Waits until `condition` holds, looking again every few milliseconds; whether it did within `patience`.
public func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
    for _ in 0..<(patience / 5) {
        if try condition() { return true }
        _ = poll(nil, 0, 5)
    }
    return try condition()
}
