import MartletCore
import MartletFilter
import Testing

@testable import MartletObserve

private let trace = "0af7651916cd43dd8448eb211c80319c"
private let span = "b7ad6b7169203331"

private func readTraceparent(_ text: String) -> IncomingTrace? { IncomingTrace(traceparent: text.utf8Span.span) }
private func readB3(_ text: String) -> IncomingTrace? { IncomingTrace(b3: text.utf8Span.span) }

@Suite("Traces from one service to the next")
struct TraceFieldsTests {
    private static let parent = IncomingTrace.Parent(
        traceHigh: 0x0af7_6519_16cd_43dd, traceLow: 0x8448_eb21_1c80_319c, spanID: 0xb7ad_6b71_6920_3331)

    @Test(
        "traceparent: what is read",
        arguments: [
            ("00-\(trace)-\(span)-01", true), ("00-\(trace)-\(span)-00", false), ("00-\(trace)-\(span)-03", true),
            ("00-\(trace)-\(span)-fe", false), ("01-\(trace)-\(span)-01", true), ("cc-\(trace)-\(span)-01-more", true),
            ("fe-\(trace)-\(span)-09-", true),
        ])
    func traceparent(text: String, isSampled: Bool) throws {
        let found = try #require(readTraceparent(text))
        #expect(found.parent == Self.parent)
        #expect(found.isSampled == isSampled)
    }

