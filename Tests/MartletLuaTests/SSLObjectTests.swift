import MartletLua
import Testing

@Suite("What a policy may know of the client's TLS")
struct SSLObjectTests {
    /// Expects every test of a file to pass.
    private func pass(_ policy: String, _ tests: String) throws {
        let report = try PolicyTestFolder(policy: policy, tests: tests).run()
        #expect(report.errors.isEmpty && report.failed == 0 && report.passed > 0, "\(report.text)")
    }

    /// Answers with every getter, its kind and its value, in lines.
    private static let dump = """
        local getters = {
          "peerCertificatePresented", "peerCertificateValidated", "uriSanLocalCertificate", "uriSanPeerCertificate",
          "dnsSansLocalCertificate", "dnsSansPeerCertificate", "oidsLocalCertificate", "oidsPeerCertificate",
          "sha256PeerCertificateDigest", "serialNumberPeerCertificate", "issuerPeerCertificate", "subjectPeerCertificate",
          "subjectLocalCertificate", "validFromPeerCertificate", "expirationPeerCertificate",
          "urlEncodedPemEncodedPeerCertificate", "urlEncodedPemEncodedPeerCertificateChain", "sessionId",
          "ciphersuiteId", "ciphersuiteString", "tlsVersion",
        }
        local function show(value)
          if type(value) == "table" then return "{" .. table.concat(value, "|") .. "}" end
          return type(value) == "string" and value or type(value) .. ":" .. tostring(value)
        end
        function on_request(h)
          local ssl = h:connection():ssl()
          if not ssl then h:respond({ [":status"] = 200 }, "none") end
          assert(h:streamInfo():downstreamSslConnection())
          local lines = {}
          for _, name in ipairs(getters) do lines[#lines + 1] = show(ssl[name](ssl)) end
          local subject = ssl:parsedSubjectPeerCertificate()
          lines[#lines + 1] = subject and subject:commonName() .. " of " .. show(subject:organizationName()) or "nil"
          lines[#lines + 1] = "[" .. h:streamInfo():requestedServerName() .. "]"
          h:respond({ [":status"] = 200 }, table.concat(lines, "\\n"))
        end
        """

    @Test("All getters tell what there is")
    func everything() throws {
        try pass(
            Self.dump,
            """
            tests:
            - name: a client with a certificate
              request:
                tls:
                  version: TLSv1.2
                  cipher: ECDHE-ECDSA-AES128-GCM-SHA256
                  cipher_id: 49195
                  server_name: Shop.Example
                  session_id: ab01
                  peer:
                    subject: "CN=api,O=Shop"
                    issuer: CN=root
                    organization_names: [Shop, "Shop, Inc."]
                    uri_sans: ["spiffe://td/ns/a", "https://b"]
                    dns_sans: api.example
                    oids: [2.5.29.17]
                    serial: 0a
                    fingerprint: ff00
                    valid_from: 2026-01-01T00:00:00Z
                    expires: 2026-01-02T00:00:00Z
                    pem: "-----BEGIN%20CERTIFICATE-----"
                    chain: chain
                  local: { subject: CN=me, uri_sans: "spiffe://td/me", dns_sans: [me.example, me], oids: [1.2] }
              expect:
                response:
                  body: |-
                    boolean:true
                    boolean:true
                    {spiffe://td/me}
                    {spiffe://td/ns/a|https://b}
                    {me.example|me}
                    {api.example}
                    {1.2}
                    {2.5.29.17}
                    ff00
                    0a
                    CN=root
                    CN=api,O=Shop
                    CN=me
                    number:1767225600
                    number:1767312000
                    -----BEGIN%20CERTIFICATE-----
                    chain
                    ab01
                    0xc02b
                    ECDHE-ECDSA-AES128-GCM-SHA256
                    TLSv1.2
                    api of {Shop|Shop, Inc.}
                    [shop.example]
            """)
    }

    @Test("What is missing is an empty text, an empty list or 0")
    func nothing() throws {
        try pass(
            Self.dump,
            """
            tests:
            - name: clear text
              expect: { response: { body: none } }
            - name: no certificate
              request: { tls: {} }
              expect:
                response:
                  body: |-
                    boolean:false
                    boolean:false
                    {}
                    {}
                    {}
                    {}
                    {}
                    {}





                    number:0
                    number:0



                    0x1301
                    TLS_AES_128_GCM_SHA256
                    TLSv1.3
                    nil
                    []
            - name: a certificate that is not validated
              request: { tls: { validated: false, peer: { subject: CN=x } } }
              expect: { response: { body_contains: "boolean:true\\nboolean:false" } }
            """)
    }

    @Test("TLS is https, and the object dies at a wait as others do")
    func lifetime() throws {
        try pass(
            """
            function on_request(h)
              local ssl = h:connection():ssl()
              h:headers():add("x-scheme", h:headers():get(":scheme"))
              h:sleep(1)
              local ok, why = pcall(ssl.tlsVersion, ssl)
              h:headers():add("x-why", why)
              h:headers():add("x-again", h:connection():ssl():tlsVersion())
              h:headers():add("x-wrong", tostring(pcall(ssl.tlsVersion, h:headers())))
            end
            """,
            """
            tests:
            - name: kept beyond
              request: { tls: {} }
              expect:
                upstream:
                  headers: { x-scheme: https, x-why: object used outside of proper scope, x-again: TLSv1.3, x-wrong: "false" }
            """)
    }

    @Test("Mistakes in a scripted handshake have their place")
    func mistakes() throws {
        let report = try PolicyTestFolder(
            policy: "function on_request(h) end",
            tests: """
                tests:
                - name: a
                  request: { tls: { version: TLSv1.1, validated: true, peer_: {}, local: { subjekt: x } } }
                  expect: { response: { status: 200 } }
                """
        ).text()
        for text in [
            "3:30: error", "is not known here", "there is no certificate to validate", "unknown key \"peer_\"",
            "unknown key \"subjekt\"",
        ] {
            #expect(report.contains(text), "\(text): \(report)")
        }
    }
}
