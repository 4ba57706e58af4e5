package import MartletCore

/// What a handshake may settle on, for listeners and clusters alike.
package struct TLSParameters: Sendable, Equatable {
    /// Default: 1.2.
    package var minVersion = TLSDetails.Version.tls12
    /// Default: 1.3.
    package var maxVersion = TLSDetails.Version.tls13
    /// Of TLS 1.2, best first, in OpenSSL's names: ECDHE with an AEAD only (RFC 9325 section 4.2, RFC 9113 section 9.2.2).
    /// Those of TLS 1.3 are all strong and not chosen here. Default: all that may stand here.
    package var cipherSuites = TLSParameters.strongCipherSuites
    /// Groups for the key exchange, best first, in OpenSSL's names. Default: X25519, P-256, P-384.
    package var curves = ["X25519", "P-256", "P-384"]

    package static let strongCipherSuites = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ]
    static let knownCurves = ["X25519", "P-256", "P-384", "P-521"]

    package init() {}

    init(_ section: ConfigSection) {
        minVersion = section.value("min_version", .tlsVersion) ?? minVersion
        maxVersion = section.value("max_version", .tlsVersion) ?? maxVersion
        if minVersion == .tls13, maxVersion == .tls12 {
            section.error(
                at: section.has("max_version") ? "max_version" : "min_version", "is below min_version",
                hint: "write max_version: \"1.3\"")
        }
        cipherSuites = section.preferences("cipher_suites", .cipherSuite) ?? cipherSuites
        curves = section.preferences("curves", .curve) ?? curves
        if section.has("cipher_suites"), minVersion == .tls13 {
            section.error(
                at: "cipher_suites", "has no meaning without TLS 1.2",
                hint: "those of TLS 1.3 are all strong and always on"
            )
        }
    }

    var members: [(String, ConfigJSON?)] {
        [
            ("min_version", .string(minVersion.number)), ("max_version", .string(maxVersion.number)),
            ("cipher_suites", minVersion == .tls13 ? nil : .strings(cipherSuites)), ("curves", .strings(curves)),
        ]
    }
}

extension TLSDetails.Version {
    /// As a configuration writes it.
    package var number: String {
        switch self {
        case .tls12: "1.2"
        case .tls13: "1.3"
        }
    }
}

extension ConfigSection {
    /// A list in the order of preference, without doubles and not empty. Nil when it is absent.
    func preferences(_ key: String, _ kind: ConfigScalar<String>) -> [String]? {
        guard let node = raw(key) else { return nil }
        let items = list(key)
        if node.items?.isEmpty == true {
            error(at: key, "an empty list allows nothing", hint: "remove it for the defaults")
        }
        var found: [String] = []
        for item in items {
            guard let name = read(item, kind) else { continue }
            if found.contains(name) {
                diagnostics.error(at: item.place, "\"\(name.prefix(60))\" twice", hint: "keep one")
            } else {
                found.append(name)
            }
        }
        return found
    }
}

extension ConfigScalar where Value == TLSDetails.Version {
    static var tlsVersion: ConfigScalar {
        ConfigScalar(expected: "\"1.2\" or \"1.3\"") { text in
            switch text {
            case "1.2": return .success(.tls12)
            case "1.3": return .success(.tls13)
            case "1.0", "1.1", "1":
                return .failure(
                    Problem("TLS \(text) is broken, and RFC 8996 forbids it", hint: "write \"1.2\" or \"1.3\""))
            case "2", "3", "2.0", "3.0": return .failure(Problem("SSL is broken and not spoken", hint: "write \"1.2\""))
            default:
                let hint = TLSDetails.Version.allCases.first { text.hasSuffix($0.number) }.map {
                    "write \"\($0.number)\""
                }
                return .failure(
                    Problem("\"\(text.prefix(60))\" is no version of TLS", hint: hint ?? "valid: \"1.2\", \"1.3\""))
            }
        }
    }
}

extension ConfigScalar where Value == String {
    static var cipherSuite: ConfigScalar {
        ConfigScalar(expected: "a cipher suite such as ECDHE-ECDSA-AES128-GCM-SHA256") { text in
            let known = TLSParameters.strongCipherSuites
            if known.contains(text) { return .success(text) }
            let shown = "\"\(text.prefix(60))\""
            let tls13 = ["TLS_AES_", "TLS_CHACHA20_"]
            if tls13.contains(where: text.hasPrefix) {
                return .failure(
                    Problem("\(shown) is of TLS 1.3, whose suites are all strong and always on", hint: "remove it"))
            }
            if let same = known.first(where: { iana($0) == text }) {
                return .failure(Problem("\(shown) has another name here", hint: "write \(same)"))
            }
            let valid = "valid: \(known.joined(separator: ", "))"
            if let near = NearestName.of(text, in: known), near.utf8.count == text.utf8.count {
                return .failure(Problem("\(shown) is not known here", hint: "did you mean \"\(near)\"? \(valid)"))
            }
            return .failure(
                Problem("\(shown) is no suite with forward secrecy and authenticated encryption", hint: valid))
        }
    }

    /// IANA's name for one of OpenSSL's.
    private static func iana(_ name: String) -> String {
        let parts = name.split(separator: "-").map(String.init)
        guard parts.count >= 4 else { return name }
        let key = "TLS_\(parts[0])_\(parts[1])_WITH_"
        guard parts[2].hasPrefix("AES") else { return key + "CHACHA20_POLY1305_SHA256" }
        return key + "AES_\(parts[2].dropFirst(3))_" + parts[3...].joined(separator: "_")
    }

    static var curve: ConfigScalar {
        ConfigScalar(expected: "a curve such as X25519") { text in
            let known = TLSParameters.knownCurves
            if known.contains(text) { return .success(text) }
            let others = ["prime256v1": "P-256", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"]
            if let name = others[text.lowercased()] ?? known.first(where: { $0.lowercased() == text.lowercased() }) {
                return .failure(Problem("\"\(text.prefix(60))\" has another name here", hint: "write \(name)"))
            }
            return .failure(
                Problem(
                    "\"\(text.prefix(60))\" is no curve known here", hint: "valid: \(known.joined(separator: ", "))"))
        }
    }
}

extension ConfigScalar where Value == SANPattern {
    package static var subjectName: ConfigScalar {
        let examples = "api.example.com, *.example.com, 10.0.0.1 or spiffe://mesh.example/ns/shop/*"
        return ConfigScalar(expected: "a name such as \(examples)") { text in
            do throws(SANPattern.Problem) {
                return .success(try SANPattern(text))
            } catch {
                switch error {
                case .empty: return .failure(Problem("must not be empty", hint: "such as \(examples)"))
                case .notAName:
                    return .failure(
                        Problem("\"\(text.prefix(80))\" is no name of a certificate", hint: "such as \(examples)"))
                case .misplacedStar:
                    return .failure(
                        Problem(
                            "\"\(text.prefix(80))\" has a * that stands for nothing",
                            hint: "write *.example.com, or spiffe://mesh.example/ns/shop/*"))
                }
            }
        }
    }
}

extension ConfigSection {
    /// The names under `verify_san`.
    func subjectNames(_ key: String) -> [SANPattern] {
        if raw(key)?.items?.isEmpty == true {
            error(at: key, "an empty list allows nobody", hint: "remove it to allow all")
        }
        return oneOrMore(key, .subjectName)
    }
}
