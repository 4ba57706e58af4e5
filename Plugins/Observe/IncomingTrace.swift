internal import MartletCore

/// What a request says about the trace it is part of: whose child it is, and whether the trace is recorded. Read from one
/// form of propagation; what cannot be read says nothing.
struct IncomingTrace: Equatable {
    struct Parent: Equatable {
        /// Zero for ids of 64 bits.
        var traceHigh: UInt64
        var traceLow: UInt64
        var spanID: UInt64
    }

    var parent: Parent?
    /// Nil: whoever reads it decides.
    var isSampled: Bool?
    var isRandom = false
    var isDebug = false

    // MARK: W3C trace context, https://www.w3.org/TR/trace-context/

    /// A `traceparent`. Lower case and whole, or it is none; of later versions the part that this one knows is read.
    init?(traceparent value: Span<UInt8>) {
        guard value.count >= 55, value[2] == 0x2D, value[35] == 0x2D, value[52] == 0x2D,
            let version = value.hexNumber(0..<2), version != 0xFF,
            let high = value.hexNumber(3..<19), let low = value.hexNumber(19..<35), high | low != 0,
            let span = value.hexNumber(36..<52), span != 0, let flags = value.hexNumber(53..<55)
        else { return nil }
        guard value.count == 55 || (version > 0 && value[55] == 0x2D) else { return nil }
        parent = Parent(traceHigh: high, traceLow: low, spanID: span)
        isSampled = flags & 1 != 0
        isRandom = flags & 2 != 0
    }

    // MARK: B3, https://github.com/openzipkin/b3-propagation

    /// `{trace}-{span}`, maybe `-{sampling}` and `-{parent}` behind it; or a sampling decision alone.
    init?(b3 value: Span<UInt8>) {
        guard value.count > 1 else {
            guard value.count == 1, decide(by: value[0]) else { return nil }
            return
        }
        guard let end = value.firstIndex(of: 0x2D), end + 17 <= value.count,
            let parent = Self.parent(trace: value.extracting(0..<end), span: value.extracting(end + 1..<end + 17))
        else { return nil }
        self.parent = parent
        let next = end + 17
        guard next < value.count else { return }
        guard value[next] == 0x2D, next + 1 < value.count, decide(by: value[next + 1]) else { return nil }
        guard next + 2 < value.count else { return }
        guard value.count == next + 19, value[next + 2] == 0x2D, value.hexNumber((next + 3)..<(next + 19)) != nil else {
            return nil
        }
    }

    private mutating func decide(by state: UInt8) -> Bool {
        switch state {
        case 0x30: isSampled = false
        case 0x31: isSampled = true
        case 0x64:
            isSampled = true
            isDebug = true
        default: return false
        }
        return true
    }

    /// The several headers. Ids that cannot be read are none; a decision stands without them.
    init?(b3 headers: HeaderTable, _ names: B3Names) {
        if let trace = headers.first(names.trace), let span = headers.first(names.span) {
            parent = Self.parent(trace: trace, span: span)
        }
        if let flags = headers.first(names.flags), flags.equals("1") {
            isSampled = true
            isDebug = true
        } else if let sampled = headers.first(names.sampled) {
            // The words are how old tracers write it.
            if sampled.equals("1") || sampled.equalsIgnoringCase("true") {
                isSampled = true
            } else if sampled.equals("0") || sampled.equalsIgnoringCase("false") {
                isSampled = false
            }
        }
        if parent == nil && isSampled == nil { return nil }
    }

    private static func parent(trace: Span<UInt8>, span: Span<UInt8>) -> Parent? {
        guard span.count == 16, let spanID = span.hexNumber(0..<16), spanID != 0 else { return nil }
        switch trace.count {
        case 16:
            guard let low = trace.hexNumber(0..<16), low != 0 else { return nil }
            return Parent(traceHigh: 0, traceLow: low, spanID: spanID)
        case 32:
            guard let high = trace.hexNumber(0..<16), let low = trace.hexNumber(16..<32), high | low != 0 else {
                return nil
            }
            return Parent(traceHigh: high, traceLow: low, spanID: spanID)
        default: return nil
        }
    }
}

/// The names of B3's several headers.
struct B3Names: Sendable {
    let trace: HeaderName
    let span: HeaderName
    let parent: HeaderName
    let sampled: HeaderName
    let flags: HeaderName
    let single: HeaderName

    /// Nil never: all of them are tokens.
    init?() {
        guard let trace = HeaderName("x-b3-traceid"), let span = HeaderName("x-b3-spanid"),
            let parent = HeaderName("x-b3-parentspanid"), let sampled = HeaderName("x-b3-sampled"),
            let flags = HeaderName("x-b3-flags"), let single = HeaderName("b3")
        else { return nil }
        self.trace = trace
        self.span = span
        self.parent = parent
        self.sampled = sampled
        self.flags = flags
        self.single = single
    }

    var all: [HeaderName] { [trace, span, parent, sampled, flags, single] }
}

extension Span where Element == UInt8 {
    /// At most 16 hexadecimal digits in lower case; nil when there is anything else.
    func hexNumber(_ range: Range<Int>) -> UInt64? {
        guard range.upperBound <= count, range.count <= 16 else { return nil }
        var number: UInt64 = 0
        for index in range {
            let byte = self[index]
            guard let digit = byte.hexValue, !(0x41...0x46).contains(byte) else { return nil }
            number = number << 4 | UInt64(digit)
        }
        return number
    }
}
