internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// How traces cross from one service to the next.
enum Propagation: String, CaseIterable, Sendable {
    /// W3C `traceparent` and `tracestate`.
    case traceContext = "tracecontext"
    /// B3 in one header.
    case b3
    /// B3 in several headers.
    case b3multi
}

/// Reads and writes the header fields of traces.
struct TraceFields: Sendable {
    private let forms: [Propagation]
    private let names: B3Names
    private let traceparent = HeaderName.traceparent
    private let tracestate = HeaderName.tracestate

    /// Larger ones are dropped whole, as the specification lets us (section 3.3.1.5); so are those of more members.
    static let maxTraceState = 4096
    static let maxTraceStateMembers = 32

    /// Nil never: all names are tokens.
    init?(_ forms: [Propagation]) {
        guard let names = B3Names() else { return nil }
        self.forms = forms
        self.names = names
    }

    /// Takes the fields of every form off: what they say is not believed, and not to be believed by others.
    func strip(_ headers: HeaderTable) {
        headers.remove(traceparent)
        headers.remove(tracestate)
        for name in names.all { headers.remove(name) }
    }

    /// What the first form that says anything says.
    func read(_ headers: HeaderTable) -> IncomingTrace? {
        for form in forms {
            let found: IncomingTrace? =
                switch form {
                case .traceContext: readTraceContext(headers)
                case .b3: single(headers)
                case .b3multi: IncomingTrace(b3: headers, names)
                }
            if let found { return found }
        }
        return nil
    }

    private func readTraceContext(_ headers: HeaderTable) -> IncomingTrace? {
        guard let index = headers.firstIndex(of: traceparent) else { return nil }
        // Two of them: nobody can say which is meant.
        guard headers.firstIndex(of: traceparent, from: index + 1) == nil else { return nil }
        return IncomingTrace(traceparent: headers.value(at: index))
    }

    private func single(_ headers: HeaderTable) -> IncomingTrace? {
        guard let value = headers.first(names.single) else { return nil }
        return IncomingTrace(b3: value)
    }

    /// What upstream is told, in every form. `continues`: the trace is the one that came in, and so is its state.
    func write(_ trace: TraceContext, to headers: HeaderTable, continues: Bool) {
        for form in forms {
            switch form {
            case .traceContext:
                if !continues || !isStateSmall(headers) { headers.remove(tracestate) }
                writeTraceParent(trace, headers)
            case .b3: writeSingle(trace, headers)
            case .b3multi: writeMulti(trace, headers)
            }
        }
    }

    private func isStateSmall(_ headers: HeaderTable) -> Bool {
        var bytes = 0
        var members = 0
        var index = headers.firstIndex(of: tracestate)
        while let place = index {
            let value = headers.value(at: place)
            bytes += value.count
            members += 1
            for byte in value.indices where value[byte] == 0x2C { members += 1 }
            index = headers.firstIndex(of: tracestate, from: place + 1)
        }
        return bytes <= Self.maxTraceState && members <= Self.maxTraceStateMembers
    }

    // MARK: Writing

    private func writeTraceParent(_ trace: TraceContext, _ headers: HeaderTable) {
        var text = InlineArray<55, UInt8>(repeating: 0x2D)
        text[0] = 0x30
        text[1] = 0x30
        for index in 0..<16 {
            text[3 + index] = Self.digit(trace.traceHigh, 15 - index)
            text[19 + index] = Self.digit(trace.traceLow, 15 - index)
            text[36 + index] = Self.digit(trace.upstreamSpanID, 15 - index)
        }
        text[53] = 0x30
        text[54] = 0x30 + (trace.isSampled ? 1 : 0) + (trace.isRandom ? 2 : 0)
        headers.set(traceparent, text.span)
    }

    /// Whose child the span is that upstream is told of; zero for nobody's.
    private func parent(_ trace: TraceContext) -> UInt64 {
        trace.upstreamSpanID == trace.spanID ? trace.parentID : trace.spanID
    }

    /// `{trace}-{span}-{sampling}-{parent}`.
    private func writeSingle(_ trace: TraceContext, _ headers: HeaderTable) {
        let parent = parent(trace)
        var text = InlineArray<68, UInt8>(repeating: 0x2D)
        // An id of 64 bits stays one.
        let start = trace.traceHigh == 0 ? 16 : 0
        for index in 0..<16 {
            text[index] = Self.digit(trace.traceHigh, 15 - index)
            text[16 + index] = Self.digit(trace.traceLow, 15 - index)
            text[33 + index] = Self.digit(trace.upstreamSpanID, 15 - index)
            text[52 + index] = Self.digit(parent, 15 - index)
        }
        text[50] = trace.isDebug ? 0x64 : trace.isSampled ? 0x31 : 0x30
        headers.set(names.single, text.span.extracting(start..<(parent == 0 ? 51 : 68)))
    }

    private func writeMulti(_ trace: TraceContext, _ headers: HeaderTable) {
        let parent = parent(trace)
        var text = InlineArray<32, UInt8>(repeating: 0x30)
        for index in 0..<16 {
            text[index] = Self.digit(trace.traceHigh, 15 - index)
            text[16 + index] = Self.digit(trace.traceLow, 15 - index)
        }
        headers.set(names.trace, text.span.extracting((trace.traceHigh == 0 ? 16 : 0)..<32))
        for index in 0..<16 {
            text[index] = Self.digit(trace.upstreamSpanID, 15 - index)
            text[16 + index] = Self.digit(parent, 15 - index)
        }
        headers.set(names.span, text.span.extracting(0..<16))
        if parent == 0 {
            headers.remove(names.parent)
        } else {
            headers.set(names.parent, text.span.extracting(16..<32))
        }
        text[0] = 0x31
        text[1] = 0x30
        if trace.isDebug {
            headers.set(names.flags, text.span.extracting(0..<1))
            headers.remove(names.sampled)
        } else {
            headers.remove(names.flags)
            let start = trace.isSampled ? 0 : 1
            headers.set(names.sampled, text.span.extracting(start..<(start + 1)))
        }
    }

    private static func digit(_ number: UInt64, _ place: Int) -> UInt8 {
        let nibble = UInt8(truncatingIfNeeded: number >> UInt64(place * 4)) & 15
        return nibble < 10 ? 0x30 + nibble : 0x57 + nibble
    }
}
