import MartletCore
import MartletFilter
import MartletHTTP
import Testing

@testable import MartletResilience

@Suite("Keys of requests")
struct RequestKeyTests {
    private func hash(_ parts: [RequestKey.Part], of identity: Identity?, target: String = "/") -> UInt64? {
        let exchange = Exchange()
        exchange.request.setTarget(target.utf8Span.span)
        if let identity { exchange.proved(identity) }
        return RequestKey(parts: parts).hash(of: exchange)
    }

    private func token(_ claims: [(String, JSONValue)]) -> Identity {
        Identity(
            .jwt, name: "ann", claims: .object(claims.map { JSONMember(name: $0.0, value: $0.1) }))
    }

    private func hash(claim: String, of identity: Identity?) -> UInt64? {
        ClaimPath(claim).flatMap { hash([.jwt($0)], of: identity) }
    }

    @Test("Claims: by name, further in, of every single kind; others are missing")
    func claims() {
        let inner = JSONValue.object([JSONMember(name: "team", value: .string("a"))])
        let nested = token([("realm", inner)])
        let dotted = token([("realm.team", .string("a"))])
        #expect(hash(claim: "realm.team", of: nested) != nil)
        #expect(hash(claim: "realm.team", of: nested) == hash(claim: "realm.team", of: dotted))
        let values: [JSONValue] = [
            .string("1"), .string("2"), .integer(1), .integer(-1), .number(1.5), .bool(true), .string("true"),
        ]
        let hashes = values.map { hash(claim: "c", of: token([("c", $0)])) }
        #expect(!hashes.contains(nil))
        #expect(Set(hashes).count == values.count)
        for missing in [JSONValue.null, .array([.string("a")]), inner, .string("")] {
            #expect(hash(claim: "c", of: token([("c", missing)])) == nil)
        }
        #expect(hash(claim: "c", of: token([])) == nil)
        #expect(hash(claim: "realm.other", of: nested) == nil)
        #expect(hash(claim: "sub", of: nil) == nil)
    }

    @Test("A number and a truth that share their bits are two keys")
    func kinds() {
        #expect(
            hash(claim: "c", of: token([("c", .integer(1))])) != hash(claim: "c", of: token([("c", .bool(true))])))
        let bits = Int64(bitPattern: 1.5.bitPattern)
        #expect(
            hash(claim: "c", of: token([("c", .integer(bits))])) != hash(claim: "c", of: token([("c", .number(1.5))]))
        )
    }

    @Test("Who is proved by one filter is not who is proved by another")
    func identities() {
        #expect(hash([.apiKey], of: Identity(.apiKey, name: "a")) != nil)
        #expect(hash([.apiKey], of: Identity(.apiKey, name: "a")) != hash([.apiKey], of: Identity(.apiKey, name: "b")))
        #expect(hash([.apiKey], of: Identity(.basicAuth, name: "a")) == nil)
        #expect(hash([.basicAuth], of: Identity(.basicAuth, name: "a")) != nil)
        #expect(hash([.basicAuth], of: Identity(.basicAuth, name: "")) == nil)
        // A part is missing: the key is.
        #expect(hash([.apiKey, .query("k")], of: Identity(.apiKey, name: "a")) == nil)
        #expect(hash([.apiKey, .query("k")], of: Identity(.apiKey, name: "a"), target: "/?k=1") != nil)
    }

    @Test("A certificate is a key by who it is about, when it is validated")
    func certificates() {
        func hash(uris: [String], dns: [String] = [], isValidated: Bool = true) -> UInt64? {
            let peer = CertificateDetails(
                subject: "CN=a", issuer: "", commonNames: [], organizationNames: [], uriSANs: uris, dnsSANs: dns,
                ipSANs: [], emailSANs: [], oids: [], serialNumber: "", fingerprint: "", validFrom: 0, expires: 0,
                encodedPEM: "", encodedChain: "")
            let exchange = Exchange()
            exchange.downstream = Downstream(
                directRemoteIP: "", directRemotePort: 0, localAddress: "", listener: "", scheme: .https,
                connectionID: 1,
                tls: TLSDetails(
                    version: .tls13, cipherSuiteID: 0, cipherSuite: "", serverName: nil, alpn: nil, sessionID: "",
                    isResumed: false, peer: peer, local: nil, isPeerValidated: isValidated))
            return RequestKey(parts: [.clientCertificate]).hash(of: exchange)
        }
        #expect(hash(uris: ["spiffe://td/a"]) != nil)
        #expect(hash(uris: ["spiffe://td/a"], dns: ["x"]) == hash(uris: ["spiffe://td/a"]))
        #expect(hash(uris: ["spiffe://td/a"]) != hash(uris: ["spiffe://td/b"]))
        #expect(hash(uris: []) != nil)
        #expect(hash(uris: ["spiffe://td/a"], isValidated: false) == nil)
        #expect(RequestKey(parts: [.clientCertificate]).hash(of: Exchange()) == nil)
    }

    @Test(
        "Query parameters as a form has them",
        arguments: [
            ("/?k=a%20b", "/?k=a+b", true), ("/?k=%4A", "/?k=J", true), ("/?k=%4a&x", "/?y&k=J", true),
            ("/?k=%4", "/?k=%254", true), ("/?k=%zz", "/?k=%25zz", true), ("/?k=", "/?k", true),
            ("/?%6B=a", "/?k=a", true), ("/?%6b=b&k=a", "/?k=b", true), ("/?%256B=b&k=a", "/?k=a", true),
            ("/?k=a", "/?k=b", false), ("/?k=a&k=b", "/?k=a&k=c", true), ("/?k=a%00", "/?k=a", false),
        ])
    func query(left: String, right: String, areEqual: Bool) {
        let hashes = [left, right].map { hash([.query("k")], of: nil, target: $0) }
        #expect(hashes[0] != nil)
        #expect((hashes[0] == hashes[1]) == areEqual)
    }
}
