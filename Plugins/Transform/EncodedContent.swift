internal import MartletCoding
internal import MartletCore

/// What a message's `content-encoding` says (RFC 9110 section 8.4).
enum EncodedContent: Equatable {
    case plain
    case one(ContentCoding)
    /// A coding that is not known here.
    case unknown
    /// One coding around another.
    case layers

    init(_ headers: HeaderTable) {
        var result = EncodedContent.plain
        var index = headers.firstIndex(id: .contentEncoding)
        while let place = index {
            headers.value(at: place).forEachListElement { name in
                if name.equalsIgnoringCase("identity") { return }
                let coding = ContentCoding(name)
                result = result == .plain ? coding.map { .one($0) } ?? .unknown : .layers
            }
            index = headers.firstIndex(id: .contentEncoding, from: place + 1)
        }
        self = result
    }
}
