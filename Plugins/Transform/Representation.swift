internal import MartletCore

/// Fields that say something about a message's content and would be untrue once its coding has changed.
enum Representation {
    private static let acceptRanges = Array("accept-ranges".utf8)
    private static let contentRange = Array("content-range".utf8)
    private static let digests = ["content-digest", "repr-digest", "digest", "content-md5"].map { Array($0.utf8) }
    private static let acceptEncoding = Array("accept-encoding".utf8)

    /// Whether the content is part of something.
    static func isPartial(_ headers: HeaderTable) -> Bool { headers.firstIndex(named: contentRange.span) != nil }

    /// Whether the sender vouches for the very bytes (RFC 9530, RFC 1864).
    static func hasDigest(_ headers: HeaderTable) -> Bool {
        digests.contains { headers.firstIndex(named: $0.span) != nil }
    }

    static func removeDigests(_ headers: HeaderTable) {
        for name in digests { headers.remove(named: name.span) }
    }

    /// RFC 9110 section 7.7: nobody between may change the content.
    static func forbidsTransform(_ headers: HeaderTable) -> Bool {
        hasElement(headers, .cacheControl) { $0.equalsIgnoringCase("no-transform") }
    }

    /// The content differs now, byte by byte, from what the sender called by this tag, and means the same: that is a weak
    /// validator (RFC 9110 section 8.8.1). Ranges of it are not to be had.
    static func weaken(_ headers: HeaderTable) {
        headers.remove(named: acceptRanges.span)
        guard let index = headers.firstIndex(id: .etag) else { return }
        let tag = headers.value(at: index)
        guard !tag.isEmpty, tag[0] == 0x22 else { return }
        let weak = [0x57, 0x2F] + tag.array()
        headers.replaceValue(at: index, weak.span)
    }

    /// RFC 9110 section 12.5.5.
    static func addVary(_ headers: HeaderTable) {
        let isSaid = hasElement(headers, .vary) { $0.equals("*") || $0.equalsIgnoringCase("accept-encoding") }
        guard !isSaid else { return }
        if let index = headers.firstIndex(id: .vary) {
            headers.extendValue(at: index, separator: ", ", acceptEncoding.span)
        } else {
            headers.append(.vary, acceptEncoding.span)
        }
    }

    private static func hasElement(
        _ headers: HeaderTable, _ id: HeaderID, _ isWanted: (Span<UInt8>) -> Bool
    ) -> Bool {
        var found = false
        var index = headers.firstIndex(id: id)
        while let place = index, !found {
            headers.value(at: place).forEachListElement { if isWanted($0) { found = true } }
            index = headers.firstIndex(id: id, from: place + 1)
        }
        return found
    }
}
