internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Makes one path of those that servers read as the same (RFC 3986 section 6.2.2), before anything is decided by it.
/// Otherwise `/admin` could be refused and `/x/../admin` let through.
enum PathNormalizer {
    /// A reply when the path has no safe reading.
    static func normalize(_ request: RequestHead, _ policy: PathPolicy) -> Reply? {
        guard request.method != .connect else { return nil }
        let path = request.path()
        guard path.count > 0, path[0] == 0x2F, needsWork(path, policy) else { return nil }
        guard let normal = normalized(path, policy) else {
            return .refusal(400, "path-not-normal", flag: .downstreamProtocolError)
        }
        if case .reject = policy.escapedSlashes, hasEscapedSlash(path) {
            return .refusal(400, "path-has-escaped-slash", flag: .downstreamProtocolError)
        }
        var target = normal
        if let query = request.query() {
            target.append(0x3F)
            for index in query.indices { target.append(query[index]) }
        }
        request.setTarget(target.span)
        return nil
    }

    /// What `path` looks like when routes are matched; nil when it has no safe reading. A route that asks for another form
    /// never matches. Of a beginning the last segment is left as it is: `/.` may go on as `/.well-known`.
    static func seen(_ path: String, isWhole: Bool, _ policy: PathPolicy) -> String? {
        let bytes = Array(path.utf8)
        let end = isWhole ? bytes.count : (bytes.lastIndex(of: 0x2F) ?? -1) + 1
        guard let normal = normalized(bytes.span.extracting(0..<end), policy) else { return nil }
        return String(decoding: normal + bytes[end...], as: UTF8.self)
    }

    /// The common path needs one look and no copy.
    private static func needsWork(_ path: Span<UInt8>, _ policy: PathPolicy) -> Bool {
        var previous: UInt8 = 0
        for index in path.indices {
            let byte = path[index]
            switch byte {
            case 0x25: return true
            case 0x2E where previous == 0x2F && policy.normalize: return true
            case 0x2F where previous == 0x2F && policy.mergeSlashes: return true
            case 0x5C where policy.normalize: return true
            default: previous = byte
            }
        }
        return false
    }

    private static func hasEscapedSlash(_ path: Span<UInt8>) -> Bool {
        var index = 0
        while index + 2 < path.count {
            if path[index] == 0x25, let byte = decoded(path, index), byte == 0x2F || byte == 0x5C { return true }
            index += 1
        }
        return false
    }

    private static func decoded(_ path: Span<UInt8>, _ index: Int) -> UInt8? {
        guard index + 2 < path.count, let high = path[index + 1].hexValue, let low = path[index + 2].hexValue else {
            return nil
        }
        return high << 4 | low
    }

    /// Nil when `..` climbs above the root, or an escape is malformed or stands for NUL.
    private static func normalized(_ path: Span<UInt8>, _ policy: PathPolicy) -> [UInt8]? {
        var out: [UInt8] = []
        out.reserveCapacity(path.count)
        var index = 0
        while index < path.count {
            let byte = path[index]
            if byte == 0x25 {
                guard let plain = decoded(path, index) else {
                    // A lone percent sign stands for itself, and what is around it is looked at all the same.
                    guard !policy.normalize else { return nil }
                    out.append(byte)
                    index += 1
                    continue
                }
                index += 3
                if plain == 0 { return nil }
                let isSlash = plain == 0x2F || plain == 0x5C
                if isSlash, case .unescape = policy.escapedSlashes {
                    out.append(0x2F)
                } else if policy.normalize && isUnreserved(plain) {
                    out.append(plain)
                } else {
                    out.append(0x25)
                    out.append(upper(path[index - 2]))
                    out.append(upper(path[index - 1]))
                }
            } else {
                out.append(byte == 0x5C && policy.normalize ? 0x2F : byte)
                index += 1
            }
        }
        if policy.mergeSlashes { out = mergingSlashes(out) }
        return policy.normalize ? removingDots(out) : out
    }

    private static func upper(_ byte: UInt8) -> UInt8 { byte >= 0x61 && byte <= 0x66 ? byte - 0x20 : byte }

    /// RFC 3986 section 2.3.
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x61...0x7A, 0x41...0x5A, 0x30...0x39, 0x2D, 0x2E, 0x5F, 0x7E: true
        default: false
        }
    }

    private static func mergingSlashes(_ path: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(path.count)
        for byte in path where !(byte == 0x2F && out.last == 0x2F) { out.append(byte) }
        return out
    }

    /// RFC 3986 section 5.2.4, refusing what would leave the root.
    private static func removingDots(_ path: [UInt8]) -> [UInt8]? {
        var segments: [ArraySlice<UInt8>] = []
        var endsWithSlash = false
        for segment in path.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false) {
            endsWithSlash = false
            switch Array(segment) {
            case [0x2E]: endsWithSlash = true
            case [0x2E, 0x2E]:
                guard segments.popLast() != nil else { return nil }
                endsWithSlash = true
            default: segments.append(segment)
            }
        }
        var out: [UInt8] = []
        for segment in segments {
            out.append(0x2F)
            out.append(contentsOf: segment)
        }
        if out.isEmpty || endsWithSlash { out.append(0x2F) }
        return out
    }
}
