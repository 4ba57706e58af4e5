internal import MartletCore

extension ProxyHeader {
    package enum Step: Sendable, Equatable {
        /// So far it may be a header. Pass the same bytes again with more behind them.
        case needMore
        /// The connection does not begin with one.
        case absent
        /// The connection's own bytes begin behind the first `consumed`.
        case header(ProxyHeader, consumed: Int)
        case fault(ProxyHeaderFault)
    }

    /// Bytes of a version 1 line, its end included.
    package static let maxLine = 107
    /// Bytes of a version 2 header behind its first 16: addresses and extensions. Senders that add certificates stay far
    /// below it.
    package static let maxBlock = 4096

    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    static let fixedLength = 16
    static let addressLengths = (ipv4: 12, ipv6: 36, unix: 216)

    /// Looks at a connection's first bytes. The answer for some bytes is the same however many more follow, unless it is
    /// `needMore`.
    package static func decode(_ bytes: Span<UInt8>) -> Step {
        guard !bytes.isEmpty else { return .needMore }
        if bytes[0] == signature[0] {
            for index in 0..<min(bytes.count, signature.count) where bytes[index] != signature[index] { return .absent }
            return bytes.count < fixedLength ? .needMore : block(bytes)
        }
        let beginning: StaticString = "PROXY "
        let known = min(bytes.count, beginning.utf8CodeUnitCount)
        guard beginning.hasPrefix(bytes.extracting(0..<known)) else { return .absent }
        return known < beginning.utf8CodeUnitCount ? .needMore : line(bytes)
    }

    // MARK: Version 1

    private static func line(_ bytes: Span<UInt8>) -> Step {
        let window = bytes.extracting(0..<min(bytes.count, maxLine))
        guard let end = window.indices.first(where: { window[$0] == 0x0A || window[$0] == 0x0D }) else {
            return window.count == maxLine ? .fault(.lineTooLong) : .needMore
        }
        guard window[end] == 0x0D else { return .fault(.badLineEnd) }
        guard end + 1 < maxLine else { return .fault(.lineTooLong) }
        guard end + 1 < bytes.count else { return .needMore }
        guard bytes[end + 1] == 0x0A else { return .fault(.badLineEnd) }
        switch origin(ofLine: bytes.extracting(6..<end)) {
        case .success(let origin):
            return .header(ProxyHeader(version: .v1, origin: origin, extensions: []), consumed: end + 2)
        case .failure(let fault): return .fault(fault)
        }
    }

    /// - Parameter text: what stands between `PROXY ` and the line's end.
    private static func origin(ofLine text: Span<UInt8>) -> Result<Origin, ProxyHeaderFault> {
        let family = text.extracting(0..<(text.firstIndex(of: 0x20) ?? text.count))
        // Section 2.1: whatever follows UNKNOWN is to be ignored.
        if family.equals("UNKNOWN") { return .success(.unknown) }
        let isIPv6 = family.equals("TCP6")
        guard isIPv6 || family.equals("TCP4") else { return .failure(.badFamily) }
        var starts: [Int] = []
        for index in text.indices where text[index] == 0x20 { starts.append(index + 1) }
        guard starts.count == 4 else { return .failure(.badLine) }
        starts.append(text.count + 1)
        func part(_ index: Int) -> Range<Int> { starts[index]..<(starts[index + 1] - 1) }
        guard let source = ipBits(text.extracting(part(0)), isIPv6),
            let destination = ipBits(text.extracting(part(1)), isIPv6)
        else { return .failure(.badAddress) }
        guard let sourcePort = port(text.extracting(part(2))), let destinationPort = port(text.extracting(part(3)))
        else { return .failure(.badPort) }
        return .success(
            .known(
                source: SocketAddress(bits: source, isIPv6: isIPv6, port: sourcePort),
                destination: SocketAddress(bits: destination, isIPv6: isIPv6, port: destinationPort)))
    }

    private static func ipBits(_ text: Span<UInt8>, _ isIPv6: Bool) -> UInt128? {
        // `IPAddress` reads both kinds, and dots within IPv6.
        guard (text.firstIndex(of: 0x3A) != nil) == isIPv6 else { return nil }
        return IPAddress(text)?.bits
    }

