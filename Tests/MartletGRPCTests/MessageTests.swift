import MartletCore
import MartletGRPC
import Testing

/// The messages of `pieces`, or the fault.
private func messages(_ pieces: [[UInt8]], max: Int = 100) -> (found: [[UInt8]], fault: MessageFault?, rest: Bool) {
    var decoder = MessageDecoder(maxMessage: max)
    var found: [[UInt8]] = []
    for piece in pieces {
        var start = 0
        do {
            while let message = try decoder.next(piece.span, &start) {
                found.append([message.isCompressed ? 1 : 0] + message.bytes)
            }
        } catch {
            return (found, error, false)
        }
        #expect(start == piece.count)
    }
    return (found, nil, !decoder.isBetweenMessages)
}

@Suite("Messages in bodies")
struct MessageTests {
    static let bodies: [(body: [UInt8], messages: [[UInt8]], fault: MessageFault?, rest: Bool)] = [
        ([], [], nil, false),
        ([0, 0, 0, 0, 0], [[0]], nil, false),
        ([0, 0, 0, 0, 2, 7, 8, 1, 0, 0, 0, 1, 9], [[0, 7, 8], [1, 9]], nil, false),
        ([0, 0, 0, 0, 3, 1, 2], [], nil, true),
        ([0, 0, 0, 0, 0, 0], [[0]], nil, true),
        ([0, 0, 0, 0, 101], [], .tooLarge, false),
        ([0, 255, 255, 255, 255, 1, 2, 3], [], .tooLarge, false),
        ([2, 0, 0, 0, 0], [], .badFlags, false),
        ([0, 0, 0, 0, 1, 5, 0x80, 0, 0, 0, 0], [[0, 5]], .badFlags, false),
    ]

    @Test("However the body is cut, its messages are the same", arguments: bodies.indices)
    func cuts(_ index: Int) {
        let expected = Self.bodies[index]
        let body = expected.body
        for cut in 0...body.count {
            let result = messages([Array(body[..<cut]), Array(body[cut...])])
            #expect(result.found == expected.messages, "cut at \(cut)")
            #expect(result.fault == expected.fault, "cut at \(cut)")
            #expect(result.rest == expected.rest, "cut at \(cut)")
        }
        let result = messages(body.map { [$0] })
        #expect(result.found == expected.messages)
        #expect(result.fault == expected.fault)
    }

    @Test("What is encoded is decoded to the same")
    func roundTrip() {
        let all: [[UInt8]] = [[], [1], Array(repeating: 7, count: 100)]
        let body = all.flatMap { MessageEncoder.encode($0) }
        #expect(messages([body]).found == all.map { [0] + $0 })
    }

    @Test("Messages are counted without being kept, however they are cut")
    func counted() {
        let body: [UInt8] = [0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 0x80, 0, 0, 0, 1, 65, 0, 0, 0, 1, 0]
        for cut in 0...body.count {
            var counter = MessageCounter()
            let (first, second) = (Array(body[..<cut]), Array(body[cut...]))
            counter.take(first.span)
            counter.take(second.span)
            #expect(counter.count == 3, "cut at \(cut)")
            #expect(!counter.isLost)
        }
        var counter = MessageCounter()
        let (text, message) = (Array("no gRPC at all".utf8), [UInt8](repeating: 0, count: 5))
        counter.take(text.span)
        #expect(counter.isLost)
        counter.take(message.span)
        #expect(counter.count == 0)
    }
}

@Suite("gRPC-Web bodies")
struct WebBodyTests {
    private func decoded(_ pieces: [[UInt8]]) -> [UInt8]? {
        var decoder = TextDecoder()
        var out: [UInt8] = []
        for piece in pieces {
            let isText = decoder.decode(piece.span, into: &out)
            if !isText { return nil }
        }
        return decoder.isBetweenQuanta ? out : nil
    }

    @Test(
        "Base64, however it is cut, and padded in its middle",
        arguments: [
            ("", []), ("AAEC", [0, 1, 2]), ("AA==", [0]), ("AAE=", [0, 1]), ("AA==AAE=AAEC", [0, 0, 1, 0, 1, 2]),
            ("+/+/", [0xFB, 0xFF, 0xBF]), ("AAE", nil), ("A", nil), ("AB==", nil), ("AAF=", nil), ("A===", nil),
            ("====", nil), ("AA=A", nil), ("AA=", nil), ("AA\n=", nil), ("A-_B", nil), ("AAEC ", nil),
        ] as [(String, [UInt8]?)])
    func text(_ text: String, _ bytes: [UInt8]?) {
        let body = Array(text.utf8)
        for cut in 0...body.count {
            #expect(decoded([Array(body[..<cut]), Array(body[cut...])]) == bytes, "cut at \(cut)")
        }
        #expect(decoded(body.map { [$0] }) == bytes)
    }

    @Test("What is encoded in pieces is decoded to the same")
    func roundTrip() {
        let bytes = (0..<100).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        for cut in 0...bytes.count {
            for flushes in [true, false] {
                var encoder = TextEncoder()
                var text: [UInt8] = []
                let (first, second) = (Array(bytes[..<cut]), Array(bytes[cut...]))
                encoder.encode(first.span, into: &text)
                if flushes { encoder.flush(into: &text) }
                encoder.encode(second.span, into: &text)
                encoder.flush(into: &text)
                #expect(decoded([text]) == bytes)
                if flushes || cut == 0 { #expect(text.count % 4 == 0) }
            }
        }
    }

    @Test("Trailers as a frame")
    func trailers() {
        let table = HeaderTable()
        table.append(named: "Grpc-Status".utf8Span.span, "0".utf8Span.span)
        table.append(named: "grpc-message".utf8Span.span, "".utf8Span.span)
        table.append(named: "x".utf8Span.span, "a\r\nb".utf8Span.span)
        var out: [UInt8] = [1]
        TrailerFrame.append(table, to: &out)
        let block = Array("grpc-status: 0\r\ngrpc-message: \r\n".utf8)
        #expect(out == [1, 0x80, 0, 0, 0, UInt8(block.count)] + block)
    }
}
