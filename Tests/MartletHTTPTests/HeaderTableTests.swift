import MartletCore
import MartletHTTP
import Testing

@Suite("Header tables and names")
struct HeaderTableTests {
    @Test("Every well-known name is found, in any case, and nothing else is")
    func names() {
        for id in HeaderID.allCases where id != .unknown {
            let name = HeaderName(id)
            #expect(HeaderIndex.id(of: name.lowercased.span) == id)
            let upper = Array(name.description.uppercased().utf8)
            #expect(HeaderIndex.id(of: upper.span) == id)
            let longer = name.lowercased + [0x78]
            #expect(HeaderIndex.id(of: longer.span) == .unknown)
        }
    }

    @Test("Edits keep order, case and the other fields")
    func edits() throws {
        let table = HeaderTable()
        let custom = try #require(HeaderName("X-Custom"))
        table.append(.host, "a")
        table.append(custom, "1")
        table.append(.accept, "x")
        table.append(custom, "2")
        table.set(custom, "3")
        #expect((0..<table.count).map { table.value(at: $0).string() } == ["a", "3", "x"])
        let index = try #require(table.firstIndex(of: custom))
        let addition: [UInt8] = [0x34]
        table.extendValue(at: index, separator: ", ", addition.span)
        #expect(table.string(custom) == "3, 4")
        table.remove(custom)
        #expect(!table.contains(custom))
        #expect(table.count == 2)
    }

    @Test("A field that would break the message is not encoded", arguments: ["a\r\nb", "a\nb", "a\u{0}b"])
    func injection(value: String) {
        let table = HeaderTable()
        table.append(.server, value)
        #expect(!table.encodeField(at: 0, into: ByteBuffer(capacity: 256)))
        let name: [UInt8] = Array("content\rlength".utf8)
        let safe: [UInt8] = [0x61]
        table.append(named: name.span, safe.span)
        #expect(!table.encodeField(at: 1, into: ByteBuffer(capacity: 256)))
    }

    @Test("The bits that say what a token is are the RFC's list")
    func tokens() {
        // RFC 9110 section 5.6.2.
        let letters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        let expected = Set(letters.utf8)
        for byte in UInt8.min...UInt8.max {
            let one = [byte]
            #expect(HeaderTable.isToken(one.span) == expected.contains(byte))
            let request = Array("G".utf8) + one + Array("T / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            let isAccepted = Transcript.request(request).first?.hasPrefix("failed") == false
            #expect(isAccepted == expected.contains(byte), "byte \(byte)")
        }
    }
}

@Suite("Heads hold together")
struct HeadTests {
    @Test("Removing every field leaves method and target alone")
    func removeAll() {
        let head = RequestHead()
        head.setMethod("GET".utf8Span.span)
        head.setTarget("/path?q".utf8Span.span)
        head.headers.append(named: "X-A".utf8Span.span, "b".utf8Span.span)
        head.headers.removeAll()
        #expect(head.headers.isEmpty)
        #expect(head.target().string() == "/path?q")
        #expect(head.methodBytes().string() == "GET")
    }

    @Test(
        "A request line that a filter broke is not sent",
        arguments: [("GE T", "/"), ("GET", "/a\r\nHost: b"), ("GET", "")])
    func unsafeLine(method: String, target: String) {
        let head = RequestHead()
        head.setMethod(method.utf8Span.span)
        head.setTarget(target.utf8Span.span)
        head.setAuthority("a".utf8Span.span)
        #expect(!HTTP1Encoder.encode(head, into: ByteBuffer(capacity: 4096)))
    }
}
