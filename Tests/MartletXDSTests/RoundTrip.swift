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
