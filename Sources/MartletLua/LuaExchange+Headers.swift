internal import CLua
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// The heads and trailers of an exchange as a script sees them: fields in order, pseudo headers first.
extension LuaExchange {
    // MARK: Headers

    static let authority = Array(":authority".utf8)
    static let method = Array(":method".utf8)
    static let path = Array(":path".utf8)
    static let scheme = Array(":scheme".utf8)
    static let status = Array(":status".utf8)
    static let http = Array("http".utf8)
    static let https = Array("https".utf8)

    /// The largest head a script may make.
    static let maxHead = 262_144

    private func table(_ map: Int32) -> HeaderTable? {
        if let shadow { return shadow.table(map) }
        guard let exchange else { return nil }
        return switch Int(map) {
        case MRT_MAP_REQUEST: exchange.request.headers
        case MRT_MAP_RESPONSE: exchange.response.headers
        case MRT_MAP_REQUEST_TRAILERS: exchange.requestTrailers
        default: exchange.responseTrailers
        }
    }

    /// The head that a policy may still change; trailers are its own until they go on.
    private func isSent(_ map: Int32) -> Bool {
        guard shadow == nil else { return false }
        return switch Int(map) {
        case MRT_MAP_REQUEST: isLogging || request.isHeadPassed || isResponding
        case MRT_MAP_RESPONSE: isLogging || response.isHeadPassed
        default: isLogging
        }
    }

    /// Lends bytes to the script until the next edit: an arena's memory and constants stay where they are until then.
    static func lend(_ bytes: Span<UInt8>) -> mrt_bytes_borrowed {
        unsafe bytes.withUnsafeBufferPointer { unsafe mrt_bytes_borrowed(data: $0.baseAddress, size: $0.count) }
    }

    func find(_ map: Int32, _ name: Span<UInt8>, from start: Int32) -> (
        value: mrt_bytes_borrowed, place: Int32, next: Int32
    )? {
        if name.count > 0 && name[0] == 0x3A {
            guard start == 0, let value = unsafe pseudo(map, name) else { return nil }
            return unsafe (value, 0, -1)
        }
        guard let table = table(map), let index = table.firstIndex(named: name, from: Int(start)) else { return nil }
        let next = table.firstIndex(named: name, from: index + 1)
        return unsafe (Self.lend(table.value(at: index)), Int32(index), next.map { Int32($0) } ?? -1)
    }

    private func pseudo(_ map: Int32, _ name: Span<UInt8>) -> mrt_bytes_borrowed? {
        guard let exchange else { return nil }
        if map != Int32(MRT_MAP_REQUEST) {
            guard map == Int32(MRT_MAP_RESPONSE) else { return nil }
            return name.equals(Self.status.span) ? unsafe statusText(exchange.response.status) : nil
        }
        let request = exchange.request
        if name.equals(Self.path.span) { return unsafe Self.lend(request.target()) }
        if name.equals(Self.method.span) { return unsafe Self.lend(request.methodBytes()) }
        if name.equals(Self.authority.span) { return unsafe Self.lend(request.authority()) }
        if name.equals(Self.scheme.span) {
            let text = request.scheme == .https ? Self.https : Self.http
            return unsafe Self.lend(text.span)
        }
        return nil
    }

    private func statusText(_ status: UInt16) -> mrt_bytes_borrowed {
        unsafe digits[0] = UInt8(0x30 + status / 100 % 10)
        unsafe digits[1] = UInt8(0x30 + status / 10 % 10)
        unsafe digits[2] = UInt8(0x30 + status % 10)
        return unsafe mrt_bytes_borrowed(data: digits, size: 3)
    }

    /// The field at a place: pseudo headers first, then the table without Host, which `:authority` stands for.
    func field(_ map: Int32, at place: Int32) -> (name: mrt_bytes_borrowed, value: mrt_bytes_borrowed)? {
        guard let exchange, let table = table(map) else { return nil }
        var index = Int(place)
        if map == Int32(MRT_MAP_REQUEST) {
            let names = [Self.authority, Self.path, Self.method, Self.scheme]
            if index < names.count {
                let name = names[index]
                guard let value = unsafe pseudo(map, name.span) else { return nil }
                return unsafe (Self.lend(name.span), value)
            }
            index -= names.count
            if let host = table.firstIndex(of: .host), host <= index { index += 1 }
        } else if map == Int32(MRT_MAP_RESPONSE) {
            if index == 0 { return unsafe (Self.lend(Self.status.span), statusText(exchange.response.status)) }
            index -= 1
        }
        guard index < table.count else { return nil }
        return unsafe (Self.lend(table.name(at: index)), Self.lend(table.value(at: index)))
    }

