internal import MartletCore

/// What the fields of a head say about framing and the connection, gathered while they are parsed.
struct HTTP1Fields {
    var contentLength: UInt64?
    var isChunked = false
    var hasHost = false
    var closes = false
    var keepsAlive = false
    var namesUpgrade = false
    /// Connection names further fields, to be removed.
    var namesFields = false
    var hasUpgrade = false
    var expectsContinue = false

    enum Kind { case request, response, trailers }

    /// Parses the field lines of `input` from `start` to the empty line, and answers where what follows it begins; nil
    /// when the input ends before. `base` is where the input's first byte will lie in the table's arena: the caller puts
    /// it there.
    mutating func parse(
        _ input: Span<UInt8>, from start: Int, base: Int, into table: HeaderTable, _ kind: Kind, limits: HTTP1Limits
    ) throws(HTTP1Fault) -> Int? {
        var position = start
        var count = 0
        while true {
            // Mostly the first control character of a line is its CR, and the line is known to hold no other.
            var end = FieldValue.firstControl(in: input, from: position)
            guard end + 1 < input.count else { return nil }
            let isClean = input[end] == 0x0D && input[end + 1] == 0x0A
            if !isClean {
                guard let lineFeed = input.firstIndex(of: 0x0A, from: position) else { return nil }
                end = lineFeed - 1
                guard end >= position, input[end] == 0x0D else { throw .bareLF }
            }
            guard end + 1 < limits.head else { throw .headTooLarge }
            if end == position { return end + 2 }
            count += 1
            guard count <= limits.fields else { throw .tooManyFields }
            try field(input, position, end, isClean, base, table, kind)
            position = end + 2
        }
    }

    /// `isClean`: the line holds no control character but tabs.
    private mutating func field(
        _ block: Span<UInt8>, _ start: Int, _ end: Int, _ isClean: Bool, _ base: Int, _ table: HeaderTable, _ kind: Kind
    ) throws(HTTP1Fault) {
        if block[start] == 0x20 || block[start] == 0x09 { throw .foldedField }
        let colon = Token.colon(in: block, from: start)
        guard colon < end, colon > start else { throw .badFieldName }
        let name = block.extracting(start..<colon)
        let id = HeaderIndex.id(of: name)
        // A known name is a token. In a clean line nothing else is taken for one, see `tokenEquals`.
        guard id != .unknown && isClean || HeaderTable.isToken(name) else { throw .badFieldName }
        var first = colon + 1
        while first < end && (block[first] == 0x20 || block[first] == 0x09) { first += 1 }
        var last = end
        while last > first && (block[last - 1] == 0x20 || block[last - 1] == 0x09) { last -= 1 }
        let value = block.extracting(first..<last)
        if !isClean, let fault = FieldValue.fault(in: value) { throw fault }
        guard try keep(id, name, value, kind) else { return }
        table.appendStored(
            name: ByteRange(start: base + start, length: colon - start),
            value: ByteRange(start: base + first, length: last - first), id: id)
    }

    /// Notes what a field means; false when it concerns only this connection and goes no further (RFC 9110 section 7.6.1).
    private mutating func keep(
        _ id: HeaderID, _ name: Span<UInt8>, _ value: Span<UInt8>, _ kind: Kind
    ) throws(HTTP1Fault) -> Bool {
        if kind == .trailers { return Self.isAllowedInTrailers(id, name) }
        switch id {
        case .unknown: return true
        case .contentLength:
            // RFC 9112 section 6.3 lets equal repetitions pass; two parsers may not, so none do.
            guard contentLength == nil else { throw .duplicateContentLength }
            guard let length = value.decimal(), length <= UInt64(Int64.max) else { throw .badContentLength }
            contentLength = length
            return true
        case .transferEncoding:
            guard !isChunked, value.equalsIgnoringCase("chunked") else { throw .badTransferCoding }
            isChunked = true
            return false
        case .host:
            guard kind == .request else { return true }
            guard !hasHost else { throw .duplicateHost }
            hasHost = true
            return true
        case .connection:
            try connection(value)
            return false
        case .keepAlive, .proxyConnection, .te, .http2Settings, .proxyAuthorization, .proxyAuthenticate:
            return false
        case .upgrade:
            hasUpgrade = true
            return true
        case .expect:
            guard kind == .request else { return true }
            guard value.equalsIgnoringCase("100-continue") else { throw .unknownExpectation }
            expectsContinue = true
            return true
        default: return true
        }
    }

    private mutating func connection(_ value: Span<UInt8>) throws(HTTP1Fault) {
        var position = 0
        while position <= value.count {
            let end = value.firstIndex(of: 0x2C, from: position) ?? value.count
            let option = value.extracting(position..<end).trimmed()
            position = end + 1
            if option.isEmpty { continue }
            if option.equalsIgnoringCase("close") {
                closes = true
            } else if option.equalsIgnoringCase("keep-alive") {
                keepsAlive = true
            } else if option.equalsIgnoringCase("upgrade") {
                namesUpgrade = true
            } else {
                guard HeaderTable.isToken(option) else { throw .badFieldValue }
                if Self.isProtected(option) { throw .protectedFieldInConnection }
                namesFields = true
            }
        }
    }

