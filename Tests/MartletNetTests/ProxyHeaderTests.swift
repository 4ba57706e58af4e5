import MartletCore
import Testing

@testable import MartletNet

/// One header, as bytes, and what is to be made of it.
struct ProxyHeaderCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]

    init(_ name: String, _ bytes: [UInt8]) {
        testDescription = name
        self.bytes = bytes
    }

    static func line(_ text: String) -> [UInt8] { Array(text.utf8) }

    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]

    static func block(_ command: UInt8, _ family: UInt8, _ body: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? body.count
        return signature + [command, family, UInt8(length >> 8), UInt8(length & 0xFF)] + body
    }

    static let inet: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 2, 0xDD, 0xD5, 0x01, 0xBB]
    static let inet6: [UInt8] =
        [0x20, 1, 0xD, 0xB8] + [UInt8](repeating: 0, count: 11) + [1] + [0x20, 1, 0xD, 0xB8]
        + [UInt8](repeating: 0, count: 11) + [2, 0xDD, 0xD5, 0x01, 0xBB]

    static func path(_ text: String) -> [UInt8] {
        Array(text.utf8) + [UInt8](repeating: 0, count: 108 - text.utf8.count)
    }

    static func tlv(_ type: UInt8, _ value: [UInt8]) -> [UInt8] {
        [type, UInt8(value.count >> 8), UInt8(value.count & 0xFF)] + value
    }

    /// RFC 3720 appendix B.4's polynomial, bit by bit: not the code under test.
    static func checksummed(_ header: [UInt8]) -> [UInt8] {
        var sum: UInt32 = .max
        for byte in header {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0x82F6_3B78 : sum >> 1 }
        }
        sum = ~sum
        return Array(header.dropLast(4)) + (0..<4).map { UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * $0)) }
    }
}

@Suite("PROXY protocol headers")
struct ProxyHeaderTests {
    typealias Case = ProxyHeaderCase

