import Foundation
import MartletConfig
import MartletControl
import MartletControlServer
import MartletCore
import Testing

@Suite("The configuration of a control plane")
struct ControlConfigTests {
    private static func errors(_ text: String) -> [String] {
        let diagnostics = ConfigDiagnostics()
        _ = ControlConfig.parse(Array(text.utf8), file: "control.yaml", diagnostics: diagnostics)
        return diagnostics.errors.map(\.description)
    }

    @Test("All of it, and what is standard")
    func whole() throws {
        let diagnostics = ConfigDiagnostics()
        let text = """
            xds: { address: 127.0.0.1:1800 }
            api:
              address: "[::1]:1801"
              max_body: 1MiB
              tokens:
                - { name: ci, role: write, namespaces: [shop], sha256: \(String(repeating: "0a", count: 32)) }
            store: { etcd: { endpoints: ["127.0.0.1:2379", "[::1]:2379"], prefix: mesh } }
            audit: { path: audit.jsonl, required: true }
            endpoints_folder: endpoints
            """
        let config = try #require(
            ControlConfig.parse(Array(text.utf8), file: "folder/control.yaml", diagnostics: diagnostics))
        #expect(config.xds.address.port == 1800 && config.api.address.host == "::1")
        #expect(config.api.tokens.map(\.caller) == [Caller(name: "ci", role: .write, namespaces: ["shop"])])
        #expect(config.endpointsFolder == "folder/endpoints")
        #expect(config.audit.path == "folder/audit.jsonl" && config.audit.isRequired)
        guard case .etcd(let etcd) = config.store else { return #expect(Bool(false)) }
        #expect(etcd.endpoints.map(\.description) == ["http://127.0.0.1:2379", "http://[::1]:2379"])
        #expect(etcd.prefix == "mesh")
        let least = try #require(
            ControlConfig.parse(Array("store: { path: m.db }".utf8), file: "c.yaml", diagnostics: diagnostics))
        #expect("\(least.api.address)" == "127.0.0.1:18001" && least.api.bodyLimit.bytes == 8 << 20)
        #expect("\(least.xds.address)" == "127.0.0.1:18000" && least.audit.path == nil)
    }

    @Test(
        "Mistakes are told with their place and a hint",
        arguments: [
            ("stor: { path: a }", "control.yaml:1:1: error: stor: unknown key \"stor\" (did you mean \"store\"?)"),
            ("xds: {}", "\"store\" is required"), ("store: {}", "one of \"path\", \"etcd\" is required"),
            ("store: { path: a, etcd: {} }", "exclude each other"),
            ("store: { etcd: { endpoints: [\"nowhere\"] } }", "is not host:port"),
            ("store: { etcd: {} }", "\"endpoints\" is required"),
            (
                "store: { path: a }\napi: { address: 0.0.0.0:18001 }",
                "control.yaml:2:17: error: api.address: without tokens"
            ),
            ("store: { path: a }\napi: { tokens: [{ name: a, role: rite, sha256: 0 }] }", "did you mean \"write\"?"),
            (
                "store: { path: a }\napi: { tokens: [{ name: a, role: read, sha256: secret-text }] }",
                "is not a SHA-256 hash"
            ),
            (
                "store: { path: a }\napi: { tokens: [{ name: a, role: read }] }",
                "\"token_file\", \"sha256\" is required"
            ),
            (
                "store: { path: a }\napi: { tokens: [{ name: a, role: read, namespaces: [], token_file: x }] }",
                "for no namespace"
            ),
            ("store: { path: a }\napi: { tokens: [{ name: local, role: read, token_file: x }] }", "\"local\""),
            (
                "store: { path: a }\napi: { tokens: [{ name: a, role: read, token_file: /nowhere }] }",
                "cannot read \"/nowhere\""
            ),
            ("store: { path: a }\nxds: { tls: { certificate: /nowhere } }", "\"private_key\" is required"),
            ("store: { path: a }\nxds: { address: unix:/run/x }", "over TCP"),
            ("store: { path: a }\naudit: { required: true }", "without \"path\""),
            ("store: { path: a }\napi: { max_body: 1GiB }", "out of bounds"),
            ("store: { etcd: { endpoints: [\"a:1\"], tls: { ca: /nowhere } } }", "these files cannot be used"),
            (
                "store: { etcd: { endpoints: [\"a:1\"], tls: { certificate: /nowhere } } }",
                "\"private_key\" is required"
            ),
            ("store: { path: a }\nreplica: {}", "a store in a file is of one process"),
            (
                "store: { path: a }\napi: { tokens: [{ name: replica, role: read, token_file: x }] }",
                "what replicas call each other"
            ),
            (
                "store: { etcd: { endpoints: [\"a:1\"] } }\nreplica: { url: \"10.0.0.5:18001\" }",
                "is not where this one's API can be"
            ),
            (
                "store: { etcd: { endpoints: [\"a:1\"] } }\nreplica: { url: \"https://a/v1\" }",
                "is not where this one's API can be"
            ),
            (
                "store: { etcd: { endpoints: [\"a:1\"] } }\nreplica: { ca: /nowhere }",
                "no certificates that can be read"
            ),
        ])
    func mistakes(text: String, expected: String) {
        let errors = Self.errors(text)
        #expect(errors.contains { $0.contains(expected) }, "\(errors)")
        #expect(!errors.contains { $0.contains("secret-text") }, "\(errors)")
    }

    @Test(
        "A replica that the others cannot ask is warned of",
        arguments: [
            ("", false), ("api: { address: unix:/run/control.sock }", true),
            ("api: { address: unix:/run/control.sock }\nreplica: { ca: a.pem }", true),
            ("api: { address: unix:/run/control.sock }\nreplica: { url: \"https://10.0.0.5:1\" }", false),
            ("replica: { url: \"http://10.0.0.5:1\" }", true),
        ])
    func unreachable(rest: String, isWarned: Bool) {
        let diagnostics = ConfigDiagnostics()
        let text = "store: { etcd: { endpoints: [\"127.0.0.1:2379\"] } }\n" + rest
        _ = ControlConfig.parse(Array(text.utf8), file: "control.yaml", diagnostics: diagnostics)
        let words = ["other replicas do not know where", "can be read on the way"]
        #expect(diagnostics.warnings.contains { warning in words.contains { "\(warning)".contains($0) } } == isWarned)
    }

    @Test("Tokens in files: long enough, nobody else's to read, each once")
    func tokenFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-tokens-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func errors(_ tokens: [(text: String, mode: Int)]) throws -> [String] {
            var items: [String] = []
            for (number, token) in tokens.enumerated() {
                let file = folder.appendingPathComponent("\(number).token")
                try token.text.write(to: file, atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes([.posixPermissions: token.mode], ofItemAtPath: file.path)
                items.append("{ name: t\(number), role: read, token_file: \(file.path) }")
            }
            return Self.errors("store: { path: a }\napi: { tokens: [\(items.joined(separator: ", "))] }")
        }
        #expect(try errors([("0123456789abcdef\n", 0o600)]).isEmpty)
        #expect(try errors([("0123456789abcde\n", 0o600)]).first?.contains("15 characters") == true)
        #expect(try errors([("0123456789 abcdef\n", 0o600)]).first?.contains("no header can carry") == true)
        #expect(try errors([("0123456789abcdef", 0o644)]).first?.contains("chmod 600") == true)
        #expect(
            try errors([("0123456789abcdef", 0o600), ("0123456789abcdef\n", 0o600)]).first?.contains("another one's")
                == true)
    }
}