    /// Fields that say what a message is or who sent it. A client that has them taken out on the way could make the
    /// request look other than it is to those behind (Envoy refuses such requests too).
    private static func isProtected(_ name: Span<UInt8>) -> Bool {
        switch HeaderIndex.id(of: name) {
        case .te, .keepAlive, .proxyConnection, .http2Settings, .trailer, .proxyAuthorization, .proxyAuthenticate: false
        case .unknown:
            name.hasPrefixIgnoringCase("x-envoy-") || name.hasPrefixIgnoringCase("x-martlet-")
                || name.hasPrefixIgnoringCase("x-forwarded-") || name.hasPrefixIgnoringCase("x-b3-")
                || name.hasPrefixIgnoringCase("content-") || name.hasPrefixIgnoringCase("sec-")
        default: true
        }
    }

    /// Removes the fields that Connection named. Rare, so it scans the block again for them.
    func removeNamed(
        _ block: Span<UInt8>, from start: Int, _ table: HeaderTable
    ) {
        var position = start
        while let lineEnd = block.firstIndex(of: 0x0A, from: position), lineEnd > position + 1 {
            let line = block.extracting(position..<(lineEnd - 1))
            position = lineEnd + 1
            guard let colon = line.firstIndex(of: 0x3A),
                line.extracting(0..<colon).equalsIgnoringCase("connection")
            else { continue }
            let value = line.extracting((colon + 1)..<line.count)
            var at = 0
            while at <= value.count {
                let end = value.firstIndex(of: 0x2C, from: at) ?? value.count
                let option = value.extracting(at..<end).trimmed()
                at = end + 1
                if option.isEmpty || option.equalsIgnoringCase("upgrade") { continue }
                table.remove(named: option)
            }
        }
    }

    /// RFC 9110 section 6.5.1: a trailer may not change how the message was read.
    static func isAllowedInTrailers(_ id: HeaderID, _ name: Span<UInt8>) -> Bool {
        switch id {
        case .unknown: !isProtected(name)
        case .transferEncoding, .contentLength, .host, .connection, .keepAlive, .proxyConnection, .te, .trailer,
            .upgrade,
            .expect, .authorization, .proxyAuthorization, .proxyAuthenticate, .wwwAuthenticate, .cookie, .setCookie,
            .contentEncoding, .contentType, .range, .cacheControl, .age, .date, .expires, .location, .retryAfter, .vary,
            .http2Settings, .xForwardedFor, .xForwardedHost, .xForwardedProto, .xForwardedPort, .forwarded, .via,
            .xRequestID, .xRealIP, .xForwardedClientCert, .xMartletError, .ifMatch, .ifNoneMatch, .ifModifiedSince,
            .ifRange, .origin, .xEnvoyExpectedTimeout, .xEnvoyRateLimited, .xMartletAttempt:
            false
        default: true
        }
    }
}

extension Span where Element == UInt8 {
    /// `lowercase` must be written in lower case.
    func hasPrefixIgnoringCase(_ lowercase: StaticString) -> Bool {
        count >= lowercase.utf8CodeUnitCount
            && extracting(0..<lowercase.utf8CodeUnitCount).equalsIgnoringCase(lowercase)
    }
}

/// RFC 9110 section 5.6.2, as two words of bits.
enum Token {
    // Bit n stands for character n, and n + 64 in the second word; a test holds them against the RFC's list.
    private static var low: UInt64 { 0x03FF_6CFA_0000_0000 }
    private static var high: UInt64 { 0x57FF_FFFF_C7FF_FFFE }

    @inline(__always)
    static func contains(_ byte: UInt8) -> Bool {
        switch byte {
        case 0..<64: low & (1 << UInt64(byte)) != 0
        case 64..<128: high & (1 << UInt64(byte - 64)) != 0
        default: false
        }
    }
}

extension Token {
    /// Where the next colon is, or the end. Eight bytes at a time.
    @inline(__always)
    static func colon(in block: Span<UInt8>, from start: Int) -> Int {
        let bytes = unsafe block.bytes
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = start
        while index + 8 <= block.count {
            // In bounds: eight bytes from `index` are left.
            let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self) ^ (ones &* 0x3A)
            let found = (word &- ones) & ~word & 0x8080_8080_8080_8080
            // The lowest bit is exact.
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < block.count && block[index] != 0x3A { index += 1 }
        return index
    }
}

/// RFC 9110 section 5.5: visible characters, spaces, tabs and bytes from 0x80 up.
enum FieldValue {
    static func fault(in value: Span<UInt8>) -> HTTP1Fault? {
        let control = firstControl(in: value, from: 0)
        guard control < value.count else { return nil }
        return value[control] == 0x0D ? .bareCR : .badFieldValue
    }

    /// Where the next control character but a tab is, or the end. Eight bytes at a time.
    static func firstControl(in text: Span<UInt8>, from start: Int) -> Int {
        let count = text.count
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = start
        while index < count {
            index = unsafe text.withUnsafeBytes { bytes in
                var index = index
                // Non-nil: a span that is not empty has an address. In bounds: eight bytes from `index` are left.
                while let base = bytes.baseAddress, count &- index >= 8 {
                    let word = unsafe base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                    let delete = word ^ (ones &* 0x7F)
                    let found = ((word &- ones &* 0x20) & ~word | (delete &- ones) & ~delete) & (ones &* 0x80)
                    // The lowest bit is exact; a borrow may have set others above it.
                    if found != 0 { return index &+ found.trailingZeroBitCount / 8 }
                    index &+= 8
                }
                return index
            }
            while index < count, text[index] >= 0x20, text[index] != 0x7F { index &+= 1 }
            guard index < count, text[index] == 0x09 else { return index }
            index &+= 1
        }
        return index
    }
}
