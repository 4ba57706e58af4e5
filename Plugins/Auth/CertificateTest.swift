internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// A test of the certificate that a client has proved to be its own. One that is not validated proves nothing: for it, as
/// for none, no test holds.
struct CertificateTest: Sendable {
    /// Of who it is about: its URIs; without any its DNS names; without those its subject. Nil: whoever it is.
    private let name: [TextTest]?
    private let san: [SANPattern]?
    /// Of its one SPIFFE ID.
    private let spiffe: [SANPattern]?
    private let subject: [TextTest]?
    private let issuer: [TextTest]?
    /// SHA-256, lower-case hexadecimal.
    private let fingerprints: [String]?

    func match(_ exchange: Exchange) -> Pattern.Outcome {
        guard let certificate = exchange.downstream?.tls?.validatedPeer else { return .differs }
        if let fingerprints, !fingerprints.contains(certificate.fingerprint) { return .differs }
        if let san, !san.contains(where: { $0.matches(certificate) }) { return .differs }
        if let spiffe {
            // Of several none is the one (SPIFFE X.509-SVID section 2).
            guard certificate.spiffeID != nil, spiffe.contains(where: { $0.matches(certificate) }) else {
                return .differs
            }
        }
        var result = Pattern.Outcome.matches
        if let name { result = result.and(Self.match(name, any: certificate.principals)) }
        if let subject { result = result.and(subject.match(certificate.subject)) }
        if let issuer { result = result.and(issuer.match(certificate.issuer)) }
        return result
    }

    private static func match(_ tests: [TextTest], any texts: [String]) -> Pattern.Outcome {
        var result = Pattern.Outcome.differs
        for text in texts {
            switch tests.match(text) {
            case .matches: return .matches
            case .differs: continue
            case .gaveUp: result = .gaveUp
            }
        }
        return result
    }
}

extension Pattern.Outcome {
    /// Both must hold.
    fileprivate func and(_ other: Pattern.Outcome) -> Pattern.Outcome {
        if self == .differs || other == .differs { return .differs }
        return self == .gaveUp ? .gaveUp : other
    }
}

extension CertificateTest {
    /// Reads `tls` of a `principal`. Nil when it is absent.
    static func read(_ principal: ConfigSection, _ load: LoadContext) -> CertificateTest? {
        guard let section = principal.section("tls") else { return nil }
        if !load.asksForCertificates {
            principal.error(
                at: "tls", "no client of this listener has a certificate that counts: the rule would never hold",
                hint: "add client_ca to the listener's tls")
        }
        if section.bool("validated") == false {
            section.error(
                at: "validated", "only certificates that are validated count",
                hint: "for clients without one write not: { principal: { tls: {} } }")
        }
        func tests(_ key: String) -> [TextTest]? {
            section.raw(key).map { IdentityTest.tests($0, section) ?? [] }
        }
        func names<Value>(_ key: String, _ kind: ConfigScalar<Value>) -> [Value]? {
            guard let node = section.raw(key) else { return nil }
            if node.items?.isEmpty == true {
                section.error(at: key, "an empty list matches nothing", hint: "remove it to match all")
            }
            return section.oneOrMore(key, kind)
        }
        return CertificateTest(
            name: tests("name"), san: names("san", .subjectName), spiffe: names("spiffe", .spiffeID),
            subject: tests("subject"), issuer: tests("issuer"), fingerprints: names("fingerprint", .fingerprint))
    }
}

extension ConfigScalar where Value == SANPattern {
    fileprivate static var spiffeID: ConfigScalar {
        subjectName.checked { name in
            name.text.hasPrefix("spiffe://")
                ? nil
                : Problem(
                    "\"\(name.text.prefix(80))\" is no SPIFFE ID", hint: "such as spiffe://mesh.example/ns/shop/*")
        }
    }
}

extension ConfigScalar where Value == String {
    /// SHA-256 of a certificate, in hexadecimal, with or without colons.
    fileprivate static var fingerprint: ConfigScalar {
        ConfigScalar(expected: "a SHA-256 fingerprint: 64 hexadecimal digits") { text in
            let digits = text.lowercased().filter { $0 != ":" }
            let isHex = digits.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
            guard digits.utf8.count == 64, isHex else {
                return .failure(
                    Problem(
                        "\"\(text.prefix(40))\" is no SHA-256 fingerprint",
                        hint: "64 hexadecimal digits, as openssl x509 -fingerprint -sha256 writes them"))
            }
            return .success(digits)
        }
    }
}
