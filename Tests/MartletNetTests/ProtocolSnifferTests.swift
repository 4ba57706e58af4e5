import MartletCore
import MartletNet
import Testing

@Suite("Telling protocols by their first bytes")
struct ProtocolSnifferTests {
    typealias Kind = ProtocolSniffer.Kind

    /// Bytes, the kind, after how many bytes it is known (nil: only when told that no more will come).
    static let knownTable: [(String, Kind, Int?)] = [
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", .tls, 3),
        ("\u{16}\u{3}\u{0}", .tls, 3),
        ("\u{16}\u{3}\u{4}", .tls, 3),
        ("\u{16}\u{3}\u{5}", .other, 3),
        ("\u{16}\u{2}\u{1}", .other, 2),
        ("\u{16}\u{3}", .tls, nil),
        ("\u{16}", .other, nil),
        ("", .other, nil),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .http2, 14),
        ("PRI * HTTP/2.", .http2, nil),
        ("PRI * HTTP/1.1\r\n", .http1, 12),
        ("PRI /x HTTP/1.1\r\n", .http1, 5),
        ("PRI ", .http2, nil),
        ("PRI", .other, nil),
        ("GET / HTTP/1.1\r\n", .http1, 4),
        ("GET ", .http1, 4),
        ("GET", .http1, nil),
        ("GE", .other, nil),
        ("CONNECT a:1 HTTP/1.1\r\n", .http1, 8),
        ("PROPFIND /dav HTTP/1.1\r\n", .http1, 10),
        ("M-SEARCH * HTTP/1.1\r\n", .http1, 10),
        ("VERSION-CONTROL /x HTTP/1.1\r\n", .http1, 17),
        ("PROPFIND ", .other, nil),
        ("EHLO mail.example\r\n", .other, 6),
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", .other, 5),
        ("PING\r\n", .other, 5),
        ("*1\r\n$4\r\nPING\r\n", .other, 1),
        ("\u{0}\u{0}\u{0}\u{8}", .other, 1),
        (" GET / HTTP/1.1\r\n", .other, 1),
        ("get / HTTP/1.1\r\n", .other, 1),
        ("\r\nGET / HTTP/1.1\r\n", .other, 1),
        (String(repeating: "A", count: 40), .other, 32),
        (String(repeating: "A", count: 30) + " /", .http1, 32),
        (String(repeating: "A", count: 31) + " /", .other, 32),
    ]

    @Test("After as few bytes as it takes, and never another answer later", arguments: knownTable)
    func known(text: String, kind: Kind, needed: Int?) {
        let bytes = Array(text.utf8)
        for count in 0...bytes.count {
            let beginning = bytes.span.extracting(0..<count)
            let found = ProtocolSniffer.kind(of: beginning, isFinal: false)
            #expect(found == (count >= needed ?? .max ? kind : nil), "after \(count) bytes")
            let final = ProtocolSniffer.kind(of: beginning, isFinal: true)
            #expect(final != nil)
            if let found { #expect(final == found) }
        }
        #expect(ProtocolSniffer.kind(of: bytes.span, isFinal: true) == kind)
    }

    @Test("Every beginning of enough bytes has an answer")
    func enough() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let bytes = (0..<ProtocolSniffer.enough).map { _ in UInt8.random(in: 0x41...0x5A, using: &random) }
            #expect(ProtocolSniffer.kind(of: bytes.span, isFinal: false) != nil)
        }
    }
}