    func edit(_ map: Int32, _ kind: Int32, _ name: Span<UInt8>, _ value: Span<UInt8>) -> Int32 {
        guard let exchange, let table = table(map), !isSent(map) else { return Int32(MRT_CODE_SENT) }
        guard table.size + name.count + value.count <= Self.maxHead else { return Int32(MRT_CODE_TOO_LARGE) }
        let isRequest = map == Int32(MRT_MAP_REQUEST)
        let isResponse = map == Int32(MRT_MAP_RESPONSE)
        if let shadow, isRequest || isResponse { shadow.note(kind, name, value) }
        let isPseudo = name.count > 0 && name[0] == 0x3A
        if shadow == nil || !(isPseudo || kind == Int32(MRT_EDIT_REASON)) {
            defer { if isRequest && shadow == nil { exchange.clearRouteCache() } }
            if kind == Int32(MRT_EDIT_REASON) {
                if isResponse { exchange.response.setReason(value) }
                return Int32(MRT_CODE_OK)
            }
            if isPseudo {
                guard kind == Int32(MRT_EDIT_REPLACE), isRequest || isResponse else { return Int32(MRT_CODE_PSEUDO) }
                return replacePseudo(exchange, isRequest, name, value)
            }
            if isRequest && name.equals("host") {
                guard kind == Int32(MRT_EDIT_REPLACE) else { return Int32(MRT_CODE_PSEUDO) }
                return shadow == nil ? setAuthority(exchange, value) : Int32(MRT_CODE_OK)
            }
            switch kind {
            // The C side has looked at every byte: see `header_edit`.
            case Int32(MRT_EDIT_ADD): table.append(checked: name, value)
            case Int32(MRT_EDIT_REPLACE): table.set(checked: name, value)
            default:
                table.remove(named: name)
                // Whoever takes the length away means to change it.
                if name.equals("content-length") {
                    if isRequest { exchange.requestBodyLengthChanges() }
                    if isResponse { exchange.responseBodyLengthChanges() }
                }
            }
        }
        return Int32(MRT_CODE_OK)
    }

    private func setAuthority(_ exchange: Exchange, _ value: Span<UInt8>) -> Int32 {
        guard Authority.isValid(value) else { return Int32(MRT_CODE_BAD_VALUE) }
        exchange.request.setAuthority(value)
        return Int32(MRT_CODE_OK)
    }

    private func replacePseudo(
        _ exchange: Exchange, _ isRequest: Bool, _ name: Span<UInt8>, _ value: Span<UInt8>
    ) -> Int32 {
        if !isRequest {
            guard name.equals(Self.status.span) else { return Int32(MRT_CODE_PSEUDO) }
            guard let status = value.decimal(), (200...599).contains(status) else {
                return Int32(MRT_CODE_BAD_VALUE)
            }
            exchange.response.setStatus(UInt16(status))
        } else if name.equals(Self.path.span) {
            guard RequestHead.isSafeTarget(value), value[0] == 0x2F else { return Int32(MRT_CODE_BAD_VALUE) }
            exchange.request.setTarget(value)
        } else if name.equals(Self.method.span) {
            // Neither into a CONNECT nor out of one: see `ExchangeDriver.isConnect`.
            guard HeaderTable.isToken(value), !value.equals("CONNECT"), exchange.request.method != .connect else {
                return Int32(MRT_CODE_BAD_VALUE)
            }
            exchange.request.setMethod(value)
        } else if name.equals(Self.authority.span) {
            return setAuthority(exchange, value)
        } else if name.equals(Self.scheme.span) {
            exchange.request.scheme = value.equals(Self.https.span) ? .https : .http
        } else {
            return Int32(MRT_CODE_PSEUDO)
        }
        return Int32(MRT_CODE_OK)
    }
}
