internal import MartletCoding
internal import MartletCore

/// What a client takes, by its `accept-encoding` (RFC 9110 section 12.5.3). A client without the field takes anything by
/// the letter; nobody encodes for it.
struct AcceptEncoding: Equatable {
    // Weights in thousandths; nil where the coding is not named.
    private var gzip: UInt16?
    private var br: UInt16?
    private var zstd: UInt16?
    private var deflate: UInt16?
    private var identity: UInt16?
    private var others: UInt16?

    init() {}

    init(_ headers: HeaderTable) {
        var index = headers.firstIndex(id: .acceptEncoding)
        while let found = index {
            read(headers.value(at: found))
            index = headers.firstIndex(id: .acceptEncoding, from: found + 1)
        }
    }

    /// 0...1000; 0 is not acceptable.
    func weight(of coding: ContentCoding) -> UInt16 {
        let named =
            switch coding {
            case .gzip: gzip
            case .br: br
            case .zstd: zstd
            case .deflate: deflate
            }
        return named ?? others ?? 0
    }

    /// The one of `offered` that the client likes best, the first among equals. Nil when it takes none of them, or would
    /// rather have none.
    func best(of offered: [ContentCoding]) -> ContentCoding? {
        var best: ContentCoding?
        var weight: UInt16 = 0
        for coding in offered where self.weight(of: coding) > weight {
            best = coding
            weight = self.weight(of: coding)
        }
        if let identity, identity > weight { return nil }
        return best
    }

    private mutating func read(_ value: Span<UInt8>) {
        value.forEachListElement { element in
            let end = element.firstIndex(of: 0x3B) ?? element.count
            let name = element.extracting(..<end).trimmed()
            // What cannot be read is nothing that the client would surely understand.
            let weight = end < element.count ? Self.weight(element.extracting((end + 1)...)) ?? 0 : 1000
            if let coding = ContentCoding(name) {
                switch coding {
                case .gzip: gzip = weight
                case .br: br = weight
                case .zstd: zstd = weight
                case .deflate: deflate = weight
                }
            } else if name.equalsIgnoringCase("identity") {
                identity = weight
            } else if name.equals("*") {
                others = weight
            }
        }
    }

    /// `q=0.5` in thousandths (RFC 9110 section 12.4.2); nil for anything else.
    private static func weight(_ parameter: Span<UInt8>) -> UInt16? {
        let text = parameter.trimmed()
        guard text.count >= 3, text.count <= 7, text[0] | 0x20 == 0x71, text[1] == 0x3D else { return nil }
        guard text[2] == 0x30 || text[2] == 0x31 else { return nil }
        var weight = UInt16(text[2] &- 0x30) * 1000
        guard text.count > 3 else { return weight }
        guard text[3] == 0x2E else { return nil }
        var scale: UInt16 = 100
        for index in 4..<text.count {
            guard text[index].isDigit else { return nil }
            weight += UInt16(text[index] &- 0x30) * scale
            scale /= 10
        }
        return weight <= 1000 ? weight : nil
    }
}

extension Span where Element == UInt8 {
    /// The elements of a list (RFC 9110 section 5.6.1), without white space around them; empty ones are none. A comma in
    /// a quoted string divides nothing.
    func forEachListElement(_ body: (Span<UInt8>) -> Void) {
        var start = 0
        var index = 0
        var isQuoted = false
        while index <= count {
            if index == count || (self[index] == 0x2C && !isQuoted) {
                let element = extracting(start..<index).trimmed()
                if !element.isEmpty { body(element) }
                start = index + 1
            } else if self[index] == 0x22 {
                isQuoted.toggle()
            } else if self[index] == 0x5C && isQuoted {
                // Whatever it escapes; it may be the last byte.
                if index + 1 < count { index += 1 }
            }
            index += 1
        }
    }
}
