internal import CLua
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// What a script may know of an exchange besides its messages, and what it may ask of the proxy.
extension LuaExchange {
    func text(_ what: Int32) -> mrt_bytes_borrowed? {
        guard let exchange, let client = exchange.downstream else { return nil }
        let text: String
        switch Int(what) {
        case MRT_TEXT_PROTOCOL:
            text =
                exchange.request.version == .http10
                ? "HTTP/1.0" : exchange.request.version == .http11 ? "HTTP/1.1" : "HTTP/2"
        case MRT_TEXT_ROUTE_NAME: text = exchange.route?.name ?? ""
        case MRT_TEXT_LOCAL_ADDRESS, MRT_TEXT_DIRECT_LOCAL_ADDRESS:
            text = client.localAddress
        case MRT_TEXT_REMOTE_ADDRESS:
            let ip = exchange.clientIP
            text = ip.utf8.contains(0x3A) ? "[\(ip)]:\(client.directRemotePort)" : "\(ip):\(client.directRemotePort)"
        case MRT_TEXT_DIRECT_REMOTE_ADDRESS: text = client.directRemoteAddress
        default: text = ""
        }
        scratch = Array(text.utf8)
        return unsafe lendScratch()
    }

    private func lendScratch() -> mrt_bytes_borrowed {
        let text = scratch
        return unsafe Self.lend(text.span)
    }

    // MARK: Metadata

    func metadata(_ space: Int32, _ filter: Span<UInt8>) -> mrt_bytes_borrowed? {
        guard let exchange else { return nil }
        let name = filter.string()
        if space == Int32(MRT_SPACE_FILTER_STATE) {
            guard let value = exchange.filterState[name] else { return nil }
            scratch = EncodedValue.mapping([("", value)])
        } else if filter.isEmpty {
            scratch = EncodedValue.mapping(
                exchange.metadata.map { ($0.key, EncodedValue.mapping($0.value.map { ($0.key, $0.value) })) })
        } else {
            guard let values = exchange.metadata[name] else { return nil }
            scratch = EncodedValue.mapping(values.map { ($0.key, $0.value) })
        }
        return unsafe lendScratch()
    }

    /// Most bytes of one value, and values an exchange carries.
    private static let maxValue = 65_536
    private static let maxValues = 256

    func setMetadata(_ space: Int32, _ filter: Span<UInt8>, _ key: Span<UInt8>, _ value: Span<UInt8>) -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        if shadow != nil { return Int32(MRT_CODE_OK) }
        guard value.count <= Self.maxValue else { return Int32(MRT_CODE_TOO_LARGE) }
        let count = exchange.metadata.values.reduce(exchange.filterState.count) { $0 + $1.count }
        guard count < Self.maxValues else { return Int32(MRT_CODE_TOO_MANY) }
        if space == Int32(MRT_SPACE_FILTER_STATE) {
            exchange.filterState[filter.string()] = value.array()
        } else {
            exchange.metadata[filter.string(), default: [:]][key.string()] = value.array()
        }
        return Int32(MRT_CODE_OK)
    }

    // MARK: Asking

    /// `ip` or `ip:port`; an IPv6 address with a port is in brackets.
    func overrideHost(_ host: Span<UInt8>, isStrict: Bool) -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        let text = host.string()
        guard Authority.isValid(host) || Authority.isValid("[\(text)]".utf8Span.span), Self.isIP(text) else {
            return Int32(MRT_CODE_BAD_ADDRESS)
        }
        if let shadow { shadow.note("upstream \(text)") } else { exchange.upstreamOverride = (text, isStrict) }
        return Int32(MRT_CODE_OK)
    }

    private static func isIP(_ text: String) -> Bool {
        if text.hasPrefix("[") || text.utf8.filter({ $0 == 0x3A }).count > 1 { return true }
        let host = text.prefix { $0 != ":" }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }

    func clearRoute() -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        if let shadow { shadow.note("route chosen anew") } else { exchange.clearRouteCache() }
        return Int32(MRT_CODE_OK)
    }

    func drainConnection() -> Int32 {
        guard let exchange else { return Int32(MRT_CODE_NO_REQUEST) }
        if let shadow { shadow.note("connection closed") } else { exchange.drainsConnection = true }
        return Int32(MRT_CODE_OK)
    }
}

/// Values as the VM encodes them; Sources/CLua/data.c has the format.
enum EncodedValue {
    /// A mapping of encoded values.
    static func mapping(_ entries: [(key: String, value: [UInt8])]) -> [UInt8] {
        var out: [UInt8] = [7]
        append(UInt32(entries.count), to: &out)
        for entry in entries {
            append(UInt32(entry.key.utf8.count), to: &out)
            out.append(contentsOf: entry.key.utf8)
            out.append(contentsOf: entry.value)
        }
        return out
    }

    static func number(_ number: Double) -> [UInt8] {
        var out: [UInt8] = []
        if let whole = Int64(exactly: number) {
            out.append(3)
            append(UInt64(bitPattern: whole), to: &out)
        } else {
            out.append(4)
            append(number.bitPattern, to: &out)
        }
        return out
    }

    /// The number that is encoded; nil when it is something else.
    static func number(in bytes: [UInt8]) -> Double? {
        guard bytes.count == 9, bytes[0] == 3 || bytes[0] == 4 else { return nil }
        var bits: UInt64 = 0
        for index in (1...8).reversed() { bits = bits << 8 | UInt64(bytes[index]) }
        return bytes[0] == 3 ? Double(Int64(bitPattern: bits)) : Double(bitPattern: bits)
    }

    /// In the machine's order, which on every machine this runs on is the lowest byte first.
    static func append<Number: FixedWidthInteger>(_ number: Number, to out: inout [UInt8]) {
        for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
            out.append(UInt8(truncatingIfNeeded: number >> Number(shift)))
        }
    }
}
