import Foundation
import MartletTesting
import Testing

/// A gRPC client that asks the control plane where services are (Peers/mesh_client.py).
struct MeshClient {
    let tool: TalkingTool

    init(_ mesh: MeshServer) throws {
        let python = try PeerEnvironment.python("grpc-requirements.txt")
        tool = try TalkingTool(python, [PeerEnvironment.path("mesh_client.py"), "\(mesh.port)"])
    }

    func ask(_ order: String) throws -> String { try tool.ask(order) }
    func serve(_ name: String) throws -> String { try ask("serve \(name)") }
}

/// Files beside these tests, and Python with the packages that a file of requirements names.
enum PeerEnvironment {
    static func path(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Peers/\(name)").path
    }

    static func python(_ requirements: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let made = try Tool.run(
            root.appendingPathComponent("Scripts/peer-environment").path, [path(requirements)])
        guard made.code == 0, let python = made.output.split(separator: "\n").last else {
            throw TestProxy.NotReady(description: made.output)
        }
        return String(python)
    }
}

@Suite("gRPC's own clients under the control plane")
struct GRPCMeshTests {
    private func service(_ cluster: String) -> String {
        "services: [{ name: \"names.mesh:50051\", cluster: \(cluster) }]\n"
    }

    private func cluster(_ name: String, _ port: String, _ more: String = "") -> String {
        "- { name: \(name), protocol: http2, endpoints: [\"127.0.0.1:\(port)\"]\(more) }\n"
    }

    @Test("Services are found, change without a failed call, go and come, over restarts of the control plane")
    func life() throws {
        let mesh = try MeshServer()
        let client = try MeshClient(mesh)
        let (one, two) = (try client.serve("one"), try client.serve("two"))
        // What it asks for is not there yet.
        try mesh.apply("clusters:\n" + cluster("first", one) + service("first"))
        #expect(try client.ask("until names.mesh:50051 one") == "ok")
        #expect(
            try client.ask("states") == """
                Cluster first ACKED, ClusterLoadAssignment first ACKED, Listener names.mesh:50051 ACKED, \
                RouteConfiguration names.mesh:50051 ACKED
                """)
        // Another cluster, while calls are made.
        #expect(try client.ask("load names.mesh:50051") == "ok")
        try mesh.apply("clusters:\n" + cluster("second", two, ", load_balancing: maglev") + service("second"))
        #expect(try client.ask("until names.mesh:50051 two") == "ok")
        try mesh.ask("delete clusters/first")
        // Other endpoints of the same.
        try mesh.apply("clusters:\n" + cluster("second", one))
        #expect(try client.ask("until names.mesh:50051 one") == "ok")
        mesh.kill()
        #expect(try client.ask("call names.mesh:50051") == "one")
        try mesh.start()
        try mesh.apply("clusters:\n" + cluster("second", two))
        #expect(try client.ask("until names.mesh:50051 two") == "ok")
        #expect(try client.ask("loaded") == "True 0")
        try mesh.ask("delete services/names.mesh:50051")
        let gone = try client.ask("until names.mesh:50051 UNAVAILABLE")
        let states = try client.ask("states")
        #expect(gone == "ok", "\(gone) \(states)")
    }

    @Test("Weights and routes by path are services' too, and other services are none of its business")
    func routes() throws {
        let mesh = try MeshServer()
        let client = try MeshClient(mesh)
        let (one, two) = (try client.serve("one"), try client.serve("two"))
        try mesh.apply(
            "clusters:\n" + cluster("first", one) + cluster("second", two) + """
                services:
                  - name: names.mesh:1
                    routes:
                      - { match: { path: { prefix: /mesh.Names/ } }, cluster: second }
                      - { match: {}, split: [{ cluster: first, weight: 1 }] }
                  - { name: other.mesh:1, cluster: first }
                """)
        #expect(try client.ask("until names.mesh:1 two") == "ok")
        #expect(try !client.ask("states").contains("other.mesh"))
    }
}