    /// What the decoder says, in a form that compares; every beginning of `bytes` must lead there.
    private func outcome(_ bytes: [UInt8]) -> String {
        let whole = ProxyHeader.decode(bytes.span)
        for cut in 0..<bytes.count {
            let step = ProxyHeader.decode(bytes.span.extracting(0..<cut))
            #expect(step == .needMore || step == whole, "after \(cut) bytes")
        }
        let more = bytes + Array("and what follows\r\n".utf8)
        if whole != .needMore { #expect(ProxyHeader.decode(more.span) == whole, "with more behind it") }
        switch whole {
        case .needMore: return "more"
        case .absent: return "absent"
        case .fault(let fault): return "fault: \(fault.rawValue)"
        case .header(let header, let consumed):
            let rest = bytes.count - consumed
            let version = "v\(header.version.rawValue)"
            return switch header.origin {
            case .local: "\(version) local +\(rest)"
            case .unknown: "\(version) unknown +\(rest)"
            case .known(let source, let destination): "\(version) \(source) -> \(destination) +\(rest)"
            }
        }
    }

    static let linesTable: [(String, String)] = [
        ("PROXY TCP4 192.0.2.1 198.51.100.2 56789 443\r\nhello", "v1 192.0.2.1:56789 -> 198.51.100.2:443 +5"),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            "v1 255.255.255.255:65535 -> 255.255.255.255:65535 +0"
        ),
        ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "v1 0.0.0.0:0 -> 0.0.0.0:0 +0"),
        ("PROXY TCP6 2001:db8::1 2001:db8::2 56789 443\r\n", "v1 [2001:db8::1]:56789 -> [2001:db8::2]:443 +0"),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "v1 [::ffff:192.0.2.1]:1 -> [::1]:2 +0"),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            "v1 [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 -> [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 +0"
        ),
        ("PROXY UNKNOWN\r\nx", "v1 unknown +1"),
        ("PROXY UNKNOWN whatever\t stands here 1 2 3\r\n", "v1 unknown +0"),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            "v1 unknown +0"
        ),
        ("", "more"),
        ("PROXY ", "more"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 56789 443\r", "more"),
        ("PRI * HTTP/2.0\r\n", "absent"),
        ("PROXYING", "absent"),
        ("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "absent"),
        ("GET / HTTP/1.1\r\n", "absent"),
        ("\r\n\r\nPROXY", "absent"),
        ("\u{16}\u{3}\u{1}", "absent"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 56789 443\n", "fault: \(ProxyHeaderFault.badLineEnd.rawValue)"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 56789 443\rx\n", "fault: \(ProxyHeaderFault.badLineEnd.rawValue)"),
        ("PROXY \r\n", "fault: \(ProxyHeaderFault.badFamily.rawValue)"),
        ("PROXY UNKNOWNX\r\n", "fault: \(ProxyHeaderFault.badFamily.rawValue)"),
        ("PROXY TCP5 192.0.2.1 198.51.100.2 1 2\r\n", "fault: \(ProxyHeaderFault.badFamily.rawValue)"),
        ("PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n", "fault: \(ProxyHeaderFault.badFamily.rawValue)"),
        ("PROXY  TCP4 192.0.2.1 198.51.100.2 1 2\r\n", "fault: \(ProxyHeaderFault.badFamily.rawValue)"),
        ("PROXY TCP4\r\n", "fault: \(ProxyHeaderFault.badLine.rawValue)"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n", "fault: \(ProxyHeaderFault.badLine.rawValue)"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n", "fault: \(ProxyHeaderFault.badLine.rawValue)"),
        ("PROXY TCP4 192.0.2.1  198.51.100.2 1 2\r\n", "fault: \(ProxyHeaderFault.badLine.rawValue)"),
        ("PROXY TCP4 192.0.2 198.51.100.2 1 2\r\n", "fault: \(ProxyHeaderFault.badAddress.rawValue)"),
        ("PROXY TCP4 192.0.02.1 198.51.100.2 1 2\r\n", "fault: \(ProxyHeaderFault.badAddress.rawValue)"),
        ("PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n", "fault: \(ProxyHeaderFault.badAddress.rawValue)"),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", "fault: \(ProxyHeaderFault.badAddress.rawValue)"),
        ("PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n", "fault: \(ProxyHeaderFault.badAddress.rawValue)"),
        ("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "fault: \(ProxyHeaderFault.badAddress.rawValue)"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n", "fault: \(ProxyHeaderFault.badPort.rawValue)"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 1 -2\r\n", "fault: \(ProxyHeaderFault.badPort.rawValue)"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n", "fault: \(ProxyHeaderFault.badPort.rawValue)"),
        ("PROXY TCP4 192.0.2.1 198.51.100.2 1 \t2\r\n", "fault: \(ProxyHeaderFault.badPort.rawValue)"),
        ("PROXY UNKNOWN " + String(repeating: "x", count: 91) + "\r\n", "v1 unknown +0"),
        (
            "PROXY UNKNOWN " + String(repeating: "x", count: 92) + "\r\n",
            "fault: \(ProxyHeaderFault.lineTooLong.rawValue)"
        ),
        ("PROXY " + String(repeating: "x", count: 300), "fault: \(ProxyHeaderFault.lineTooLong.rawValue)"),
    ]

    @Test("Version 1, every beginning of it too", arguments: linesTable)
    func lines(text: String, expected: String) {
        #expect(outcome(Array(text.utf8)) == expected)
    }

    static let blocksTable: [(Case, String)] = [
        (Case("IPv4", Case.block(0x21, 0x11, Case.inet) + [1, 2]), "v2 192.0.2.1:56789 -> 198.51.100.2:443 +2"),
        (Case("IPv6", Case.block(0x21, 0x21, Case.inet6)), "v2 [2001:db8::1]:56789 -> [2001:db8::2]:443 +0"),
        (
            Case("unix", Case.block(0x21, 0x31, Case.path("/run/a") + Case.path("/run/b"))),
            "v2 unix:/run/a -> unix:/run/b +0"
        ),
        (
            Case("unix, unnamed and abstract", Case.block(0x21, 0x31, Case.path("") + Case.path("\0name"))),
            "v2 unix: -> unix: +0"
        ),
        (Case("no address family", Case.block(0x21, 0x00, [])), "v2 unknown +0"),
        (Case("a health check", Case.block(0x20, 0x00, [])), "v2 local +0"),
        (Case("a health check, what follows is skipped", Case.block(0x20, 0xFF, [1, 2, 3]) + [4]), "v2 local +1"),
        (
            Case("extensions", Case.block(0x21, 0x11, Case.inet + Case.tlv(0x02, [0x61]) + Case.tlv(0xEE, []))),
            "v2 192.0.2.1:56789 -> 198.51.100.2:443 +0"
        ),
        (
            Case(
                "a checksum that fits",
                Case.checksummed(Case.block(0x21, 0x11, Case.inet + Case.tlv(0x03, [0, 0, 0, 0])))),
            "v2 192.0.2.1:56789 -> 198.51.100.2:443 +0"
        ),
        (
            Case("a checksum that does not", Case.block(0x21, 0x11, Case.inet + Case.tlv(0x03, [0, 0, 0, 0]))),
            "fault: \(ProxyHeaderFault.badChecksum.rawValue)"
        ),
        (
            Case(
                "two checksums", Case.block(0x21, 0x00, Case.tlv(0x03, [0, 0, 0, 0]) + Case.tlv(0x03, [0, 0, 0, 0]))),
            "fault: \(ProxyHeaderFault.badExtension.rawValue)"
        ),
        (
            Case("a checksum of three bytes", Case.block(0x21, 0x00, Case.tlv(0x03, [0, 0, 0]))),
            "fault: \(ProxyHeaderFault.badExtension.rawValue)"
        ),
        (
            Case(
                "an identifier of 129 bytes", Case.block(0x21, 0x00, Case.tlv(0x05, [UInt8](repeating: 7, count: 129)))),
            "fault: \(ProxyHeaderFault.badExtension.rawValue)"
        ),
        (
            Case("TLS of four bytes", Case.block(0x21, 0x00, Case.tlv(0x20, [1, 0, 0, 0]))),
            "fault: \(ProxyHeaderFault.badExtension.rawValue)"
        ),
        (
            Case("TLS with half an extension", Case.block(0x21, 0x00, Case.tlv(0x20, [1, 0, 0, 0, 0, 0x21, 0, 9]))),
            "fault: \(ProxyHeaderFault.badExtension.rawValue)"
        ),
        (
            Case("an extension that is cut short", Case.block(0x21, 0x11, Case.inet + [0x02, 0, 9, 0x61])),
            "fault: \(ProxyHeaderFault.badExtension.rawValue)"
        ),
        (
            Case("half an extension's length", Case.block(0x21, 0x11, Case.inet + [0x02, 0])),
            "fault: \(ProxyHeaderFault.badExtension.rawValue)"
        ),
        (Case("cut short", Case.block(0x21, 0x11, [192], length: 12)), "more"),
        (Case("another signature", Array(Case.signature.dropLast()) + [0x0B]), "absent"),
        (Case("version 1", Case.block(0x11, 0x11, Case.inet)), "fault: \(ProxyHeaderFault.badVersion.rawValue)"),
        (Case("version 3", Case.block(0x31, 0x11, Case.inet)), "fault: \(ProxyHeaderFault.badVersion.rawValue)"),
        (Case("command 2", Case.block(0x22, 0x11, Case.inet)), "fault: \(ProxyHeaderFault.badCommand.rawValue)"),
        (Case("datagrams", Case.block(0x21, 0x12, Case.inet)), "fault: \(ProxyHeaderFault.badTransport.rawValue)"),
        (Case("family 4", Case.block(0x21, 0x41, Case.inet)), "fault: \(ProxyHeaderFault.badTransport.rawValue)"),
        (
            Case("no family, yet a stream", Case.block(0x21, 0x01, [])),
            "fault: \(ProxyHeaderFault.badTransport.rawValue)"
        ),
        (
            Case("IPv6 in IPv4's length", Case.block(0x21, 0x21, Case.inet)),
            "fault: \(ProxyHeaderFault.shortAddresses.rawValue)"
        ),
        (
            Case("longer than the limit", Case.block(0x21, 0x11, Case.inet, length: 4097)),
            "fault: \(ProxyHeaderFault.tooLong.rawValue)"
        ),
        (
            Case(
                "as long as the limit",
                Case.block(0x21, 0x11, Case.inet + Case.tlv(0xEE, [UInt8](repeating: 0, count: 4096 - 15)))),
            "v2 192.0.2.1:56789 -> 198.51.100.2:443 +0"
        ),
    ]

    @Test("Version 2, every beginning of it too", arguments: blocksTable)
    func blocks(header: Case, expected: String) {
        #expect(outcome(header.bytes) == expected)
    }

    @Test("What the extensions say")
    func extensions() {
        let tls: [UInt8] =
            [0x07, 0, 0, 0, 0] + Case.tlv(0x21, Array("TLSv1.3".utf8)) + Case.tlv(0x22, Array("client".utf8))
        let body =
            Case.inet + Case.tlv(0x01, Array("h2".utf8)) + Case.tlv(0x02, Array("shop.example".utf8))
            + Case.tlv(0x04, [0, 0]) + Case.tlv(0x05, [9, 8, 7]) + Case.tlv(0x20, tls)
        guard case .header(let header, _) = ProxyHeader.decode(Case.block(0x21, 0x11, body).span) else {
            Issue.record("no header")
            return
        }
        #expect(header.alpn == Array("h2".utf8))
        #expect(header.authority == "shop.example")
        #expect(header.uniqueID == [9, 8, 7])
        let expected = ProxyHeader.TLS(
            isTLS: true, hasCertificate: true, isVerified: true, version: "TLSv1.3", commonName: "client", cipher: nil)
        #expect(header.tls == expected)
    }

    @Test("What is sent is read again as what was meant", arguments: [ProxyHeader.Version.v1, .v2])
    func encoding(version: ProxyHeader.Version) throws {
        func address(_ ip: String, _ port: UInt16) throws -> SocketAddress {
            try #require(SocketAddress(ip: ip, port: port))
        }
        let four = try address("192.0.2.1", 1)
        let six = try address("2001:db8::1", 65535)
        let mapped = try address("::ffff:192.0.2.1", 1)
        let path = try #require(SocketAddress(unixPath: "/run/a"))
        let origins: [(sent: ProxyHeader.Origin, read: ProxyHeader.Origin)] = [
            (.local, version == .v1 ? .unknown : .local),
            (.unknown, .unknown),
            (.known(source: four, destination: four), .known(source: four, destination: four)),
            (.known(source: six, destination: six), .known(source: six, destination: six)),
            (.known(source: four, destination: six), .known(source: mapped, destination: six)),
            (.known(source: path, destination: four), .unknown),
            (
                .known(source: path, destination: path),
                version == .v1 ? .unknown : .known(source: path, destination: path)
            ),
        ]
        for (sent, read) in origins {
            let header = ProxyHeader(version, sent, authority: "shop.example", alpn: Array("h2".utf8))
            let bytes = header.encoded()
            guard case .header(let back, bytes.count) = ProxyHeader.decode(bytes.span) else {
                Issue.record("\(sent) is not read")
                continue
            }
            #expect(back.version == version)
            #expect(back.origin == read)
            let keepsExtensions = version == .v2 && sent != .local
            #expect(back.authority == (keepsExtensions ? "shop.example" : nil))
            #expect(back.alpn == (keepsExtensions ? Array("h2".utf8) : nil))
        }
        if version == .v1 {
            let text = ProxyHeader(.v1, .known(source: four, destination: six)).encoded()
            #expect(text == Array("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 65535\r\n".utf8))
        }
    }
}
