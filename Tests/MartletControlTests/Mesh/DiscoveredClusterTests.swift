import Foundation
import MartletConfig
import MartletControl
import MartletXDS
import SwiftProtobuf
import Testing

@Suite("Clusters whose endpoints are discovered", .timeLimit(.minutes(2)))
struct DiscoveredClusterTests {
    private static let mesh = """
        listeners:
          - { name: public, address: 127.0.0.1:18080, filters: [router], routes: [{ match: {}, cluster: api }] }
        clusters:
          - { name: api, discovery: { service: web } }
          - { name: web, endpoints: ["127.0.0.1:9002"] }
        """

    private func register(_ desk: Desk, _ id: String, _ address: String, weight: Int = 1, zone: String = "")
        async throws
    {
        try await desk.control.instances.register(
            try Instance(InstanceKey("default", "web", id), address: address, weight: weight, zone: zone))
    }

    /// What a proxy is told of endpoints, as its configuration has them, each time that it changes.
    private func endpoints(_ snapshot: Snapshot, _ cluster: String = "api") throws -> [String] {
        var resources = MeshResources()
        let diagnostics = ConfigDiagnostics()
        for type in [ResourceType.cluster, .endpoints] {
            for resource in snapshot.table(type).resources {
                resources.add(try .init(serializedBytes: resource.body), diagnostics: diagnostics)
            }
        }
        let document = resources.document(diagnostics: diagnostics)
        let found = try #require(document["clusters"]?.items?.first { $0["name"]?.text == cluster })
        return (found["endpoints"]?.items ?? []).map { item in
            [item["address"]?.text ?? item.text, item["weight"]?.text, item["zone"]?.text]
                .compactMap(\.self).joined(separator: " ")
        }
    }

    @Test(
        "Instances come and go; everything else is what it was",
        arguments: [ProxyIdentity.Audience.martlet, .other, .grpc])
    func life(_ audience: ProxyIdentity.Audience) async throws {
        try await Desk().use { desk in
            let services = "services: [{ name: \"web:1\", cluster: api }]\n"
            try await desk.apply(Self.mesh + "\n" + (audience == .grpc ? services : ""))
            let membership = await desk.control.publisher.join(ProxyIdentity(id: "a", audience: audience))
            var publications = membership.publications.makeAsyncIterator()
            func next(until expected: [String]) async throws -> Snapshot {
                while let publication = await publications.next() {
                    if try endpoints(publication.snapshot) == expected { return publication.snapshot }
                }
                throw CancellationError()
            }
            // A service that nobody has registered for is a cluster without endpoints.
            let first = try await next(until: [])
            #expect(first.table(.cluster).resources.map(\.name) == ["api"])
            #expect(first.danglingReferences == [])
            try await register(desk, "1", "10.0.0.2:80", weight: 3, zone: "b")
            try await register(desk, "2", "10.0.0.1:80")
            // The same address twice is one endpoint.
            try await register(desk, "3", "10.0.0.1:80")
            let second = try await next(until: ["10.0.0.1:80 1", "10.0.0.2:80 3 b"])
            for type in ResourceType.allCases where type != .endpoints {
                #expect(second.table(type) === first.table(type))
            }
            try await desk.control.instances.setHealth(try InstanceKey("default", "web", "1"), .draining)
            _ = try await next(until: ["10.0.0.1:80 1"])
            try await desk.control.instances.deregister(try InstanceKey("default", "web", "2"))
            try await desk.control.instances.setHealth(try InstanceKey("default", "web", "1"), .healthy)
            let last = try await next(until: ["10.0.0.1:80 1", "10.0.0.2:80 3 b"])
            // The same endpoints are the same version, for whoever comes back.
            #expect(last.table(.endpoints).version == second.table(.endpoints).version)
        }
    }

    @Test("Who joins later has the same resource, not another one like it")
    func shared() async throws {
        try await Desk().use { desk in
            try await desk.apply(Self.mesh)
            try await register(desk, "1", "10.0.0.2:80")
            var tables: [ResourceTable] = []
            for id in ["a", "b"] {
                let membership = await desk.control.publisher.join(ProxyIdentity(id: id))
                for await publication in membership.publications {
                    guard try endpoints(publication.snapshot) == ["10.0.0.2:80 1"] else { continue }
                    tables.append(publication.snapshot.table(.endpoints))
                    break
                }
            }
            #expect(tables.count == 2 && tables[0] === tables[1])
        }
    }

