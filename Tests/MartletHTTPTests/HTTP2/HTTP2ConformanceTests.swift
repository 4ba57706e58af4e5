internal import MartletCore
internal import MartletHTTP
internal import Testing

/// RFC 9113 section 8.2.1, byte by byte.
@Suite("HTTP/2 fields")
struct HTTP2FieldTests {
    private func isAccepted(name: [UInt8], value: [UInt8]) throws -> Bool {
        let side = try #require(HTTP2Side(.server))
        let field = [0] + Raw.integer(name.count, bits: 7) + name + Raw.integer(value.count, bits: 7) + value
        side.receive(Raw.preface + Raw.settings() + Raw.headers(1, Raw.block(Raw.line()) + field))
        return HTTP2Outcome(Raw.frames(side.flush())) == .accepted
    }

    @Test(arguments: [1, 3, 6, 8, 13])
    func everyByteAtEveryPlace(_ length: Int) throws {
        for byte in UInt8.min...UInt8.max {
            let isName = byte.isTokenCharacter && byte.lowercasedASCII == byte
            let isValue = byte >= 0x20 && byte != 0x7F || byte == 0x09
            for place in 0..<length {
                var text = [UInt8](repeating: 0x61, count: length)
                text[place] = byte
                #expect(try isAccepted(name: text, value: [0x61]) == isName, "\(byte) at \(place) of a name")
                let isEdge = (place == 0 || place == length - 1) && (byte == 0x20 || byte == 0x09)
                #expect(
                    try isAccepted(name: [0x61], value: text) == (isValue && !isEdge), "\(byte) at \(place) of a value")
            }
        }
    }
}

@Suite("HTTP/2 conformance")
struct HTTP2ConformanceTests {
    @Test(
        arguments: ConformanceCase.frames + ConformanceCase.streams + ConformanceCase.messages + ConformanceCase.hpack)
    func follows(_ test: ConformanceCase) throws {
        let whole = try #require(test.run(step: nil))
        #expect(whole.outcome == test.outcome, "\(whole.log)")
        if let last = test.last { #expect(whole.log.last == last) }
        // However the bytes come.
        let steps = test.bytes.count < 600 ? Array(1...40) : [1, 13, 1000, 16_384]
        for step in steps {
            let pieces = try #require(test.run(step: step))
            #expect(pieces.outcome == whole.outcome, "in pieces of \(step): \(pieces.log)")
            #expect(pieces.log == whole.log, "in pieces of \(step)")
        }
    }
}
