import Foundation
import MartletCore
import MartletTesting
import Synchronization

/// Bytes that anybody can make again and check, however many there are: a block over and over, whose length is prime, so that
/// nothing that moves buffers of its own sizes could lose or swap one unseen.
struct ByteStream {
    private let block: [UInt8]
    private var place = 0

    init(seed: UInt64) {
        var state = seed
        block = (0..<65_521).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }

    mutating func next(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            let piece = block[place..<min(block.count, place + count - bytes.count)]
            bytes += piece
            place = piece.endIndex == block.count ? 0 : piece.endIndex
        }
        return bytes
    }
}

extension TCPSocket {
    /// Sends so many bytes of a stream, in pieces.
    func send(_ total: Int, seed: UInt64, piece: Int = 100_000) throws {
        var stream = ByteStream(seed: seed)
        var left = total
        while left > 0 {
            let count = min(left, piece)
            try send(stream.next(count))
            left -= count
        }
    }

    /// Receives to the peer's end; whether it was so many bytes of that stream, and nothing else.
    func receive(_ total: Int, seed: UInt64) -> Bool {
        var stream = ByteStream(seed: seed)
        var left = total
        while true {
            switch receive() {
            case .bytes(let count):
                guard count <= left, received == stream.next(count) else { return false }
                left -= count
                forget()
            case .end: return left == 0
            case .timeout, .failed: return false
            }
        }
    }

    /// Receives until there is an end or an error, and tells which.
    func receiveEnding() -> Received {
        while true {
            let step = receive()
            guard case .bytes = step else { return step }
        }
    }
}

/// Work on a thread of its own, whose outcome is waited for.
final class Errand<Outcome: Sendable>: Sendable {
    private let outcome = Locked<Outcome?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(_ work: @escaping @Sendable () -> Outcome) {
        Thread.detachNewThread { [self] in
            let result = work()
            outcome.withLock { $0 = result }
            done.signal()
        }
    }

    var isDone: Bool { outcome.withLock { $0 != nil } }

    /// Nil when it did not end in time.
    func wait() -> Outcome? {
        guard done.wait(timeout: .now() + 60) == .success else { return nil }
        return outcome.withLock { $0 }
    }
}

/// A proxy with a tcp listener.
enum TCPRig {
    static let log = "    access_log: { path: access.log, format: json }\n"

    static func listener(_ more: String = "    cluster: up") -> String { "\(log)    protocol: tcp\n\(more)" }

    /// The log's lines once there are so many of them.
    static func logged(_ proxy: TestProxy, _ count: Int = 1) -> [String] {
        let path = proxy.directory.appendingPathComponent("access.log").path
        func lines() -> [String] {
            ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
        }
        _ = eventually { lines().count >= count }
        return lines()
    }

    /// Says its name to whoever connects, and ends.
    static func naming(_ name: String) throws -> ScriptedUpstream {
        try ScriptedUpstream { _, connection in
            try? connection.send(name)
            connection.finishSending()
            connection.receiveToEnd()
        }
    }

    /// Sends back what it gets, and its end.
    static func echo() throws -> ScriptedUpstream {
        try ScriptedUpstream { _, connection in
            while case .bytes = connection.receive() {
                guard (try? connection.send(connection.received)) != nil else { return }
                connection.forget()
            }
            connection.finishSending()
        }
    }

    static func clusters(_ ports: [(String, UInt16)]) -> String {
        "clusters:\n" + ports.map { "  - { name: \($0.0), endpoints: [\"127.0.0.1:\($0.1)\"] }\n" }.joined()
    }
}