    @Test("What it is discovered under names no document, and it is kept as it was written")
    func names() async throws {
        try await Desk().use { desk in
            try await desk.apply(Self.mesh)
            #expect(try await desk.told(ProxyIdentity(id: "a"), .cluster) == ["api"])
            let view = try await desk.control.document(try DocumentKey("default", "clusters", "api"), at: nil)
            #expect(view.text.contains("service: web"), "\(view.text)")
        }
    }

    @Test("An instance is of its namespace; who shares the cluster shares its endpoints")
    func namespaces() async throws {
        try await Desk().use { desk in
            try await desk.apply(
                "clusters: [{ name: api, shared_with: [shop], discovery: { service: web } }]", namespace: "default")
            try await desk.apply(
                "listeners: [{ name: public, address: 127.0.0.1:18080, filters: [router], routes: [{ match: {}, cluster: api }] }]",
                namespace: "shop")
            try await desk.control.instances.register(
                try Instance(InstanceKey("shop", "web", "1"), address: "10.0.0.9:80"))
            try await register(desk, "1", "10.0.0.2:80")
            let membership = await desk.control.publisher.join(
                ProxyIdentity(id: "a", labels: ["namespace": "shop"]))
            for await publication in membership.publications
            where try endpoints(publication.snapshot) == ["10.0.0.2:80 1"] { break }
        }
    }

    @Test(
        "Mistakes are told at their places",
        arguments: [
            ("discovery: { service: web, namespace: shop }", "unknown key \"namespace\""),
            ("endpoints: [\"127.0.0.1:1\"], discovery: { service: web }", "exclude each other"),
            ("discovery: { service: web, dns: \"a.b:80\" }", "exclude each other"),
            ("discovery: { service: [web] }", "expected"),
            ("discovery: { service: a/b }", "is no part of a key"),
            ("discovery: { servise: web }", "did you mean \"service\"?"),
            ("discovery: { file: /etc/passwd }", "is an absolute path"),
            ("discovery: { file: ../a.yaml }", "may not leave its folder"),
            ("discovery: { file: a/./b }", "may not leave its folder"),
            ("discovery: { file: a//b }", "is no path of a file"),
        ])
    func mistakes(_ text: String, _ words: String) async throws {
        try await Desk(EndpointFiles(folder: "/nowhere", log: { _ in })).use { desk in
            let errors = await desk.errors("clusters: [{ name: api, \(text) }]")
            #expect(errors.contains { $0.hasPrefix("mesh.yaml:1:") && $0.contains(words) }, "\(errors)")
        }
    }

    @Test("Where there is no folder with files, none may be named")
    func noFolder() async throws {
        try await Desk().use { desk in
            let errors = await desk.errors("clusters: [{ name: api, discovery: { file: a.yaml } }]")
            #expect(errors.contains { $0.contains("endpoints_folder") }, "\(errors)")
        }
    }

    @Test("A file's endpoints follow the file, and stay as they were when it is bad or gone")
    func files() async throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-files-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        try await Desk(EndpointFiles(folder: root.path, log: { _ in })).use { desk in
            let folder = root.appendingPathComponent("default")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            func write(_ text: String) throws {
                try text.write(to: folder.appendingPathComponent("api.yaml"), atomically: true, encoding: .utf8)
            }
            try write("endpoints: [\"10.0.0.1:80\", { address: \"10.0.0.2:80\", weight: 2, zone: b }]\n")
            try await desk.apply(Self.mesh.replacing("service: web", with: "file: api.yaml"))
            let membership = await desk.control.publisher.join(ProxyIdentity(id: "a"))
            var publications = membership.publications.makeAsyncIterator()
            func next() async throws -> [String] { try endpoints(try #require(await publications.next()).snapshot) }
            #expect(try await next() == ["10.0.0.1:80 1", "10.0.0.2:80 2 b"])
            try write("endpoints: [\"10.0.0.3:80\"]\n")
            #expect(try await next() == ["10.0.0.3:80 1"])
            // Told of the next good one only.
            try write("endpoints: [\"10.0.0.4\"]\n")
            await desk.control.publisher.publish(await desk.control.mesh)
            #expect(try await next() == ["10.0.0.3:80 1"])
            try FileManager.default.removeItem(at: folder.appendingPathComponent("api.yaml"))
            await desk.control.publisher.publish(await desk.control.mesh)
            #expect(try await next() == ["10.0.0.3:80 1"])
            try write("endpoints: []\n")
            #expect(try await next() == [])
        }
    }
}