    @Test(
        "traceparent: what is none",
        arguments: [
            "", "00", "ff-\(trace)-\(span)-01", "00-\(String(repeating: "0", count: 32))-\(span)-01",
            "00-\(trace)-0000000000000000-01", "00-\(trace)-\(span)-01-", "00-\(trace)-\(span)-01-more",
            "00-\(trace)-\(span)-1", "00-\(trace)-\(span)-0g", "00-\(trace.uppercased())-\(span)-01",
            "00-\(trace)-\(span.uppercased())-01", "01-\(trace)-\(span)-01.more", "0-\(trace)-\(span)-01",
            " 00-\(trace)-\(span)-01", "00_\(trace)-\(span)-01", "00-\(trace)_\(span)-01", "00-\(trace)-\(span)_01",
            "00-\(trace.dropLast())-\(span)-01", "00-\(trace)-\(span)-0A", "000-\(trace)-\(span)-01",
        ])
    func badTraceparent(text: String) { #expect(readTraceparent(text) == nil) }

    @Test("Cut anywhere, or with any byte changed, nothing traps, and what is read is whole")
    func cuts() {
        for text in [
            "00-\(trace)-\(span)-01", "cc-\(trace)-\(span)-01-more", "\(trace)-\(span)-1-\(span)", "\(trace)-\(span)-d",
            "\(trace.suffix(16))-\(span)",
        ] {
            let whole = Array(text.utf8)
            for end in 0...whole.count {
                let cut = Array(whole[..<end])
                if let found = IncomingTrace(traceparent: cut.span) { #expect(found.parent != nil && end >= 55) }
                if let found = IncomingTrace(b3: cut.span) { #expect(found.parent != nil || end == 1) }
            }
            for place in whole.indices {
                for byte: UInt8 in [0, 0x0A, 0x2D, 0x30, 0x67, 0x41, 0xFF] {
                    var changed = whole
                    changed[place] = byte
                    for found in [IncomingTrace(traceparent: changed.span), IncomingTrace(b3: changed.span)] {
                        if let parent = found?.parent {
                            #expect(parent.spanID != 0 && parent.traceHigh | parent.traceLow != 0)
                        }
                    }
                }
            }
        }
    }

    @Test(
        "b3 in one header",
        arguments: [
            ("\(trace)-\(span)-1-05e3ac9a4f6e3b90", true, false), ("\(trace)-\(span)-0", false, false),
            ("\(trace)-\(span)-d", true, true), ("\(trace)-\(span)", nil, false), ("0", false, false),
            ("1", true, false),
            ("d", true, true),
        ] as [(String, Bool?, Bool)])
    func b3(text: String, isSampled: Bool?, isDebug: Bool) throws {
        let found = try #require(readB3(text))
        #expect(found.parent == (text.count > 1 ? Self.parent : nil))
        #expect(found.isSampled == isSampled)
        #expect(found.isDebug == isDebug)
    }

    @Test(
        "b3 in one header: what is none",
        arguments: [
            "", "2", "D", "-", "\(trace)", "\(trace)-", "\(trace)-\(span)-", "\(trace)-\(span)-2",
            "\(trace)-\(span)-1-",
            "\(trace)-\(span)-1-05e3ac9a4f6e3b9", "\(trace)-\(span)-1-05e3ac9a4f6e3b90x", "\(trace)-0000000000000000-1",
            "00000000000000000000000000000000-\(span)-1", "\(trace.dropLast())-\(span)-1", "\(trace)-\(span)-11",
        ])
    func badB3(text: String) { #expect(readB3(text) == nil) }

    @Test(
        "b3 in several headers: ids of 64 and of 128 bits, decisions old and new",
        arguments: [
            (["x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "1"], true, 32),
            (["x-b3-traceid": String(trace.suffix(16)), "x-b3-spanid": span, "x-b3-sampled": "0"], false, 16),
            (["x-b3-traceid": trace, "x-b3-spanid": span], nil, 32),
            (["x-b3-sampled": "true"], true, 0), (["x-b3-sampled": "False"], false, 0), (["x-b3-flags": "1"], true, 0),
            (["x-b3-traceid": "nonsense", "x-b3-spanid": span, "x-b3-sampled": "1"], true, 0),
            (["x-b3-flags": "1", "x-b3-sampled": "0"], true, 0),
        ] as [([String: String], Bool?, Int)])
    func b3multi(fields: [String: String], isSampled: Bool?, digits: Int) throws {
        let headers = HeaderTable()
        for (name, value) in fields { headers.set(name, Array(value.utf8)) }
        let names = try #require(B3Names())
        let found = try #require(IncomingTrace(b3: headers, names))
        #expect(found.isSampled == isSampled)
        #expect(found.parent?.traceHigh == (digits == 0 ? nil : digits == 16 ? 0 : Self.parent.traceHigh))
        #expect(found.parent?.traceLow == (digits == 0 ? nil : Self.parent.traceLow))
    }

    @Test("What is written in each form is what is read again", arguments: [true, false])
    func roundTrip(isSampled: Bool) throws {
        let fields = try #require(TraceFields([.traceContext, .b3, .b3multi]))
        for high: UInt64 in [0x0af7_6519_16cd_43dd, 0] {
            let headers = HeaderTable()
            let trace = TraceContext(
                traceHigh: high, traceLow: 0x8448_eb21_1c80_319c, spanID: 7, parentID: 8, upstreamSpanID: 9,
                isSampled: isSampled)
            fields.write(trace, to: headers, continues: false)
            let upstream = IncomingTrace.Parent(traceHigh: high, traceLow: trace.traceLow, spanID: 9)
            for form in Propagation.allCases {
                let reader = try #require(TraceFields([form]))
                let found = try #require(reader.read(headers))
                #expect(found.parent == upstream)
                #expect(found.isSampled == isSampled)
            }
            #expect(headers.text("x-b3-parentspanid") == ["0000000000000007"])
            #expect(headers.text("x-b3-traceid").first?.count == (high == 0 ? 16 : 32))
            #expect(
                headers.text("b3").first?.hasSuffix("-0000000000000009-\(isSampled ? 1 : 0)-0000000000000007") == true)
        }
    }

    @Test("Two traceparents are none; the first form that says anything counts")
    func order() throws {
        let headers = HeaderTable()
        let value = Array("00-\(trace)-\(span)-01".utf8)
        headers.append(.traceparent, value.span)
        headers.append(.traceparent, value.span)
        let both = try #require(TraceFields([.traceContext, .b3]))
        #expect(both.read(headers) == nil)
        headers.set("b3", Array("\(trace)-\(span)-0".utf8))
        #expect(both.read(headers)?.isSampled == false)
        both.strip(headers)
        #expect(headers.isEmpty)
    }

    @Test(
        "A trace that begins here has no state of another; one too large is dropped",
        arguments: [
            (true, "a=1,b=2", true), (false, "a=1", false), (true, String(repeating: "a", count: 4097), false),
            (true, String(repeating: ",", count: 32), false),
        ])
    func state(continues: Bool, value: String, isKept: Bool) throws {
        let headers = HeaderTable()
        headers.set("tracestate", Array(value.utf8))
        let trace = TraceContext(
            traceHigh: 1, traceLow: 2, spanID: 3, parentID: 4, upstreamSpanID: 5, isSampled: true)
        try #require(TraceFields([.traceContext])).write(trace, to: headers, continues: continues)
        #expect(headers.text("tracestate") == (isKept ? [value] : []))
    }

    @Test("Sampling by the trace's id takes its share, the same everywhere")
    func sampling() {
        #expect(Sampling(1).takes(.max) && Sampling(1).takes(0))
        #expect(!Sampling(0).takes(0) && !Sampling(0).takes(.max))
        var bytes = Bytes(seed: 1)
        let ids = (0..<20_000).map { _ in bytes.next() }
        let tenth = ids.filter { Sampling(0.1).takes($0) }
        #expect((1800...2200).contains(tenth.count))
        #expect(tenth.allSatisfy { Sampling(0.2).takes($0) })
    }
}
