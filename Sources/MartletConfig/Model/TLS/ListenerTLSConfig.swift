package import MartletCore

/// How a listener's clients are spoken to in secret, and who of them may come.
package struct ListenerTLSConfig: Sendable {
    /// Picked by the name that the client asks for; the first for those that ask for none or another. At least one.
    package var certificates: [CertificateConfig]
    package var parameters: TLSParameters
    /// Offered, best first. Default: h2 and http/1.1 for `protocol: http`; none for tcp.
    package var alpn: [String]
    /// Who issues clients' certificates. Nil: clients are not asked for one.
    package var clientCA: FileReference?
    /// Revoked certificates, PEM. Nil: none.
    package var crl: FileReference?
    /// Clients without a certificate are refused. Default: whether there is a `client_ca`.
    package var requireClientCertificate: Bool
    /// A client's certificate must bear one of these. Empty: any name.
    package var verifySAN: [SANPattern]
    /// Nil: sessions are not resumed.
    package var sessionTickets: SessionTicketsConfig?
    /// For the whole handshake, behind a PROXY header and the telling of protocols. Default 10s, 100ms to 1m.
    package var handshakeTimeout: Duration
    /// Handshakes under way in one worker; further connections are closed. Default 1024, 1 to 1 million.
    package var maxHandshakes: Int
    /// Clients that do not begin with TLS are served in clear text. Default: false.
    package var isOptional: Bool
    package var place: ConfigPlace

    /// Every file that the builder reads.
    package var files: [FileReference] {
        certificates.flatMap(\.files) + [clientCA, crl].compactMap { $0 } + (sessionTickets?.keys ?? [])
    }
}

/// Sessions that are taken up again without a whole handshake, from any worker.
package struct SessionTicketsConfig: Sendable, Equatable {
    /// How long a key of our own makes tickets; it opens them as long again. Default 12h, 1m to 7d.
    package var rotation = Duration.seconds(12 * 3600)
    /// Keys shared with other proxies, each a file of 80 bytes: the first makes tickets, all open them. Empty: keys of our own.
    package var keys: [FileReference] = []

    package init() {}
}

extension ListenerTLSConfig {
    init(_ section: ConfigSection, protocol listenerProtocol: ListenerProtocol) {
        place = section.place
        certificates = CertificateConfig.list(section)
        let short = ["certificate", "private_key", "ocsp_staple"].filter(section.has)
        if section.has("certificates"), let key = short.first {
            for key in short { _ = section.raw(key) }
            section.error(at: key, "\"certificates\" and \"\(key)\" exclude each other", hint: "keep one")
        } else if section.has("certificates") || !short.isEmpty {
            if let one = CertificateConfig(section, staples: true) { certificates.append(one) }
        } else {
            section.oneOf(["certificates", "certificate"], required: true)
        }
        parameters = TLSParameters(section)
        let isHTTP = listenerProtocol == .http
        alpn = section.preferences("alpn", isHTTP ? .httpALPN : .alpn) ?? (isHTTP ? ["h2", "http/1.1"] : [])
        clientCA = section.fileReference("client_ca")
        crl = section.fileReference("crl")
        requireClientCertificate = section.bool("require_client_certificate", default: section.has("client_ca"))
        verifySAN = section.subjectNames("verify_san")
        sessionTickets = SessionTicketsConfig.read(section)
        handshakeTimeout = section.duration(
            "handshake_timeout", default: .seconds(10), in: .milliseconds(100) ... .seconds(60))
        maxHandshakes = section.int("max_handshakes", default: 1024, in: 1...1_000_000)
        isOptional = section.bool("optional", default: false)
        guard !section.has("client_ca") else { return }
        for key in ["crl", "verify_san"] where section.has(key) {
            section.error(
                at: key, "has no meaning without \"client_ca\"", hint: "add client_ca, whose certificates count")
        }
        if requireClientCertificate {
            section.error(
                at: "require_client_certificate", "nobody's certificate would count without \"client_ca\"",
                hint: "add client_ca")
        }
    }

    /// The same for the same settings, wherever they are written.
    package var fingerprint: String { "\(json)" }

    var json: ConfigJSON {
        .object(
            [("certificates", .list(certificates) { .object($0.members) })] + parameters.members + [
                ("alpn", alpn.isEmpty ? nil : .strings(alpn)),
                ("client_ca", clientCA.map { .string($0.path) }),
                ("crl", crl.map { .string($0.path) }),
                ("require_client_certificate", .bool(requireClientCertificate)),
                ("verify_san", verifySAN.isEmpty ? nil : .strings(verifySAN.map(\.text))),
                ("session_tickets", sessionTickets?.json ?? .string("off")),
                ("handshake_timeout", .string(ConfigText.duration(handshakeTimeout))),
                ("max_handshakes", .number(maxHandshakes)),
                ("optional", .bool(isOptional)),
            ])
    }
}

extension SessionTicketsConfig {
    /// `on`, `off` or a mapping.
    fileprivate static func read(_ section: ConfigSection) -> SessionTicketsConfig? {
        guard let node = section.raw("session_tickets") else { return SessionTicketsConfig() }
        if node.isOff { return nil }
        if case .scalar(let text, _) = node.content {
            if text != "on" {
                section.error(
                    at: "session_tickets", "expected a mapping, \"on\" or \"off\", found \(node.kind)",
                    hint: text == "false" ? "write: off" : text == "true" ? "write: on" : nil)
            }
            return SessionTicketsConfig()
        }
        let settings = section.section(of: node)
        var tickets = SessionTicketsConfig()
        tickets.rotation = settings.duration(
            "rotation", default: tickets.rotation, in: .seconds(60) ... .seconds(7 * 86_400))
        tickets.keys = settings.list("keys").compactMap { item in
            settings.read(item, .name).map {
                FileReference(path: ConfigFile.resolve($0, from: item.mark.file), place: item.place)
            }
        }
        if settings.raw("keys")?.items?.isEmpty == true {
            settings.error(
                at: "keys", "an empty list makes no tickets", hint: "remove it for keys of our own, or write off")
        }
        if settings.has("keys"), settings.has("rotation") {
            settings.error(
                at: "rotation", "has no meaning for keys from files", hint: "they change when the files do")
        }
        return tickets
    }

    fileprivate var json: ConfigJSON {
        keys.isEmpty
            ? .object([("rotation", .string(ConfigText.duration(rotation)))])
            : .object([("keys", .strings(keys.map(\.path)))])
    }
}

extension ConfigScalar where Value == String {
    /// What an http listener can speak.
    fileprivate static var httpALPN: ConfigScalar {
        ConfigScalar(expected: "h2 or http/1.1") { text in
            if ["h2", "http/1.1"].contains(text) { return .success(text) }
            let hint = ["http/2": "write: h2", "h2c": "h2c is not over TLS"][text.lowercased()]
            return .failure(
                Problem("\"\(text.prefix(60))\" is not spoken by http listeners", hint: hint ?? "valid: h2, http/1.1"))
        }
    }

    /// RFC 7301 section 3.1: 1 to 255 bytes.
    fileprivate static var alpn: ConfigScalar {
        name.checked { $0.utf8.count <= 255 ? nil : Problem("a protocol's name has at most 255 bytes") }
    }
}
