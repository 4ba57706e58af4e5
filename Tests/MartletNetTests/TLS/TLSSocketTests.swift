import MartletCore
import MartletTesting
import Testing

@testable import MartletNet

@Suite("TLS between two sockets")
struct TLSSocketTests {
    @Test("a question and its answer", arguments: TLSDetails.Version.allCases)
    func exchange(version: TLSDetails.Version) throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server()) { $0.onReceived = { $0.write("to " + $0.text) } }
        let client = try rig.dial(TLSFixture.target(version))
        client.onConnected = { #expect($0.socket.sentBytes == 0 && $0.socket.queuedBytes > 0) }
        // Written before there is anybody to send it to: it waits for the end of the handshake.
        client.write("you")
        try rig.run { client.text == "to you" }
        #expect(client.socket.tls?.version == version && client.socket.tls?.isPeerValidated == true)
        #expect(rig.accepted[0].socket.tls?.serverName == "a.test")
        client.socket.closeWhenFlushed()
        try rig.run { rig.accepted[0].hasEnded }
        #expect(client.isClosed && !rig.accepted[0].socket.endedWithoutCloseNotify)
    }

    @Test(
        "megabytes both ways at once, read in small pieces", arguments: TLSDetails.Version.allCases,
        [100, 5000, 70_000])
    func bulk(version: TLSDetails.Version, readSize: Int) throws {
        let count = readSize == 100 ? 200_000 : 2_000_000
        let bytes = [UInt8](repeating: 0, count: count / 8).indices.flatMap {
            [UInt8](repeating: UInt8($0 % 251), count: 8)
        }
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server()) {
            $0.readSize = readSize
            $0.onConnected = { $0.socket.write(ByteSlice(copying: bytes)) }
        }
        let client = try rig.dial(TLSFixture.target(version))
        client.readSize = readSize
        client.socket.write(ByteSlice(copying: bytes))
        try rig.run { client.received.count >= count && rig.accepted.first?.received.count ?? 0 >= count }
        #expect(client.received == bytes && rig.accepted[0].received == bytes)
        #expect(client.socket.queuedBytes == 0)
        #expect(client.socket.sentBytes > UInt64(count) && client.socket.sentBytes < UInt64(count + count / 100))
    }

    @Test("bytes that were read before anybody knew of TLS, whatever their number", arguments: [1, 5, 100, 511])
    func alreadyRead(count: Int) throws {
        let context = try TLSFixture.server()
        let rig = try LoopRig()
        try rig.listen(nil) { party in
            party.readSize = count
            party.onReceived = { party in
                guard party.socket.tls == nil else { return party.write("ok") }
                let read = ByteBuffer(capacity: 1000)
                read.append(party.received.span)
                party.forget()
                #expect(throws: Never.self) { try party.socket.startTLS(context, alreadyRead: read) }
            }
        }
        let client = try rig.dial(TLSFixture.target())
        client.write("?")
        try rig.run { client.text == "ok" }
        #expect(rig.accepted[0].text == "?")
    }

    @Test("a pause keeps what has been opened, and resuming brings it")
    func pause() throws {
        let rig = try LoopRig()
        let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try rig.listen(TLSFixture.server()) { $0.onConnected = { $0.socket.write(bytes.span) } }
        let client = try rig.dial(TLSFixture.target())
        client.readSize = 1000
        client.onReceived = { party in
            guard party.received.count % 7000 == 0 else { return }
            party.socket.pauseReading()
            party.socket.loop.runNextTurn(Resumption(party.socket))
        }
        try rig.run { client.received.count == bytes.count }
        #expect(client.received == bytes)
    }

    private final class Resumption: TimerTarget {
        let socket: StreamSocket
        init(_ socket: StreamSocket) { self.socket = socket }
        func timerFired(_ tag: UInt8) { socket.resumeReading() }
    }

    @Test("a peer that is slow to read is not sent, or sealed for, without end")
    func backPressure() throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server())
        let client = try rig.dial(TLSFixture.target())
        try rig.run { client.isConnected && rig.accepted.first?.isConnected == true }
        let server = rig.accepted[0]
        client.socket.pauseReading()
        let total = 30_000_000
        server.socket.write(ByteSlice(copying: [UInt8](repeating: 7, count: total)))
        var drained = false
        server.onDrained = { _ in drained = true }
        server.socket.wantsDrained = true
        for _ in 0..<50 { rig.loop.runNextTurn(Resumption(server.socket)); rig.loop.turn() }
        #expect(!drained && server.socket.queuedBytes > 1_000_000)
        client.socket.resumeReading()
        try rig.run { client.received.count == total }
        #expect(drained && server.socket.queuedBytes == 0)
    }

    @Test("the end of one direction leaves the other open, and is no truncation")
    func halfClose() throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server()) { party in
            party.onEnd = {
                $0.write("got " + $0.text)
                $0.socket.closeWhenFlushed()
            }
        }
        let client = try rig.dial(TLSFixture.target())
        client.onConnected = {
            $0.write("all")
            $0.socket.shutdownWhenFlushed()
        }
        try rig.run { client.hasEnded }
        #expect(client.text == "got all" && !client.socket.endedWithoutCloseNotify)
        #expect(!rig.accepted[0].socket.endedWithoutCloseNotify)
    }

    @Test("a name that the certificate does not bear is refused on both sides")
    func wrongName() throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server())
        let client = try rig.dial(TLSFixture.target(names: [.dns("b.test"), .dnsSuffix(".c.test")]))
        try rig.run { client.failure != nil && rig.accepted.first?.failure != nil }
        #expect(client.failure?.tls?.kind == .wrongName)
        #expect(
            client.failure?.description == "TLS: no name of the certificate is one of: b.test, *.c.test")
        #expect(rig.accepted[0].failure?.tls?.kind == .alert)
        #expect(!client.isConnected && !rig.accepted[0].isConnected)
    }

    @Test("a peer that speaks no TLS is told, and nothing in clear text is answered")
    func plainPeer() throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server()) { $0.onConnected = { $0.write("secret") } }
        let client = try rig.dial(nil)
        client.write("GET / HTTP/1.1\r\n\r\n")
        try rig.run { client.hasEnded || client.failure != nil }
        #expect(rig.accepted[0].failure?.tls?.kind == .protocolError)
        #expect(rig.accepted[0].failure?.description == "TLS: http request")
        #expect(!client.text.contains("secret"))
    }

    @Test("a peer that goes away in the handshake")
    func earlyEnd() throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server())
        let client = try rig.dial(nil)
        client.onConnected = {
            $0.socket.write([0x16, 3, 1].span)
            $0.socket.shutdownWhenFlushed()
        }
        try rig.run { rig.accepted.first?.failure != nil }
        #expect(rig.accepted[0].failure?.tls?.kind == .ended)
    }

    @Test("a reset stream is a truncated one")
    func truncation() throws {
        let rig = try LoopRig()
        try rig.listen(TLSFixture.server())
        let client = try rig.dial(TLSFixture.target())
        try rig.run { client.isConnected && rig.accepted.first?.isConnected == true }
        // As a process that is killed: the kernel closes, nobody says goodbye.
        client.socket.drop()
        try rig.run { rig.accepted[0].hasEnded }
        #expect(rig.accepted[0].socket.endedWithoutCloseNotify)
    }
}
