internal import MartletCore

extension ProxyHeader {
    /// The bytes to send before everything else.
    package func encoded() -> [UInt8] {
        switch version {
        case .v1: line()
        case .v2: block()
        }
    }

    private func line() -> [UInt8] {
        guard case .known(let source, let destination) = origin, source.family != .unix, destination.family != .unix
        else { return Array("PROXY UNKNOWN\r\n".utf8) }
        let isIPv6 = source.family == .ipv6 || destination.family == .ipv6
        let ports = "\(source.port ?? 0) \(destination.port ?? 0)"
        let hosts = "\(source.host(asIPv6: isIPv6)) \(destination.host(asIPv6: isIPv6))"
        return Array("PROXY \(isIPv6 ? "TCP6" : "TCP4") \(hosts) \(ports)\r\n".utf8)
    }

    private func block() -> [UInt8] {
        var bytes = Self.signature
        var addresses: [UInt8] = []
        var family: UInt8 = 0
        if case .known(let source, let destination) = origin {
            switch (source.family, destination.family) {
            case (.unix, .unix):
                family = 0x31
                for path in [source.host, destination.host] {
                    let text = path.utf8.prefix(108)
                    addresses += Array(text) + [UInt8](repeating: 0, count: 108 - text.count)
                }
            case (.unix, _), (_, .unix): break
            default:
                let isIPv6 = source.family == .ipv6 || destination.family == .ipv6
                family = isIPv6 ? 0x21 : 0x11
                for address in [source, destination] { addresses += address.ipBytes(asIPv6: isIPv6) }
                for address in [source, destination] {
                    let port = address.port ?? 0
                    addresses += [UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port)]
                }
            }
        }
        let length = addresses.count + extensions.count
        bytes += [origin == .local ? 0x20 : 0x21, family]
        bytes += [UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)]
        bytes += addresses
        let start = bytes.count
        bytes += extensions
        if let checksum = value(of: .crc32c), checksum.count == 4 {
            let place = (start + checksum.startIndex)..<(start + checksum.endIndex)
            let sum = CRC32C.of(bytes.span, zeroing: place)
            for (offset, index) in place.enumerated() {
                bytes[index] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * offset))
            }
        }
        return bytes
    }
}

extension SocketAddress {
    /// An IPv4 address beside an IPv6 one is written as the latter's mapped form.
    fileprivate func host(asIPv6: Bool) -> String { asIPv6 && family == .ipv4 ? "::ffff:\(host)" : host }

    fileprivate func ipBytes(asIPv6: Bool) -> [UInt8] {
        let own = ipBytes
        return asIPv6 && own.count == 4 ? [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + own : own
    }
}
