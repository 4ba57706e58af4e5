import Foundation
import MartletCore
import MartletTesting
import Testing

@testable import MartletNet

/// A loop that the test turns itself, with a TLS server on it.
final class LoopRig: TimerTarget {
    let loop: EventLoop
    private var listener: ListenerSocket?
    private(set) var port: UInt16 = 0
    /// What was accepted, in order.
    private(set) var accepted: [Party] = []
    private var gaveUp = false

    init() throws { loop = try EventLoop() }

    deinit {
        listener?.close()
        // Closes what is open: sockets and their loop hold each other.
        loop.stop()
        loop.run()
    }

    /// - Parameter makes: how an accepted party behaves.
    func listen(_ context: TLSServerContext?, _ makes: @escaping (Party) -> Void = { _ in }) throws {
        let address = try #require(SocketAddress(ip: "127.0.0.1", port: 0))
        let bound = try BoundSocket(address)
        port = bound.address.port ?? 0
        listener = try ListenerSocket(
            loop: loop, bound, starved: { _ in },
            accepted: { [unowned self] socket, _ in
                let party = Party(socket)
                makes(party)
                accepted.append(party)
                try? socket.start(party)
                if let context { try? socket.startTLS(context) }
            })
    }

    func stopListening() {
        listener?.close()
        listener = nil
    }

    func dial(_ target: TLSClientTarget?, port: UInt16? = nil, resuming: TLSClientSession? = nil) throws -> Party {
        let address = try #require(SocketAddress(ip: "127.0.0.1", port: port ?? self.port))
        let socket =
            if let target {
                try StreamSocket(loop: loop, connectingTo: address, tls: target, resuming: resuming)
            } else {
                try StreamSocket(loop: loop, connectingTo: address)
            }
        let party = Party(socket)
        try socket.start(party)
        return party
    }

    func timerFired(_ tag: UInt8) { gaveUp = true }

    /// Turns until `condition` holds.
    func run(_ comment: Comment = "", until condition: () -> Bool) throws {
        let timer = loop.arm(at: loop.now + .milliseconds(UInt64(patience)), self, tag: 0)
        while !condition(), !gaveUp { loop.turn() }
        loop.cancel(timer)
        try #require(!gaveUp, comment)
    }

    /// Turns while a program of another author runs; what it printed.
    func run(_ tool: String, _ arguments: [String], input: String = "") throws -> (code: Int32, output: String) {
        typealias Ended = (code: Int32, output: String)
        let mailbox = try Mailbox<Ended>()
        var ended: Ended?
        let source = try loop.attach(mailbox) { ended = mailbox.drain().first ?? ended }
        defer { source.close() }
        Thread.detachNewThread {
            mailbox.post((try? Tool.run(tool, arguments, input: input)) ?? (-1, "did not start"))
        }
        try run("\(tool) \(arguments)") { ended != nil }
        return try #require(ended)
    }
}

/// One end of a connection, and what it came to.
final class Party: StreamSocketOwner {
    let socket: StreamSocket
    private(set) var received: [UInt8] = []
    private(set) var isConnected = false
    private(set) var hasEnded = false
    private(set) var isClosed = false
    private(set) var failure: SystemError?
    /// At most so much is read at once.
    var readSize = 1 << 16
    var onConnected: (Party) -> Void = { _ in }
    var onReceived: (Party) -> Void = { _ in }
    var onDrained: (Party) -> Void = { _ in }
    var onEnd: (Party) -> Void = { _ in }

    init(_ socket: StreamSocket) { self.socket = socket }

    var text: String { String(decoding: received, as: UTF8.self) }

    func write(_ text: String) { socket.write(Array(text.utf8).span) }

    func forget() { received = [] }

    func socketConnected(_ socket: StreamSocket) {
        #expect(!isConnected)
        isConnected = true
        onConnected(self)
    }

    func socketReadable(_ socket: StreamSocket) {
        while true {
            let buffer = ByteBuffer(capacity: readSize)
            switch socket.read(into: buffer) {
            case .bytes(let count):
                #expect(count == buffer.count && count > 0)
                received += buffer.bytes().array()
                onReceived(self)
                guard socket.mayHaveMore else { return }
            case .nothing: return
            case .end:
                hasEnded = true
                onEnd(self)
                return
            case .failed(let error):
                failure = error
                return
            }
        }
    }

    func socketDrained(_ socket: StreamSocket) { onDrained(self) }
    func socketFailed(_ socket: StreamSocket, _ error: SystemError) { failure = error }
    func socketClosed(_ socket: StreamSocket) { isClosed = true }
}
