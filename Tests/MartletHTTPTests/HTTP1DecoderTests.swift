import MartletCore
import MartletHTTP
import MartletTesting
import Testing

@Suite("HTTP/1.1 decoding")
struct HTTP1DecoderTests {
    static let requests: [(String, [String])] = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ["GET / http11 none keep |Host: a ."]),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ["GET / http11 none keep |Host: a ."]),
        ("GET /p?q HTTP/1.0\r\n\r\n", ["GET /p?q http10 none close ."]),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ["GET / http10 none keep ."]),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-One\r\nX-One: 1\r\nX-Two: 2\r\n\r\n",
            ["GET / http11 none close |Host: a |X-Two: 2 ."]
        ),
        ("GET http://b:80/x HTTP/1.1\r\nHost: a\r\n\r\n", ["GET /x http11 none keep |Host: b:80 ."]),
        ("GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", ["GET / http11 none keep |Host: b ."]),
        ("GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n", ["GET /?q http11 none keep |Host: b ."]),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ["OPTIONS * http11 none keep |Host: a ."]),
        ("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", ["OPTIONS * http11 none keep |Host: b ."]),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", ["CONNECT a:443 http11 none keep |Host: a:443 ."]),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ["GET / http11 none keep |Host: [::1]:80 ."]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX:\t v \t\r\nY:\r\n\r\n", ["GET / http11 none keep |Host: a |X: v |Y:  ."]),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            [
                "POST / http11 exactly(5) keep |Host: a |Content-Length: 5", "body hello.",
                "GET /2 http11 none keep |Host: a .",
            ]
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            ["POST / http11 exactly(0) keep |Host: a |Content-Length: 0 ."]
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n6;a=b;c=\"d;\\\"e\"\r\n world\r\n0\r\n\r\n",
            ["POST / http11 chunked keep |Host: a", "body hello world."]
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n000A\r\n0123456789\r\n0;last\r\nX-T: 1\r\nContent-Length: 3\r\n\r\n",
            ["POST / http11 chunked keep |Host: a", "body 0123456789. |X-T: 1"]
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            ["GET / http11 none keep upgrade |Host: a |Upgrade: websocket ."]
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", ["GET / http11 none keep |Host: a ."]),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            ["GET / http11 none keep |Host: a ."]
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
            ["POST / http11 exactly(1) keep expect |Host: a |Expect: 100-Continue |Content-Length: 1", "body x."]
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nHTTP2-Settings: x\r\n\r\n",
            ["GET / http11 none keep |Host: a ."]
        ),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", ["failed badTarget"]),
        ("GET /\u{FC} HTTP/1.1\r\nHost: a\r\n\r\n", ["failed badTarget"]),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", ["failed duplicateHost"]),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", ["failed badAuthority"]),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", ["failed badAuthority"]),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", ["failed badAuthority"]),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", ["failed badAuthority"]),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", ["failed badAuthority"]),
        ("GET / HTTP/1.1\r\n\r\n", ["failed missingHost"]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ["failed http2Preface"]),
        ("\u{16}\u{3}\u{1}\u{2}", ["failed badMethod"]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n", ["failed badFieldName"]),
        ("GET / HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n", ["failed badFieldName"]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{7F}\r\n\r\n", ["failed badFieldValue"]),
        ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", ["failed badFieldName"]),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloworld",
            ["POST / http11 chunked keep |Host: a", "failed badChunkEnd"]
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"\r\n",
            ["POST / http11 chunked keep |Host: a", "failed badChunkExtension"]
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8000000000000000\r\n",
            ["POST / http11 chunked keep |Host: a", "failed badChunkSize"]
        ),
    ]

    @Test("Requests, whole and cut at every byte", arguments: requests.indices)
    func request(index: Int) {
        let (text, expected) = Self.requests[index]
        let bytes =
            text.utf8.contains(0xC3)
            ? text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } : Array(text.utf8)
        #expect(Transcript.request(bytes) == expected)
        for cut in 1..<bytes.count { #expect(Transcript.request(bytes, cuts: [cut]) == expected, "cut at \(cut)") }
        #expect(Transcript.request(bytes, cuts: Array(1..<bytes.count)) == expected, "a byte at a time")
    }

    static let responses: [(String, Method, Bool, [String])] = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .get, false,
            ["200 OK exactly(2) keep |Content-Length: 2", "body ok."]
        ),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", .get, false, ["200  exactly(0) keep |Content-Length: 0 ."]),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", .get, false,
            ["200 OK exactly(2) close |Content-Length: 2", "body ok."]
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", .head, false, ["200 OK none keep |Content-Length: 9 ."]),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", .get, false,
            ["304 Not Modified none keep |Content-Length: 9 ."]
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", .get, false, ["204 No Content none keep ."]),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            .get, false,
            [
                "informational 100 Continue none keep", "informational 103 Early Hints none keep |Link: x",
                "200 OK exactly(0) keep |Content-Length: 0 .",
            ]
        ),
        (
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw", .get, true,
            ["upgraded 101 Switching none keep |Upgrade: x"]
        ),
        (
            "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw", .get, false,
            ["failed unexpectedUpgrade"]
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: 1\r\n\r\n", .get, false,
            ["200 OK chunked keep", "body ok. |T: 1"]
        ),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", .get, false, ["failed lengthAndCoding"]),
        ("HTTP/1.1 20 OK\r\n\r\n", .get, false, ["failed badStatusLine"]),
        ("HTTP/2 200 OK\r\n\r\n", .get, false, ["failed badStatusLine"]),
        ("HTTP/1.1 200 O\u{1}K\r\n\r\n", .get, false, ["failed badStatusLine"]),
    ]

    @Test("Responses, whole and cut at every byte", arguments: responses.indices)
    func response(index: Int) {
        let (text, method, upgrade, expected) = Self.responses[index]
        let bytes = Array(text.utf8)
        #expect(Transcript.response(bytes, method: method, upgrade: upgrade) == expected)
        for cut in 1..<bytes.count {
            #expect(
                Transcript.response(bytes, cuts: [cut], method: method, upgrade: upgrade) == expected, "cut at \(cut)")
        }
    }

    /// Some of these the proxy refuses, not the decoder; what matters here is that cuts change nothing.
    @Test("What is refused is refused however it is cut", arguments: StrictnessCase.refused)
    func refused(test: StrictnessCase) { cutEverywhere(test.bytes) { Transcript.request($0, cuts: $1) } }

    @Test("A broken chunk is one however it is cut", arguments: StrictnessCase.chunkTricks)
    func refusedChunk(test: StrictnessCase) {
        cutEverywhere("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(test.bytes)") {
            Transcript.request($0, cuts: $1)
        }
    }

    @Test("What no server should say is refused however it is cut", arguments: StrictnessCase.badResponses)
    func refusedResponse(test: StrictnessCase) { cutEverywhere(test.bytes) { Transcript.response($0, cuts: $1) } }

    private func cutEverywhere(_ text: String, _ decode: ([UInt8], [Int]) -> [String]) {
        let bytes = Array(text.utf8)
        let whole = decode(bytes, [])
        func isRefused(_ events: [String]) -> Bool { events.last?.hasPrefix("failed ") == true }
        for cut in stride(from: 1, to: bytes.count, by: 1) {
            let pieces = decode(bytes, [cut])
            #expect(Self.accepted(pieces) == Self.accepted(whole), "cut at \(cut)")
            #expect(isRefused(pieces) == isRefused(whole), "cut at \(cut)")
        }
    }

    @Test("A body without length ends with its connection, and a short one does not")
    func untilClose() {
        let whole = Transcript.response(Array("HTTP/1.1 200 OK\r\n\r\nall".utf8), closes: true)
        #expect(whole == ["200 OK untilClose close", "body all...", "closed whole"])
        let short = Transcript.response(Array("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall".utf8), closes: true)
        #expect(short.last == "closed short")
    }

    @Test("Limits hold for heads that have not ended yet")
    func limits() {
        let limits = HTTP1Limits(head: 64, fields: 2)
        let long = Array("GET / HTTP/1.1\r\nX: \(String(repeating: "a", count: 100))".utf8)
        #expect(Transcript.request(long, limits: limits) == ["failed headTooLarge"])
        let many = Array("GET / HTTP/1.1\r\nHost: a\r\nB: 1\r\nC: 2\r\n\r\n".utf8)
        #expect(Transcript.request(many, limits: limits) == ["failed tooManyFields"])
    }

    @Test("What is accepted from mutated bytes reads the same however it is cut, and encodes to the same message")
    func mutations() {
        var random = SplitMix(state: 42)
        for round in 0..<4000 {
            let (text, _) = Self.requests[round % Self.requests.count]
            var bytes = Array(text.utf8)
            for _ in 0...(random.next() % 3) where !bytes.isEmpty {
                let at = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 4 {
                case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: at)
                case 2: bytes.insert([0x0D, 0x0A, 0x20, 0x00, 0x3A, 0x2C][Int(random.next() % 6)], at: at)
                default: bytes.insert(contentsOf: bytes[at..<min(at + 8, bytes.count)], at: at)
                }
            }
            let whole = Transcript.request(bytes)
            guard bytes.count > 1 else { continue }
            let cut = 1 + Int(random.next() % UInt64(bytes.count - 1))
            let pieces = Transcript.request(bytes, cuts: [cut])
            #expect(
                Self.accepted(pieces) == Self.accepted(whole),
                "cut at \(cut): \(String(decoding: bytes, as: UTF8.self))")
            reencode(bytes)
        }
    }

    /// What was accepted. Whether the rest is refused at once or when more of it has come depends on the cuts.
    private static func accepted(_ events: [String]) -> [String] { events.filter { !$0.hasPrefix("failed ") } }

    /// The first request of `bytes`, if there is one, must read the same after it has been written by our encoder.
    private func reencode(_ bytes: [UInt8]) {
        var decoder = HTTP1RequestDecoder(limits: HTTP1Limits())
        let head = RequestHead()
        guard case .head = decoder.decode(bytes.span, into: head, trailers: HeaderTable()).event else { return }
        // The proxy gives HTTP/1.0 without Host one; the encoder writes HTTP/1.1.
        if head.authority().isEmpty, head.version == .http10 { head.setAuthority("localhost".utf8Span.span) }
        let buffer = ByteBuffer(capacity: HTTP1Encoder.sizeBound(head))
        #expect(HTTP1Encoder.encode(head, into: buffer))
        let again = RequestHead()
        var second = HTTP1RequestDecoder(limits: HTTP1Limits())
        let step = second.decode(buffer.bytes(), into: again, trailers: HeaderTable())
        guard case .head = step.event else {
            Issue.record("not read again: \(buffer.bytes().string())")
            return
        }
        #expect(step.consumed == buffer.count)
        #expect(again.methodBytes().string() == head.methodBytes().string())
        #expect(again.target().string() == head.target().string())
        #expect(again.body == head.body)
    }
}

struct SplitMix {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
