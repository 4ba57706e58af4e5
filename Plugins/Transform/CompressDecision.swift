internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Why a response is not compressed; the label `reason` of `martlet_compress_skipped_total`.
enum CompressSkip: String, CaseIterable {
    // Of the response, whoever asked for it.
    case noBody = "no-body"
    case partial
    case encoded
    case contentType = "content-type"
    case small
    case noTransform = "no-transform"
    case digest
    // Of this client, or of this moment: another gets it compressed, so caches must know what it depends on.
    case head
    case notAccepted = "not-accepted"
    case http10 = "http-1.0"
    case tooManyActive = "too-many-active"
}

extension CompressConfig {
    /// Why `response` is compressed for nobody; nil when it is for those who take it.
    func objection(_ response: ResponseHead, isHeadOnly: Bool) -> CompressSkip? {
        let headers = response.headers
        switch response.status {
        case ..<200, 204, 205, 304: return .noBody
        case 206: return .partial
        default: break
        }
        if isHeadOnly { return .noBody }
        if Representation.isPartial(headers) { return .partial }
        if headers.firstIndex(id: .contentEncoding) != nil { return .encoded }
        guard let type = headers.first(id: .contentType), contentTypes.contains(type) else { return .contentType }
        if case .exactly(let length) = response.body, length < minSize { return .small }
        if Representation.forbidsTransform(headers) { return .noTransform }
        return Representation.hasDigest(headers) ? .digest : nil
    }

    /// How far back a compressor needs to look: not beyond what there is.
    func windowLog(_ effort: Effort, for body: BodyLength) -> Int {
        guard case .exactly(let length) = body, length > 1 else { return effort.windowLog }
        return min(effort.windowLog, max(10, UInt64.bitWidth - (length - 1).leadingZeroBitCount))
    }
}
