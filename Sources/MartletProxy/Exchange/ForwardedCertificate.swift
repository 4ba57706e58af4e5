internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// `x-forwarded-client-cert`: who the client is by its certificate, in Envoy's form.
enum ForwardedCertificate {
    /// What an element says beside `By` and `Hash`.
    struct Details: OptionSet, Sendable {
        let rawValue: UInt8

        static let certificate = Details(rawValue: 1)
        static let chain = Details(rawValue: 2)
        static let subject = Details(rawValue: 4)
        static let uri = Details(rawValue: 8)
        static let dns = Details(rawValue: 16)

        init(rawValue: UInt8) { self.rawValue = rawValue }

        init(_ names: Set<ForwardingConfig.ClientCertificateDetail>) {
            self = []
            for name in names {
                switch name {
                case .cert: insert(.certificate)
                case .chain: insert(.chain)
                case .subject: insert(.subject)
                case .uri: insert(.uri)
                case .dns: insert(.dns)
                }
            }
        }
    }

    /// Makes the request's field what the mode says. A field of another's counts only from a client that has proved who it
    /// is, unless the operator believes everybody.
    /// - Parameter isScrubbed: other spellings of the field's name are gone already.
    static func apply(
        _ mode: ForwardingConfig.ClientCertificate, _ details: Details, _ client: Downstream?, _ headers: HeaderTable,
        isScrubbed: Bool
    ) {
        if mode == .alwaysForwardOnly { return }
        if !isScrubbed { removeSpellings(headers) }
        guard mode != .sanitize, let client, let tls = client.tls, let peer = tls.validatedPeer else {
            headers.remove(.xForwardedClientCert)
            return
        }
        if mode == .forwardOnly { return }
        if client.forwardedCertificate?.details != details.rawValue {
            client.forwardedCertificate = (details.rawValue, element(of: peer, to: tls.local, details))
        }
        guard let element = client.forwardedCertificate?.element else { return }
        if mode == .appendForward, let last = headers.lastIndex(id: .xForwardedClientCert) {
            headers.extendValue(at: last, separator: ",", element.span)
        } else {
            headers.set(.xForwardedClientCert, element.span)
        }
    }

    /// A server that reads headers as a CGI program does takes `x_forwarded_client_cert` for the same field.
    private static func removeSpellings(_ headers: HeaderTable) {
        var index = 0
        while index < headers.count {
            if headers.id(at: index) == .unknown, headers.name(at: index).isSpelling(of: name.span) {
                headers.remove(at: index)
            } else {
                index += 1
            }
        }
    }

    private static let name = Array("x-forwarded-client-cert".utf8)

    // MARK: The element

    /// `By=...;Hash=...;Subject="...";URI=...`: pairs with `;` between, `By`, `URI` and `DNS` once for each name.
    static func element(of peer: CertificateDetails, to local: CertificateDetails?, _ details: Details) -> [UInt8] {
        var element: [UInt8] = []
        for uri in local?.uriSANs ?? [] { add("By", uri, to: &element) }
        add("Hash", peer.fingerprint, to: &element)
        if details.contains(.certificate), !peer.encodedPEM.isEmpty {
            add("Cert", peer.encodedPEM, quoted: true, to: &element)
        }
        if details.contains(.chain), !peer.encodedChain.isEmpty {
            add("Chain", peer.encodedChain, quoted: true, to: &element)
        }
        // There even when it is empty, as Envoy has it: what reads the field may count on it.
        if details.contains(.subject) { add("Subject", peer.subject, quoted: true, to: &element) }
        if details.contains(.uri) {
            for uri in peer.uriSANs.isEmpty ? [""] : peer.uriSANs { add("URI", uri, to: &element) }
        }
        if details.contains(.dns) { for name in peer.dnsSANs { add("DNS", name, to: &element) } }
        return element
    }

    /// Values with a separator in them stand in quotes, so that a name in a certificate cannot pass for another pair.
    private static func add(_ key: String, _ value: String, quoted: Bool = false, to element: inout [UInt8]) {
        if !element.isEmpty { element.append(semicolon) }
        element += key.utf8
        element.append(equals)
        let isQuoted = quoted || value.utf8.contains { [comma, semicolon, equals, quote].contains($0) }
        if isQuoted { element.append(quote) }
        var isEscaped = false
        for byte in value.utf8 {
            if byte < 0x20 || byte == 0x7F {
                // A field holds no control characters (RFC 9110 section 5.5).
                element += [0x25, hex[Int(byte >> 4)], hex[Int(byte & 15)]]
                isEscaped = false
                continue
            }
            // RFC 2253 has escaped the quotes of a subject already.
            if isQuoted, byte == quote, !isEscaped { element.append(backslash) }
            element.append(byte)
            isEscaped = isQuoted && byte == backslash && !isEscaped
        }
        // The closing quote must not be taken for an escaped one.
        if isEscaped { element.append(backslash) }
        if isQuoted { element.append(quote) }
    }

    private static let comma = UInt8(ascii: ",")
    private static let semicolon = UInt8(ascii: ";")
    private static let equals = UInt8(ascii: "=")
    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")
    private static let hex = Array("0123456789ABCDEF".utf8)
}