    private static func port(_ text: Span<UInt8>) -> UInt16? {
        // Zeros in front are none of the canonical form that section 2.1 asks for.
        guard text.count <= 5, !(text.count > 1 && text[0] == 0x30), let number = text.decimal() else { return nil }
        return UInt16(exactly: number)
    }

    // MARK: Version 2

    private static func block(_ bytes: Span<UInt8>) -> Step {
        guard bytes[12] >> 4 == 2 else { return .fault(.badVersion) }
        guard bytes[12] & 0xF <= 1 else { return .fault(.badCommand) }
        let length = bytes.bigEndian16(at: 14)
        guard length <= maxBlock else { return .fault(.tooLong) }
        let end = fixedLength + length
        // Section 2.2: of a LOCAL command all that follows is to be discarded, the family too.
        if bytes[12] & 0xF == 0 {
            guard bytes.count >= end else { return .needMore }
            return .header(ProxyHeader(version: .v2, origin: .local, extensions: []), consumed: end)
        }
        let addressLength: Int
        switch bytes[13] {
        case 0x00: addressLength = 0
        case 0x11: addressLength = addressLengths.ipv4
        case 0x21: addressLength = addressLengths.ipv6
        case 0x31: addressLength = addressLengths.unix
        default: return .fault(.badTransport)
        }
        guard length >= addressLength else { return .fault(.shortAddresses) }
        guard bytes.count >= end else { return .needMore }
        let header = bytes.extracting(0..<end)
        let extensions = header.extracting((fixedLength + addressLength)..<end).array()
        if let fault = check(extensions, of: header, at: fixedLength + addressLength) { return .fault(fault) }
        return .header(
            ProxyHeader(version: .v2, origin: origin(of: header), extensions: extensions), consumed: end)
    }

    private static func origin(of header: Span<UInt8>) -> Origin {
        func address(_ isIPv6: Bool, at start: Int, portAt port: Int) -> SocketAddress {
            SocketAddress(
                bits: header.bigEndian(start..<(start + (isIPv6 ? 16 : 4))), isIPv6: isIPv6,
                port: UInt16(truncatingIfNeeded: header.bigEndian16(at: port)))
        }
        func path(at start: Int) -> SocketAddress {
            let field = header.extracting(start..<(start + 108))
            // Empty, or a name of Linux's abstract space, is no path.
            let text = field.extracting(0..<(field.firstIndex(of: 0) ?? field.count))
            return SocketAddress(unixPath: text.string()) ?? .unnamedUnix
        }
        switch header[13] {
        case 0x11:
            return .known(source: address(false, at: 16, portAt: 24), destination: address(false, at: 20, portAt: 26))
        case 0x21:
            return .known(source: address(true, at: 16, portAt: 48), destination: address(true, at: 32, portAt: 50))
        case 0x31: return .known(source: path(at: 16), destination: path(at: 124))
        default: return .unknown
        }
    }

    /// Every extension is whole, the known ones have the lengths they must have, and the checksum fits if there is one.
    private static func check(_ extensions: [UInt8], of header: Span<UInt8>, at start: Int) -> ProxyHeaderFault? {
        var rest = extensions[...]
        var checksum: Range<Int>?
        while let next = next(in: &rest) {
            switch ExtensionType(rawValue: next.type) {
            case .crc32c:
                guard next.value.count == 4, checksum == nil else { return .badExtension }
                checksum = (start + next.value.startIndex)..<(start + next.value.endIndex)
            case .uniqueID: guard next.value.count <= 128 else { return .badExtension }
            case .tls:
                guard next.value.count >= 5 else { return .badExtension }
                var inner = next.value.dropFirst(5)
                while Self.next(in: &inner) != nil {}
                guard inner.isEmpty else { return .badExtension }
            default: break
            }
        }
        guard rest.isEmpty else { return .badExtension }
        guard let checksum else { return nil }
        return CRC32C.of(header, zeroing: checksum) == UInt32(header.bigEndian(checksum)) ? nil : .badChecksum
    }
}

extension StaticString {
    fileprivate func hasPrefix(_ bytes: Span<UInt8>) -> Bool {
        // A static string's bytes live for ever.
        let own = unsafe Span(_unsafeStart: utf8Start, count: utf8CodeUnitCount)
        return own.hasPrefix(bytes)
    }
}
