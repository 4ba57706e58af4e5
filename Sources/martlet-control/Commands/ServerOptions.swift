internal import ArgumentParser
internal import Foundation
internal import MartletConfig

/// Which control plane is asked, and as whom.
struct ServerOptions: ParsableArguments {
    @Option(help: "The control plane: a URL, or unix:PATH. Default: MARTLET_CONTROL, or http://127.0.0.1:18001.")
    var server: String?

    @Option(help: "A file with the token. Default: MARTLET_TOKEN_FILE; or the token itself in MARTLET_TOKEN.")
    var tokenFile: String?

    @Option(help: "Who issues the control plane's certificate: a PEM file. Default: whom the system trusts.")
    var ca: String?

    @Option(name: .shortAndLong, help: "The namespace that is meant.")
    var namespace = "default"

    static let standard = "http://127.0.0.1:18001"

    var address: String {
        let own = ProcessInfo.processInfo.environment["MARTLET_CONTROL"] ?? ""
        return server ?? (own.isEmpty ? Self.standard : own)
    }

    func token() throws -> String? {
        let environment = ProcessInfo.processInfo.environment
        guard let path = tokenFile ?? (environment["MARTLET_TOKEN"] == nil ? environment["MARTLET_TOKEN_FILE"] : nil)
        else { return environment["MARTLET_TOKEN"] }
        do {
            let bytes = try ConfigFile.read(path, atMost: 8192)
            return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        } catch {
            throw CommandFailure.refused("cannot read the token in \(path): \(error.reason)")
        }
    }

    /// Asks, and lets go of what it asked with.
    func withClient<Value>(_ body: (ControlClient) async throws -> Value) async throws -> Value {
        let client = try ControlClient(address, token: try token(), ca: ca, namespace: namespace)
        do {
            let value = try await body(client)
            try? await client.close()
            return value
        } catch {
            try? await client.close()
            throw error
        }
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json, yaml
}
