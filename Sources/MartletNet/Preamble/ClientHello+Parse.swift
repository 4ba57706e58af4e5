internal import MartletCore

/// RFC 8446 section 4.1.2, which all versions before it can be read as.
extension ClientHello {
    private enum Extension {
        static let serverName = 0
        static let alpn = 16
        static let supportedVersions = 43
    }

    init(message: Span<UInt8>) throws(ClientHelloFault) {
        var place = 0
        guard message.count >= 35 else { throw .malformed }
        guard message[0] == 3 else { throw .malformed }
        versions = [UInt16(message.bigEndian16(at: 0))]
        // Version and random.
        place = 34
        let session = try Self.field(1, in: message, &place)
        guard session.count <= 32 else { throw .malformed }
        let suites = try Self.field(2, in: message, &place)
        guard !suites.isEmpty && suites.count % 2 == 0 else { throw .malformed }
        let compression = try Self.field(1, in: message, &place)
        guard !compression.isEmpty else { throw .malformed }
        // Before TLS 1.3 a client might send no extensions at all.
        guard place < message.count else { return }
        let extensions = try Self.field(2, in: message, &place)
        guard place == message.count else { throw .malformed }
        try read(extensions: message.extracting(extensions))
    }

    private mutating func read(extensions: Span<UInt8>) throws(ClientHelloFault) {
        var place = 0
        var seen: Set<Int> = []
        while place < extensions.count {
            guard place + 2 <= extensions.count else { throw .malformed }
            let type = extensions.bigEndian16(at: place)
            place += 2
            let body = extensions.extracting(try Self.field(2, in: extensions, &place))
            switch type {
            case Extension.serverName, Extension.alpn, Extension.supportedVersions:
                guard seen.insert(type).inserted else { throw .duplicateExtension }
            default: continue
            }
            switch type {
            case Extension.serverName: serverName = try Self.serverName(body)
            case Extension.alpn: alpn = try Self.protocols(body)
            default: versions = try Self.versions(body)
            }
        }
    }

    /// RFC 6066 section 3: one name, and of the one kind there is.
    private static func serverName(_ body: Span<UInt8>) throws(ClientHelloFault) -> String {
        var place = 0
        let list = try field(2, in: body, &place)
        guard place == body.count, list.count >= 3, body[list.lowerBound] == 0 else { throw .badServerName }
        place = list.lowerBound + 1
        let name = try field(2, in: body, &place)
        guard place == body.count else { throw .badServerName }
        return try hostName(body.extracting(name))
    }

    /// Letters, digits, hyphens and, as hosts have them in practice, underscores; at most 63 in a label and 255 in all.
    private static func hostName(_ name: Span<UInt8>) throws(ClientHelloFault) -> String {
        guard name.count <= 255 else { throw .badServerName }
        var lower: [UInt8] = []
        lower.reserveCapacity(name.count)
        var label = 0
        for index in name.indices {
            let byte = name[index].lowercasedASCII
            if byte == 0x2E {
                guard label > 0 else { throw .badServerName }
                label = 0
            } else {
                guard (0x61...0x7A).contains(byte) || byte.isDigit || byte == 0x2D || byte == 0x5F, label < 63 else {
                    throw .badServerName
                }
                label += 1
            }
            lower.append(byte)
        }
        // Not allowed, yet some clients send the dot that was typed.
        if label == 0 { _ = lower.popLast() }
        guard !lower.isEmpty else { throw .badServerName }
        return String(decoding: lower, as: UTF8.self)
    }

    /// RFC 7301 section 3.1.
    private static func protocols(_ body: Span<UInt8>) throws(ClientHelloFault) -> [[UInt8]] {
        var place = 0
        var found: [[UInt8]] = []
        guard body.count >= 2, body.bigEndian16(at: 0) == body.count - 2, body.count > 2 else { throw .badALPN }
        place = 2
        while place < body.count {
            let length = Int(body[place])
            guard length > 0, place + 1 + length <= body.count else { throw .badALPN }
            found.append(body.extracting((place + 1)..<(place + 1 + length)).array())
            place += 1 + length
        }
        return found
    }

    /// RFC 8446 section 4.2.1.
    private static func versions(_ body: Span<UInt8>) throws(ClientHelloFault) -> [UInt16] {
        var place = 0
        let list = try field(1, in: body, &place)
        guard place == body.count, !list.isEmpty, list.count % 2 == 0 else { throw .malformed }
        var found: [UInt16] = []
        for index in stride(from: list.lowerBound, to: list.upperBound, by: 2) {
            let version = UInt16(body.bigEndian16(at: index))
            // RFC 8701: 0x0A0A, 0x1A1A and so on stand for nothing.
            let isMadeUp = version & 0x0F0F == 0x0A0A && version >> 8 == version & 0xFF
            if !isMadeUp { found.append(version) }
        }
        return found
    }

    /// The bytes behind a length of `width` bytes; `place` moves behind them.
    private static func field(
        _ width: Int, in bytes: Span<UInt8>, _ place: inout Int
    ) throws(ClientHelloFault) -> Range<Int> {
        guard place + width <= bytes.count else { throw .malformed }
        let length = width == 1 ? Int(bytes[place]) : bytes.bigEndian16(at: place)
        let start = place + width
        guard start + length <= bytes.count else { throw .malformed }
        place = start + length
        return start..<place
    }
}
