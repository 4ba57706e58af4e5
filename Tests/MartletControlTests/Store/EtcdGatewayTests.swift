import MartletControl
import MartletTesting
import Testing

@Suite("A member of etcd that hangs")
struct EtcdGatewayTests {
    @Test("Renewals go by another member that answers, and so does what comes after them", .timeLimit(.minutes(2)))
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
