import MartletControl
import MartletTesting
import Testing

@Suite("How etcd is reached")
struct EtcdGatewayTests {
    @Test("Over TLS, by who has a certificate; others are told that nothing was sent", .timeLimit(.minutes(2)))
    func secure() async throws {
        let server = try await EtcdServer(isSecure: true)
        defer { server.stop() }
        let store = try await EtcdStore(endpoints: [server.endpoint])
        let key = try DocumentKey("default", "clusters", "api")
        #expect(try await store.commit(StoreTransaction([.put(key, [1], if: .absent)], author: "me", message: "")) == 1)
        #expect(try await store.document(key)?.body == [1])
        let (host, port) = (server.endpoint.host, server.endpoint.port)
        let authority = try CertificateForge.shared.authority().certificateFile
        let strangers = [
            nil, try EtcdSecurity(ca: authority, certificate: nil, privateKey: nil),
            // It trusts somebody else.
            try EtcdSecurity(
                ca: try CertificateForge.shared.authority("Other CA").certificateFile, certificate: nil, privateKey: nil
            ),
        ]
        for security in strangers {
            await #expect(throws: StoreError.self) {
                _ = try await EtcdStore(endpoints: [EtcdEndpoint(host: host, port: port, security: security)])
            }
        }
    }

    @Test(
        "Where one member hangs, renewals go by another member that answers, and so does what comes after them",
        .timeLimit(.minutes(2)))
    func hung() async throws {
        let server = try await EtcdServer()
        // It takes connections and says nothing.
        let silent = try TCPListener()
        let members = [EtcdEndpoint(host: "127.0.0.1", port: Int(silent.port)), server.endpoint]
        let registry = EtcdRegistry(endpoints: members)
        let key = try InstanceKey("default", "api", "1")
        try await registry.register(try Instance(key, address: "127.0.0.1:9000", ttl: 30))
        #expect(try await registry.renew(key).key == key)
        _ = server
    }
}
