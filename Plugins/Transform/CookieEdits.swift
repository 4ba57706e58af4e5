internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Edits of the cookies that a request brings (RFC 6265 section 4.2): removed first, then set.
struct CookieEdits: Sendable {
    private let remove: [[UInt8]]
    private let set: [(name: [UInt8], value: EditValue)]

    init() { (remove, set) = ([], []) }

    var isEmpty: Bool { remove.isEmpty && set.isEmpty }

    init(_ section: ConfigSection) {
        set = section.formats("set", .cookieName).map { (Array($0.name.utf8), EditValue($0.value)) }
        // What is set takes the place of what came.
        remove = section.values("remove", .cookieName).map { Array($0.utf8) } + set.map(\.name)
        for cookie in set {
            guard case .plain(let value) = cookie.value, !value.allSatisfy(\.isCookieOctet) else { continue }
            section.error(
                at: "set", "\"\(String(decoding: value.prefix(60), as: UTF8.self))\" cannot be a cookie's value",
                hint: "no spaces, quotes, commas, semicolons or backslashes")
        }
        if set.isEmpty && remove.isEmpty { section.error("edits nothing", hint: "write set or remove") }
    }

    func apply(to headers: HeaderTable, _ run: inout EditRun, _ writer: inout FormatWriter) {
        if !remove.isEmpty { headers.removeCookies(named: remove) }
        for cookie in set {
            let value = run.bytes(of: cookie.value, &writer, as: .raw)
            if value.isEmpty && cookie.value.isFormat { continue }
            var pair = cookie.name
            pair.append(0x3D)
            for byte in value { pair.append(cookieOctet: byte) }
            if let index = headers.firstIndex(of: .cookie) {
                headers.extendValue(at: index, separator: "; ", pair.span)
            } else {
                headers.append(.cookie, pair.span)
            }
        }
    }
}

extension ConfigScalar where Value == String {
    /// RFC 6265 section 4.1.1: a token.
    static var cookieName: ConfigScalar {
        ConfigScalar(expected: "a cookie's name") { text in
            HeaderName(text) != nil
                ? .success(text)
                : .failure(Problem("\"\(text.prefix(60))\" is not a cookie's name", hint: "letters, digits and -_."))
        }
    }
}

extension UInt8 {
    /// RFC 6265 section 4.1.1.
    var isCookieOctet: Bool {
        switch self {
        case 0x21, 0x23...0x2B, 0x2D...0x3A, 0x3C...0x5B, 0x5D...0x7E: true
        default: false
        }
    }

    /// RFC 3986 section 2.3.
    var isUnreserved: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: true
        default: false
        }
    }
}

extension [UInt8] {
    /// A byte of a cookie's value; one that may not stand there is percent-encoded.
    mutating func append(cookieOctet byte: UInt8) {
        if byte.isCookieOctet { append(byte) } else { append(encoded: byte) }
    }

    mutating func append(encoded byte: UInt8) {
        append(0x25)
        for nibble in [byte >> 4, byte & 15] { append(nibble < 10 ? 0x30 + nibble : 0x37 + nibble) }
    }
}
