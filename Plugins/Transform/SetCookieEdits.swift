internal import MartletConfig
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// Edits of the cookies that a response sets (RFC 6265 section 4.1): removed first, then set.
struct SetCookieEdits: Sendable {
    private struct Cookie: Sendable {
        let name: [UInt8]
        let value: EditValue
        /// `; Path=/; HttpOnly` and so on, `Secure` left out.
        let attributes: [UInt8]
        /// Nil: when the client came by https.
        let isSecure: Bool?
    }

    private enum SameSite: String, CaseIterable {
        case strict, lax, none
    }

    private let remove: [[UInt8]]
    private let set: [Cookie]

    init() { (remove, set) = ([], []) }

    var isEmpty: Bool { remove.isEmpty && set.isEmpty }

    init(_ section: ConfigSection) {
        set = (section.section("set")?.allEntries() ?? []).compactMap { Self.cookie($0, section) }
        remove = section.values("remove", .cookieName).map { Array($0.utf8) } + set.map(\.name)
        if set.isEmpty && remove.isEmpty && !section.isMalformed {
            section.error("edits nothing", hint: "write set or remove")
        }
    }

    /// `name: value`, or `name: { value: ..., path: ... }`.
    private static func cookie(_ entry: ConfigNode.Entry, _ parent: ConfigSection) -> Cookie? {
        guard case .success(let name) = ConfigScalar<String>.cookieName.parse(entry.key) else {
            parent.diagnostics.error(
                at: ConfigPlace(mark: entry.keyMark, path: entry.value.path),
                "\"\(entry.key.prefix(60))\" is not a cookie's name")
            return nil
        }
        var attributes = ""
        var parts: [FormatPart] = []
        var isSecure: Bool?
        if entry.value.entries != nil {
            let section = parent.section(of: entry.value)
            if !section.has("value") { section.missing("value", hint: "\"\" empties it") }
            parts = section.format("value") ?? []
            let path = section.value("path", .attribute) ?? "/"
            attributes += "; Path=\(path)"
            if let domain = section.value("domain", .attribute) { attributes += "; Domain=\(domain)" }
            if let age = section.duration("max_age") { attributes += "; Max-Age=\(age.components.seconds)" }
            if section.bool("http_only", default: true) { attributes += "; HttpOnly" }
            isSecure = section.bool("secure")
            let sameSite: SameSite = section.choice("same_site", default: .lax)
            attributes += "; SameSite=\(sameSite.rawValue.prefix(1).uppercased())\(sameSite.rawValue.dropFirst())"
            if sameSite == .none && isSecure != true {
                section.error(
                    at: "same_site", "browsers take \"none\" of secure cookies only", hint: "write secure: true")
            }
        } else if let text = parent.read(entry.value, .headerValue) {
            parts = FormatPart.parse(text) { parent.diagnostics.error(at: entry.value.place, $0, hint: $1) }
            attributes = "; Path=/; HttpOnly; SameSite=Lax"
        }
        let value = EditValue(parts)
        if case .plain(let bytes) = value, !bytes.allSatisfy(\.isCookieOctet) {
            parent.diagnostics.error(
                at: entry.value.place,
                "\"\(String(decoding: bytes.prefix(60), as: UTF8.self))\" cannot be a cookie's value",
                hint: "no spaces, quotes, commas, semicolons or backslashes")
        }
        return Cookie(
            name: Array(name.utf8), value: value, attributes: Array(attributes.utf8), isSecure: isSecure)
    }

    func apply(to headers: HeaderTable, _ run: inout EditRun, _ writer: inout FormatWriter) {
        if !remove.isEmpty { removeCookies(from: headers) }
        for cookie in set {
            let value = run.bytes(of: cookie.value, &writer, as: .raw)
            if value.isEmpty && cookie.value.isFormat { continue }
            var field = cookie.name
            field.append(0x3D)
            for byte in value { field.append(cookieOctet: byte) }
            field += cookie.attributes
            if cookie.isSecure ?? Self.isHTTPS(run.exchange) { field += Array("; Secure".utf8) }
            headers.append(.setCookie, field.span)
        }
    }

    /// As the client sees it: what a trusted proxy in front says counts, others' words have been taken off.
    private static func isHTTPS(_ exchange: Exchange) -> Bool {
        let headers = exchange.request.headers
        if let forwarded = headers.first(.xForwardedProto) { return forwarded.equalsIgnoringCase("https") }
        return exchange.downstream?.scheme == .https
    }

    private func removeCookies(from headers: HeaderTable) {
        var next = headers.firstIndex(of: .setCookie)
        while let index = next {
            let value = headers.value(at: index)
            let end = value.firstIndex(of: 0x3B) ?? value.count
            let name = value.extracting(0..<min(value.firstIndex(of: 0x3D) ?? end, end)).trimmed()
            let goes = remove.contains { name.equals($0.span) }
            if goes { headers.remove(at: index) }
            next = headers.firstIndex(of: .setCookie, from: goes ? index : index + 1)
        }
    }
}

extension ConfigScalar where Value == String {
    /// A cookie's attribute: nothing in it can begin another one.
    static var attribute: ConfigScalar {
        name.checked { text in
            text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3B && $0 != 0x2C }
                ? nil : Problem("must not hold spaces, commas or semicolons")
        }
    }
}
