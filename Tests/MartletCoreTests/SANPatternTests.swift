internal import MartletCore
internal import Testing

private func certificate(
    uris: [String] = [], dns: [String] = [], ips: [String] = []
) -> CertificateDetails {
    CertificateDetails(
        subject: "CN=api.example", issuer: "CN=ca", commonNames: ["api.example"], organizationNames: [], uriSANs: uris,
        dnsSANs: dns, ipSANs: ips, emailSANs: [], oids: [], serialNumber: "01", fingerprint: "ab", validFrom: 0,
        expires: 1, encodedPEM: "", encodedChain: "")
}

@Suite struct SANPatternTests {
    @Test(arguments: [
        ("api.example.com", "api.example.com"), ("API.Example.COM", "api.example.com"),
        ("*.example.com", "*.example.com"), ("10.0.0.1", "10.0.0.1"), ("spiffe://td/ns/A", "spiffe://td/ns/A"),
        ("spiffe://td/ns/*", "spiffe://td/ns/*"), ("spiffe://td/*", "spiffe://td/*"), ("a_b.example", "a_b.example"),
    ])
    func isWrittenAsItIsRead(_ text: String, _ written: String) throws {
        let pattern = try SANPattern(text)
        #expect(pattern.text == written)
        #expect(try SANPattern(pattern.text) == pattern)
    }

    @Test(
        arguments: [
            ("", .empty), ("a b", .notAName), ("a.example.", .notAName), (".a.example", .notAName),
            ("*", .misplacedStar),
            ("a.*.example", .misplacedStar), ("*.*.example", .misplacedStar), ("*a.example", .misplacedStar),
            ("*.", .notAName), ("a/b", .notAName), ("spiffe://", .notAName), ("://a", .notAName),
            ("spiffe:///a", .misplacedStar), ("spiffe://*", .misplacedStar), ("spiffe://*/a", .misplacedStar),
            ("spiffe://td/a*", .misplacedStar), ("spiffe://td/*/a", .misplacedStar), ("spiffe://td/\u{E9}", .notAName),
            ("spiffe:///*", .misplacedStar),
        ] as [(String, SANPattern.Problem)])
    func isNone(_ text: String, _ problem: SANPattern.Problem) {
        #expect(throws: problem) { try SANPattern(text) }
    }

    /// Pattern, the certificate's name of that kind, whether it is meant.
    @Test(arguments: [
        ("api.example.com", "api.example.com", true), ("api.example.com", "API.example.com", true),
        ("api.example.com", "*.example.com", true), ("api.example.com", "xapi.example.com", false),
        ("a.api.example.com", "*.example.com", false), ("example.com", "*.com", false), ("api.com", "*.com", false),
        ("api.example.com", "*.*.com", false), ("api.example.com", "api*.example.com", false),
        ("*.example.com", "a.example.com", true), ("*.example.com", "a.b.example.com", true),
        ("*.example.com", "example.com", false), ("*.example.com", ".example.com", false),
        ("*.example.com", "*.example.com", true), ("*.example.com", "aexample.com", false),
        ("api.example.com", "api.example.com\0.evil.example", false),
    ])
    func matchesDNSNames(_ pattern: String, _ name: String, _ expected: Bool) throws {
        #expect(try SANPattern(pattern).matches(certificate(dns: ["other.test", name])) == expected)
    }

    @Test(arguments: [
        ("spiffe://td/ns/a", "spiffe://td/ns/a", true), ("spiffe://td/ns/a", "spiffe://td/ns/ab", false),
        ("spiffe://td/ns/a", "spiffe://td/ns/A", false), ("spiffe://td/ns/*", "spiffe://td/ns/a", true),
        ("spiffe://td/ns/*", "spiffe://td/ns/a/b", true), ("spiffe://td/ns/*", "spiffe://td/ns/", false),
        ("spiffe://td/ns/*", "spiffe://td/nsx", false), ("spiffe://td/*", "spiffe://td.evil/a", false),
    ])
    func matchesURIs(_ pattern: String, _ name: String, _ expected: Bool) throws {
        #expect(try SANPattern(pattern).matches(certificate(uris: ["https://other", name])) == expected)
    }

    @Test func kindsAreNotMixed() throws {
        #expect(try SANPattern("10.0.0.1").matches(certificate(ips: ["10.0.0.1"])))
        #expect(try !SANPattern("10.0.0.1").matches(certificate(dns: ["10.0.0.1"])))
        #expect(try SANPattern("::1").matches(certificate(ips: ["0:0:0:0:0:0:0:1"])))
        #expect(try !SANPattern("api.example").matches(certificate()), "a common name is no alternative name")
        #expect(try !SANPattern("api.example").matches(certificate(uris: ["api.example"])))
    }
}
