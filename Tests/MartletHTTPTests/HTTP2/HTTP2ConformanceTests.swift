internal import MartletHTTP
internal import Testing

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
