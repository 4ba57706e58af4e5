import Foundation
import MartletTesting

/// `martlet-control run` with a folder of its own. Ends with the object.
final class ControlProcess {
    let folder: URL
    /// Where proxies come.
    private(set) var xds = ""
    /// Where operators come.
    private(set) var api = ""
    private var tool: TalkingTool?

    static var program: String {
        Tool.martlet.deletingLastPathComponent().appendingPathComponent("martlet-control").path
    }

    static let tokens: [String: String] = [
        "reader": "reader-token-0123456789", "writer": "writer-token-0123456789", "admin": "admin-token-0123456789",
        "shopkeeper": "shop-token-0123456789",
    ]

    /// Of one of each role, and one who may write in the namespace `shop` alone.
    static let guarded = """
            tokens:
              - { name: reader, role: read, token_file: reader.token }
              - { name: writer, role: write, token_file: writer.token }
              - { name: admin, role: admin, token_file: admin.token }
              - { name: shopkeeper, role: admin, namespaces: [shop], token_file: shopkeeper.token }
        """

    /// - Parameters:
    ///   - api: further lines below `api:`.
    ///   - rest: further sections.
    ///   - xds: where proxies come, `address` where operators do. One that comes back to where it was needs ports.
    init(
        api: String = "", xds: String = "127.0.0.1:0", address: String = "127.0.0.1:0",
        store: String = "{ path: store.db }", rest: String = "audit: { path: audit.jsonl }"
    ) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-control-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (name, token) in Self.tokens {
            try secret("\(name).token", token + "\n")
        }
        let address = address.replacing("FOLDER", with: folder.path)
        try write(
            "control.yaml",
            """
            xds: { address: \(xds) }
            api:
                address: \(address)
            \(api)
            store: \(store)
            \(rest)

            """)
    }

    @discardableResult
    func start() throws -> ControlProcess {
        // Its ports and its store must be free.
        self.tool = nil
        let tool = try TalkingTool(
            Self.program, ["run", "--config", folder.appendingPathComponent("control.yaml").path])
        self.tool = tool
        let line = tool.answer()
        let parts = line.split(separator: " ").map(String.init)
        guard line.hasPrefix("martlet-control ready: "), parts.count == 8 else {
            throw TestProxy.NotReady(description: "the control plane: \(line) \(tool.said)")
        }
        xds = String(parts[4].dropLast())
        api = parts[7]
        return self
    }

    /// With SIGKILL.
    func kill() { tool = nil }

    var processID: Int32? { tool?.processID }

    /// The exit code after SIGTERM.
    func end() -> Int32? { tool?.end() }

    /// What it printed since it was ready.
    var said: String { tool?.said ?? "" }

    deinit {
        tool = nil
        try? FileManager.default.removeItem(at: folder)
    }

    func write(_ name: String, _ text: String) throws {
        let file = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    /// A file that its owner alone may read.
    func secret(_ name: String, _ text: String) throws {
        try write(name, text)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o600], ofItemAtPath: folder.appendingPathComponent(name).path)
    }

    func read(_ name: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }

    // MARK: Asking

    struct Answer {
        let status: Int
        let headers: String
        let body: String

        /// A value at a path of keys and indices.
        subscript(path: String) -> String {
            var value: Any? = try? JSONSerialization.jsonObject(with: Data(body.utf8))
            for key in path.split(separator: ".") {
                if let list = value as? [Any] {
                    value = Int(key).flatMap { list.indices.contains($0) ? list[$0] : nil }
                } else {
                    value = (value as? [String: Any])?[String(key)]
                }
            }
            if let list = value as? [Any] { return "\(list.count) items" }
            return value.map { "\($0)" } ?? ""
        }
    }

    /// With curl.
    func ask(
        _ method: String = "GET", _ path: String, token: String? = nil, body: String? = nil, options: [String] = []
    ) throws -> Answer {
        var arguments = ["-s", "-i", "-X", method, "--max-time", "60", "--noproxy", "*"] + options
        if let token { arguments += ["-H", "Authorization: Bearer \(token)"] }
        var input = ""
        if let body {
            if !options.contains(where: { $0.lowercased().hasPrefix("content-type") }) {
                arguments += ["-H", "Content-Type: application/json"]
            }
            arguments += ["-H", "Expect:", "--data-binary", "@-"]
            input = body
        }
        if api.hasPrefix("unix:") {
            arguments += ["--unix-socket", String(api.dropFirst(5)), "http://localhost" + path]
        } else {
            arguments.append(api + path)
        }
        let output = try Tool.run("curl", arguments, input: input).output
        let parts = output.components(separatedBy: "\r\n\r\n")
        let status = Int(parts[0].split(separator: " ").dropFirst().first ?? "") ?? 0
        return Answer(status: status, headers: parts[0], body: parts.dropFirst().joined(separator: "\r\n\r\n"))
    }

    /// The body of an apply.
    static func apply(_ text: String, files: [String: String] = [:], message: String = "") throws -> String {
        let body: [String: Any] = [
            "files": [["name": "mesh.yaml", "text": text]], "message": message,
            "attachments": files.mapValues { Data($0.utf8).base64EncodedString() },
        ]
        return String(decoding: try JSONSerialization.data(withJSONObject: body), as: UTF8.self)
    }

    /// `martlet ...`, in the folder.
    func martlet(_ arguments: String..., input: String = "") throws -> (code: Int32, output: String) {
        try Tool.run(
            "bash",
            [
                "-c", "cd \"$0\" && exec env -u MARTLET_TOKEN MARTLET_CONTROL=\"$1\" \"${@:2}\"", folder.path, api,
                Tool.martlet.path,
            ]
                + arguments, input: input)
    }

    static func cluster(_ name: String, port: Int = 9000) -> String {
        "clusters: [{ name: \(name), endpoints: [\"127.0.0.1:\(port)\"] }]\n"
    }
}
