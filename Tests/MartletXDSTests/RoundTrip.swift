internal import Foundation
internal import MartletConfig
internal import MartletXDS
internal import SwiftProtobuf

/// The names a chain may use in these tests.
let knownFilters: Set<String> = [
    "router", "lua", "access_control", "adaptive_concurrency", "api_key", "basic_auth", "body_limit", "buffer",
    "compress",
    "concurrency_limit", "cors", "decompress", "ext_authz", "fault", "grpc_stats", "grpc_web", "headers", "jwt",
    "rate_limit", "rbac", "retry", "tracing", "require_token",
]

/// A document, through resources and their bytes, and back.
struct RoundTrip {
    let before: ProxyConfig
    let resources: MeshResources
    /// As a client gets them.
    let received: MeshResources
    let after: ProxyConfig
    let errors: [String]

    /// - Parameter files: what the documents name, by path.
    init(_ root: ConfigNode, files: [String: String]) throws {
        let reading = ConfigDiagnostics()
        for (path, text) in files { reading.files.supply(Array(text.utf8), as: path) }
        before = ProxyConfig.decode(root: root, filters: knownFilters, diagnostics: reading)
        guard !reading.hasErrors else { throw Invalid(report: reading.report) }
        resources = MeshResources(root, diagnostics: reading)
        let writing = ConfigDiagnostics()
        var received = MeshResources()
        for type in ResourceType.allCases {
            for named in try resources.packed(type) {
                let bytes: [UInt8] = try named.resource.serializedBytes()
                received.add(try Google_Protobuf_Any(serializedBytes: bytes), diagnostics: writing)
            }
        }
        self.received = received
        let node = received.document(process: Self.process(root), diagnostics: writing)
        after = ProxyConfig.decode(root: node, filters: knownFilters, diagnostics: writing)
        errors = (reading.errors + writing.errors).map(\.description)
    }

    /// What stays where the process is.
    private static func process(_ root: ConfigNode) -> ConfigNode {
        let entries = (root.entries ?? []).filter { !["listeners", "clusters", "policies"].contains($0.key) }
        return ConfigNode(.mapping(entries), mark: root.mark, path: root.path)
    }

    struct Invalid: Error, CustomStringConvertible {
        var report: String
        var description: String { report }
    }

    /// Filters whose settings may have travelled in Envoy's words, and then come back in the spelling of those.
    static let envoys: Set<String> = [
        "fault", "rbac", "jwt", "ext_authz", "rate_limit", "headers", "buffer", "grpc_web", "compress",
    ]

    /// What was before, in the spelling of what is after where both mean the same to the filter.
    var expected: ProxyConfig {
        var expected = before
        func respell(_ filter: String, _ node: inout ConfigNode, as other: ConfigNode) {
            if EnvoyFilters.mean(filter, Document(node), Document(other)) { node = other }
        }
        for (index, listener) in after.listeners.enumerated() where expected.listeners.indices.contains(index) {
            for (place, filter) in zip(listener.filters.indices, listener.filters)
            where Self.envoys.contains(filter.name) {
                guard expected.listeners[index].filters.indices.contains(place) else { continue }
                respell(filter.name, &expected.listeners[index].filters[place].node, as: filter.node)
            }
            for (number, route) in listener.routes.enumerated() {
                guard expected.listeners[index].routes.indices.contains(number) else { continue }
                for (place, override) in route.overrides.enumerated() where Self.envoys.contains(override.filter) {
                    guard expected.listeners[index].routes[number].overrides.indices.contains(place),
                        case .settings(let other) = override.change,
                        case .settings(var node) = expected.listeners[index].routes[number].overrides[place].change
                    else { continue }
                    respell(override.filter, &node, as: other)
                    expected.listeners[index].routes[number].overrides[place].change = .settings(node)
                }
            }
        }
        return expected
    }

    /// What is not in the effective configuration, or is redacted there: scripts, and settings of filters word for word.
    static func details(_ config: ProxyConfig) -> [Document] {
        let scripts = config.policies.map { policy -> Document in
            if case .inline(let text) = policy.source { return .scalar(text, plain: false) }
            return .null
        }
        let filters = config.listeners.flatMap { $0.filters.map { Document($0.node) } }
        let overrides = config.listeners.flatMap(\.routes).flatMap(\.overrides).map { override -> Document in
            if case .settings(let node) = override.change { return Document(node) }
            return .null
        }
        return scripts + filters + overrides
    }
}

extension ConfigNode {
    /// A YAML text.
    static func read(_ text: String) throws -> ConfigNode {
        let diagnostics = ConfigDiagnostics()
        guard let node = YAMLDocument.read(Array(text.utf8), file: "m.yaml", diagnostics: diagnostics) else {
            throw RoundTrip.Invalid(report: diagnostics.report)
        }
        return node
    }
}
