import MartletCore
import MartletNet
import Testing

/// Builds a ClientHello, and whatever a test wants wrong with it.
struct HelloBytes {
    var version: [UInt8] = [3, 3]
    var session: [UInt8] = [UInt8](repeating: 5, count: 32)
    var suites: [UInt8] = [0x1A, 0x1A, 0x13, 0x01, 0xC0, 0x2B]
    var compression: [UInt8] = [0]
    /// Nil leaves the whole part out.
    var extensions: [UInt8]? = []
    var type: UInt8 = 1

    static func sized(_ width: Int, _ bytes: [UInt8]) -> [UInt8] {
        (0..<width).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * (width - 1 - $0))) } + bytes
    }

    static func field(_ type: UInt16, _ body: [UInt8]) -> [UInt8] {
        [UInt8(type >> 8), UInt8(type & 0xFF)] + sized(2, body)
    }

    static func serverName(_ name: String) -> [UInt8] {
        field(0, sized(2, [0] + sized(2, Array(name.utf8))))
    }

    static func alpn(_ names: String...) -> [UInt8] {
        field(16, sized(2, names.flatMap { sized(1, Array($0.utf8)) }))
    }

    static func versions(_ versions: UInt16...) -> [UInt8] {
        field(43, sized(1, versions.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }))
    }

    var message: [UInt8] {
        var body = version + [UInt8](repeating: 7, count: 32)
        body += Self.sized(1, session) + Self.sized(2, suites) + Self.sized(1, compression)
        if let extensions { body += Self.sized(2, extensions) }
        return [type] + Self.sized(3, body)
    }

    /// The message in records of at most `size` bytes of it.
    static func records(_ message: [UInt8], size: Int = 16_384) -> [UInt8] {
        stride(from: 0, to: message.count, by: size).flatMap { start in
            [22, 3, 1] + sized(2, Array(message[start..<min(start + size, message.count)]))
        }
    }
}

@Suite("The first message of TLS")
struct ClientHelloTests {
    /// As text; every beginning of `bytes` must lead there, and more bytes behind it must not matter.
    private func outcome(_ bytes: [UInt8]) -> String {
        let whole = ClientHello.peek(bytes.span)
        for cut in 0..<bytes.count where cut < 600 || cut % 97 == 0 {
            let step = ClientHello.peek(bytes.span.extracting(0..<cut))
            #expect(step == .needMore || step == whole, "after \(cut) bytes")
        }
        if whole != .needMore { #expect(ClientHello.peek((bytes + [0, 1, 2]).span) == whole) }
        switch whole {
        case .needMore: return "more"
        case .fault(let fault): return "fault: \(fault.rawValue)"
        case .hello(let hello):
            let alpn = hello.alpn.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ",")
            let versions = hello.versions.map { String($0, radix: 16) }.joined(separator: ",")
            return "\(hello.serverName ?? "-") [\(alpn)] \(versions)"
        }
    }

    private static let grease = HelloBytes.field(0x0A0A, []) + HelloBytes.field(0x2A2A, [0])

    static let goodTable: [([UInt8]?, String)] = [
        (nil, "- [] 303"),
        ([], "- [] 303"),
        (HelloBytes.serverName("shop.example"), "shop.example [] 303"),
        (HelloBytes.serverName("SHOP.Example."), "shop.example [] 303"),
        (HelloBytes.serverName("a_b-c.1"), "a_b-c.1 [] 303"),
        (
            grease + HelloBytes.serverName("a") + HelloBytes.alpn("h2", "http/1.1")
                + HelloBytes.versions(0x3A3A, 0x0304, 0x0303),
            "a [h2,http/1.1] 304,303"
        ),
        (HelloBytes.versions(0x0A0A), "- [] "),
        (HelloBytes.field(21, [UInt8](repeating: 0, count: 9000)) + HelloBytes.alpn("x"), "- [x] 303"),
    ]

    @Test("Names, protocols and versions, in one record and in many", arguments: goodTable)
    func good(extensions: [UInt8]?, expected: String) {
        var hello = HelloBytes()
        hello.extensions = extensions
        for size in [16_384, 100, 7, 3, 1] where hello.message.count * (size + 5) / size < 16_000 {
            #expect(outcome(HelloBytes.records(hello.message, size: size)) == expected, "in records of \(size)")
        }
    }

