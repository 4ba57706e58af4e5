// MartletNet moves bytes: event loop, timers, sockets, listeners. It never looks at what the bytes mean (MartletHTTP) or
// where they should go (MartletProxy). Every kernel call is behind CLinux.

internal import CLinux

/// An IPv4, IPv6 or unix address, resolved. Its text is made when asked for: accepting a connection formats nothing.
package struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    let raw: mrt_address

    package enum Family: Sendable { case ipv4, ipv6, unix }

    init(raw: mrt_address) { self.raw = raw }

    /// From a literal IP address, without brackets.
    package init?(ip: String, port: UInt16) {
        var raw = mrt_address()
        guard unsafe mrt_address_parse_ip(ip, port, &raw) == 0 else { return nil }
        self.raw = raw
    }

    package init?(unixPath: String) {
        var raw = mrt_address()
        guard unsafe mrt_address_parse_unix(unixPath, &raw) == 0 else { return nil }
        self.raw = raw
    }

    /// What `description` writes.
    package init?(text: String) {
        if text.hasPrefix("unix:") {
            self.init(unixPath: String(text.dropFirst(5)))
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        let host = text[..<colon]
        self.init(
            ip: String(host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host), port: port)
    }

    package var family: Family {
        var copy = raw
        return switch unsafe mrt_address_family(&copy) {
        case 4: .ipv4
        case 6: .ipv6
        default: .unix
        }
    }

    /// The address without its port, or the unix path.
    package var host: String {
        var copy = raw
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
            guard let base = text.baseAddress else { return "" }
            let length = unsafe mrt_address_text(&copy, base, text.count)
            return unsafe UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[0..<Int(length)])
                .withMemoryRebound(
                    to: UInt8.self
                ) { unsafe String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Nil for a unix address.
    package var port: UInt16? {
        var copy = raw
        let port = unsafe mrt_address_port(&copy)
        return port < 0 ? nil : UInt16(truncatingIfNeeded: port)
    }

    /// `1.2.3.4:80`, `[::1]:80`, or `unix:/path`.
    package var description: String {
        switch family {
        case .ipv4: "\(host):\(port ?? 0)"
        case .ipv6: "[\(host)]:\(port ?? 0)"
        case .unix: "unix:\(host)"
        }
    }

    package static func == (left: SocketAddress, right: SocketAddress) -> Bool {
        left.description == right.description
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(description) }
}
