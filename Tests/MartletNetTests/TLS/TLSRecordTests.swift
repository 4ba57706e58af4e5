import MartletCore
import MartletTesting
import Testing

@testable import MartletNet

@Suite("TLS records")
struct TLSRecordTests {
    /// A pair whose handshake is over, with empty boxes.
    private func pair(_ version: TLSDetails.Version = .tls13) throws -> TLSPair {
        var pair = try TLSPair(TLSFixture.server(), TLSFixture.target(version))
        pair.shakeHands()
        try #require(pair.isDone)
        pair.server.inbox.removeAll()
        pair.client.inbox.removeAll()
        (pair.server.used, pair.client.used) = (0, 0)
        return pair
    }

    /// How many records, and that they are whole.
    private func records(_ bytes: Span<UInt8>) -> Int {
        var (at, found) = (0, 0)
        while at + 5 <= bytes.count {
            at += 5 + Int(bytes[at + 3]) << 8 + Int(bytes[at + 4])
            found += 1
        }
        #expect(at == bytes.count)
        return found
    }

    private func sealed(_ session: TLSSession, _ pieces: [Int], into buffer: ByteBuffer) -> OutputQueue {
        let pool = BufferPool()
        var queue = OutputQueue()
        for count in pieces { queue.append(ByteSlice(copying: [UInt8](repeating: 0x61, count: count))) }
        while !queue.isEmpty, buffer.free > 64 {
            let before = buffer.count
            guard queue.seal(with: session, into: buffer, pool: pool), buffer.count > before else { break }
        }
        return queue
    }

    @Test(
        "small pieces share a record, large ones fill theirs", arguments: TLSDetails.Version.allCases,
        [
            ([300, 100], 1), ([1], 1), ([300, 16_084], 1), ([16_384], 1), ([16_385], 2), ([300, 65_536], 5),
            ([UInt8](repeating: 1, count: 16).map(Int.init), 1), ([10_000, 10_000], 2),
        ])
    func shape(version: TLSDetails.Version, row: (pieces: [Int], records: Int)) throws {
        let pair = try pair(version)
        let buffer = ByteBuffer(capacity: BufferPool.largeCapacity)
        #expect(sealed(pair.server.session, row.pieces, into: buffer).isEmpty)
        #expect(records(buffer.bytes()) == row.records)
        let opened = ByteBuffer(capacity: 1 << 20)
        var used = 0
        #expect(pair.client.session.open(buffer, from: &used, into: opened) == .hungry)
        #expect(opened.count == row.pieces.reduce(0, +) && used == buffer.count)
    }

    @Test("whatever room there is, nothing is lost", arguments: TLSDetails.Version.allCases, [64, 100, 4096, 20_000])
    func tightRoom(version: TLSDetails.Version, room: Int) throws {
        let pair = try pair(version)
        let pool = BufferPool()
        let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
        var queue = OutputQueue()
        for start in stride(from: 0, to: bytes.count, by: 7000) {
            queue.append(ByteSlice(copying: Array(bytes[start..<min(start + 7000, bytes.count)])))
        }
        let opened = ByteBuffer(capacity: 1 << 20)
        while !queue.isEmpty {
            let buffer = ByteBuffer(capacity: room)
            #expect(queue.seal(with: pair.server.session, into: buffer, pool: pool) && pair.server.session.unsent == 0)
            try #require(buffer.count > 0)
            var used = 0
            _ = pair.client.session.open(buffer, from: &used, into: opened)
        }
        #expect(opened.bytes().array() == bytes)
    }

    @Test("bytes opened at every split", arguments: TLSDetails.Version.allCases)
    func splits(version: TLSDetails.Version) throws {
        let pair = try pair(version)
        let buffer = ByteBuffer(capacity: 4096)
        var expected = 0
        for split in 0..<120 {
            buffer.removeAll()
            _ = sealed(pair.server.session, [60], into: buffer)
            expected += 60
            let opened = ByteBuffer(capacity: 64)
            for part in [0..<min(split, buffer.count), min(split, buffer.count)..<buffer.count] {
                let piece = ByteSlice(copying: buffer.bytes(in: part)).buffer
                var used = 0
                _ = pair.client.session.open(piece, from: &used, into: opened)
                #expect(used == piece.count)
            }
            #expect(opened.count == 60)
        }
    }

    @Test("a record that was tampered with ends the connection", arguments: TLSDetails.Version.allCases)
    func tampering(version: TLSDetails.Version) throws {
        let pair = try pair(version)
        let buffer = ByteBuffer(capacity: 4096)
        _ = sealed(pair.server.session, [60], into: buffer)
        var bytes = buffer.bytes().array()
        bytes[30] ^= 1
        var used = 0
        let opened = ByteBuffer(capacity: 4096)
        let outcome = pair.client.session.open(ByteSlice(copying: bytes).buffer, from: &used, into: opened)
        #expect(outcome == .failed && opened.count == 0)
        #expect(pair.client.session.failure.kind == .protocolError)
        // The peer is told: an alert waits.
        #expect(pair.client.session.unsent > 0)
    }

    @Test("key updates are followed, but not without end")
    func keyUpdates() throws {
        var pair = try pair()
        func update() -> TLSSession.Outcome {
            _ = pair.client.session.updateKeys()
            TLSPair.move(pair.client.session, pair.server.inbox, .max)
            let opened = ByteBuffer(capacity: 100)
            return pair.server.session.open(pair.server.inbox, from: &pair.server.used, into: opened)
        }
        for _ in 0..<10 { #expect(update() == .hungry) }
        // The server's answers go out with what it says next.
        #expect(pair.server.session.unsent > 0)
        var outcome = TLSSession.Outcome.hungry
        for _ in 0..<1000 where outcome == .hungry { outcome = update() }
        #expect(outcome == .failed)
        #expect(pair.server.session.failure.description == "too many handshake messages without data")
    }
}