    static let badExtensionsTable: [([UInt8], ClientHelloFault)] = [
        (HelloBytes.serverName(""), .badServerName),
        (HelloBytes.serverName("."), .badServerName),
        (HelloBytes.serverName("a..b"), .badServerName),
        (HelloBytes.serverName(".a"), .badServerName),
        (HelloBytes.serverName("a\0b"), .badServerName),
        (HelloBytes.serverName("a b"), .badServerName),
        (HelloBytes.serverName("::1"), .badServerName),
        (HelloBytes.serverName("*.a"), .badServerName),
        (HelloBytes.serverName("ä"), .badServerName),
        (HelloBytes.serverName(String(repeating: "a", count: 64)), .badServerName),
        (HelloBytes.serverName(String(repeating: "a.", count: 128)), .badServerName),
        (HelloBytes.field(0, []), .malformed),
        (HelloBytes.field(0, [0, 0]), .badServerName),
        (HelloBytes.field(0, HelloBytes.sized(2, [1, 0, 1, 0x61])), .badServerName),
        (HelloBytes.field(0, HelloBytes.sized(2, [0, 0, 1, 0x61, 0, 0, 1, 0x62])), .badServerName),
        (HelloBytes.field(0, HelloBytes.sized(2, [0, 0, 9, 0x61])), .malformed),
        (HelloBytes.serverName("a") + HelloBytes.serverName("a"), .duplicateExtension),
        (HelloBytes.alpn("h2") + HelloBytes.alpn("h2"), .duplicateExtension),
        (HelloBytes.field(16, []), .badALPN),
        (HelloBytes.field(16, [0, 0]), .badALPN),
        (HelloBytes.alpn(""), .badALPN),
        (HelloBytes.field(16, [0, 2, 5, 0x61]), .badALPN),
        (HelloBytes.field(16, [0, 9, 1, 0x61]), .badALPN),
        (HelloBytes.field(43, []), .malformed),
        (HelloBytes.field(43, [0]), .malformed),
        (HelloBytes.field(43, [1, 3]), .malformed),
        (HelloBytes.field(43, [2, 3, 4, 0]), .malformed),
        ([0], .malformed),
        ([0, 9, 0], .malformed),
        ([0, 9, 0, 5, 1], .malformed),
    ]

    @Test("Extensions that are refused", arguments: badExtensionsTable)
    func badExtensions(extensions: [UInt8], fault: ClientHelloFault) {
        var hello = HelloBytes()
        hello.extensions = extensions
        for size in [16_384, 5] {
            #expect(outcome(HelloBytes.records(hello.message, size: size)) == "fault: \(fault.rawValue)")
        }
    }

    @Test("Messages that are refused")
    func badMessages() {
        func expect(_ fault: ClientHelloFault, _ change: (inout HelloBytes) -> Void) {
            var hello = HelloBytes()
            change(&hello)
            #expect(outcome(HelloBytes.records(hello.message)) == "fault: \(fault.rawValue)")
        }
        expect(.notClientHello) { $0.type = 2 }
        expect(.malformed) { $0.version = [2, 0] }
        expect(.malformed) { $0.session = [UInt8](repeating: 0, count: 33) }
        expect(.malformed) { $0.suites = [] }
        expect(.malformed) { $0.suites = [0x13] }
        expect(.malformed) { $0.compression = [] }
        expect(.tooLong) { $0.extensions = HelloBytes.field(21, [UInt8](repeating: 0, count: 17_000)) }
        let short = [UInt8]([1, 0, 0, 1, 3])
        #expect(outcome(HelloBytes.records(short)) == "fault: \(ClientHelloFault.malformed.rawValue)")
        let empty = [UInt8]([1, 0, 0, 0])
        #expect(outcome(HelloBytes.records(empty)) == "fault: \(ClientHelloFault.malformed.rawValue)")
    }

    @Test("Records that are refused")
    func badRecords() {
        let hello = HelloBytes().message
        func expect(_ fault: ClientHelloFault, _ bytes: [UInt8]) {
            #expect(outcome(bytes) == "fault: \(fault.rawValue)")
        }
        expect(.notTLS, Array("GET / HTTP/1.1\r\n".utf8))
        expect(.notTLS, [0x80, 0x2E, 1, 0, 2])
        expect(.notTLS, [22, 2, 0, 0, 5])
        expect(.badRecordLength, [22, 3, 1, 0, 0])
        expect(.badRecordLength, [22, 3, 1, 0x40, 1])
        expect(.notHandshake, HelloBytes.records(Array(hello.prefix(20))) + [21, 3, 1, 0, 2, 1, 0])
        expect(.tooLong, HelloBytes.records([1, 0, 0x30, 0] + [UInt8](repeating: 0, count: 4000), size: 1))
        #expect(outcome(Array(HelloBytes.records(hello).dropLast())) == "more")
        #expect(outcome([]) == "more")
    }

    @Test("What follows the message in its record is not looked at, however long the record says it is")
    func trailing() {
        let message = HelloBytes().message + [1, 2, 3]
        #expect(outcome(HelloBytes.records(message)) == "- [] 303")
        #expect(outcome([22, 3, 1, 0x40, 0] + message) == "- [] 303")
    }
}
