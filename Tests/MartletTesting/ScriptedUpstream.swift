internal import Foundation
internal import MartletCore
internal import Synchronization

/// A server whose every connection is handled by the test's own code, on a thread of its own.
public final class ScriptedUpstream: Sendable {
    private let listener: TCPListener
    // Written by connection threads, read by the test.
    private let requests = Locked<[String]>([])
    private let connections = Locked(0)
    private let count = Locked(0)
    public var port: UInt16 { listener.port }

    /// - Parameter handle: gets each connection; it is closed when this returns.
    public init(_ handle: @escaping @Sendable (ScriptedUpstream, TCPSocket) -> Void) throws {
        listener = try TCPListener()
        let listener = self.listener
        Thread.detachNewThread { [weak self] in
            while let connection = listener.accept() {
                guard let self else { return }
                self.connections.withLock { $0 += 1 }
                Thread.detachNewThread { handle(self, connection) }
            }
        }
    }

    deinit { listener.stop() }

    public func stop() { listener.stop() }

    /// Answers every request with `response`, keeping connections alive, and records heads and bodies.
    public static func answering(_ response: @escaping @Sendable (String) -> String) throws -> ScriptedUpstream {
        try ScriptedUpstream { upstream, connection in
            while let request = connection.nextRequest({ upstream.add($0) }) {
                upstream.record(request)
                do { try connection.send(response(request)) } catch { return }
            }
        }
    }

    public static func answering(_ response: String) throws -> ScriptedUpstream { try answering { _ in response } }

    private func add(_ bytes: Int) { count.withLock { $0 += bytes } }
    /// Bytes that came to an upstream made by `answering`, whole requests or not.
    public var receivedBytes: Int { count.withLock { $0 } }

    public func record(_ request: String) { requests.withLock { $0.append(request) } }

    /// Everything recorded so far.
    public var recorded: [String] { requests.withLock { $0 } }
    public var accepted: Int { connections.withLock { $0 } }
}

extension TCPSocket {
    /// The next whole request, read as a lenient server would: by its Content-Length, or its chunks up to the last.
    public func nextRequest(_ received: (Int) -> Void = { _ in }) -> String? {
        while true {
            if let length = Self.requestLength(self.received) {
                let request = String(decoding: self.received[..<length], as: UTF8.self)
                drop(length)
                return request
            }
            guard case .bytes(let count) = receive() else { return nil }
            received(count)
        }
    }

    static func requestLength(_ bytes: [UInt8]) -> Int? {
        guard let headEnd = find("\r\n\r\n", in: bytes, from: 0) else { return nil }
        let head = String(decoding: bytes[..<headEnd], as: UTF8.self).lowercased()
        let bodyStart = headEnd + 4
        if head.contains("transfer-encoding: chunked") {
            guard let last = find("\r\n0\r\n", in: bytes, from: bodyStart - 2),
                let finish = find("\r\n\r\n", in: bytes, from: last + 3)
            else { return nil }
            return finish + 4
        }
        guard let field = head.range(of: "content-length: ") else { return bodyStart }
        let length = bodyStart + (Int(head[field.upperBound...].prefix { $0.isNumber }) ?? 0)
        return bytes.count >= length ? length : nil
    }

    /// Bytes, not characters: CR LF is one character to Swift.
    private static func find(_ text: String, in bytes: [UInt8], from start: Int) -> Int? {
        let pattern = Array(text.utf8)
        guard bytes.count >= start + pattern.count else { return nil }
        return (start...(bytes.count - pattern.count)).first { bytes[$0..<($0 + pattern.count)].elementsEqual(pattern) }
    }
}
