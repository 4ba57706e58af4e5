import Foundation
import MartletTesting
import Testing

/// The folder this file was compiled from.
private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

@Suite("The documentation is true")
struct DocsTests {
    private static func page(_ name: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(name), encoding: .utf8)
    }

    /// Fenced blocks of a language.
    private static func blocks(_ language: String, in page: String) -> [String] {
        page.components(separatedBy: "```\(language)\n").dropFirst().compactMap {
            $0.components(separatedBy: "```").first
        }
    }

    @Test("Every file that Where.md names is there")
    func whereIsWhat() throws {
        let rows = try Self.page("Docs/Where.md").split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst()
        #expect(rows.count > 20)
        for row in rows {
            let paths = row.split(separator: "`").enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
            #expect(paths.count == 2, "\(row)")
            for path in paths {
                #expect(FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path), "\(path)")
            }
        }
    }

    private static func pages(in folder: String) -> [String] {
        let path = root.appendingPathComponent(folder).path
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.filter { $0.hasSuffix(".md") }.sorted().map { "\(folder)/\($0)" }
    }

    @Test("Every rooms table names rooms that exist")
    func rooms() throws {
        for line in try Self.page("Docs/RequestPath.md").split(separator: "\n")
        where line.hasPrefix("| ") && line.contains("`Martlet") {
            let path = line.split(separator: "`")[1]
            let candidates = ["Sources/\(path)", "Sources/\(path).swift"]
            #expect(
                candidates.contains { FileManager.default.fileExists(atPath: root.appendingPathComponent($0).path) },
                "\(path)")
        }
    }

    @Test(
        "Every complete configuration passes martlet check",
        arguments: ["README.md", "Docs/LuaAPI.md", "Docs/Config.md", "Docs/TCP.md", "Docs/GRPC.md"]
            + pages(in: "Docs/Filters"))
    func configurations(name: String) throws {
        let complete = Self.blocks("yaml", in: try Self.page(name)).filter {
            $0.hasPrefix("# file:") && !$0.contains("file: Filters/")
        }
        #expect(!complete.isEmpty)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-docs-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // Files that the configurations name, each under the name its first line gives.
        for text in Self.blocks("text", in: try Self.page(name)) where text.hasPrefix("# file: ") {
            let file = String(text.dropFirst("# file: ".count).prefix { $0 != "\n" })
            try text.write(to: folder.appendingPathComponent(file), atomically: true, encoding: .utf8)
        }
        if complete.contains(where: { $0.contains("certs/") }) { try Self.makeCertificates(in: folder) }
        for text in complete {
            let file = folder.appendingPathComponent("martlet.yaml")
            try text.write(to: file, atomically: true, encoding: .utf8)
            let (code, output) = try run(["check", file.path])
            #expect(code == 0, "\(name): \(output)")
        }
    }

    /// `certs/ca.pem`, and `certs/NAME.pem` with `certs/NAME.key` for every name that the examples use.
    private static func makeCertificates(in folder: URL) throws {
        let certificates = folder.appendingPathComponent("certs")
        try FileManager.default.createDirectory(at: certificates, withIntermediateDirectories: true)
        for name in ["ca", "shop", "api"] {
            let key = certificates.appendingPathComponent("\(name).key").path
            let result = try Tool.run(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=\(name).example.com", "-addext", "subjectAltName=DNS:\(name).example.com",
                    "-keyout", key, "-out", certificates.appendingPathComponent("\(name).pem").path,
                ])
            #expect(result.code == 0, "\(result.output)")
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
        }
    }

    @Test("The filter page shows the example that is compiled")
    func filterExample() throws {
        let code = try Self.page("Docs/Examples/FilterExample/RequireToken.swift")
        #expect(Self.blocks("swift", in: try Self.page("Docs/FilterAPI.md")).contains(code))
    }

    @Test("martlet check: mistakes end in exit code 1, each with its line and a hint")
    func check() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-check-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        try """
        listeners:
          - name: public
            address: 127.0.0.1:8080
            filters: [{ headrs: {} }, { retry: { attempt: 3 } }, router]
            routes:
              - match: { path: { prefx: / } }
                cluster: ap
        clusters:
          - name: app
            endpoints: ["127.0.0.1:9000"]
            connect_timeout: 5
        """.write(to: file, atomically: true, encoding: .utf8)
        let (code, output) = try run(["check", file.path])
        #expect(code == 1)
        for (line, hint) in [(4, "headers"), (4, "attempts"), (6, "prefix"), (7, "app"), (11, "s")] {
            #expect(
                output.split(separator: "\n").contains { $0.contains(".yaml:\(line):") && $0.contains(hint) },
                "\(line): \(output)")
        }
    }

    @Test(
        "martlet check: a route on a path that no request has when it is matched is a mistake",
        arguments: [
            ("exact: /a%2fb", "/a%2Fb"), ("exact: /x/../y", "/y"), ("prefix: //admin", "/admin"),
            ("prefix: /a/./b", "/a/b"),
            ("exact: /%61dmin", "/admin"), ("exact: /../x", "refused"), ("prefix: /.well", nil), ("exact: /a%2Fb", nil),
            ("prefix: /a/", nil), ("exact: /", nil),
        ] as [(String, String?)])
    func unreachable(path: String, hint: String?) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(
            "martlet-check-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        try """
        listeners:
          - name: public
            address: 127.0.0.1:8080
            filters: [router]
            routes: [{ match: { path: { \(path) } }, respond: { status: 403 } }]
        """.write(to: file, atomically: true, encoding: .utf8)
        let (code, output) = try run(["check", file.path])
        #expect(code == (hint == nil ? 0 : 1), "\(output)")
        if let hint { #expect(output.contains(".yaml:5:") && output.contains(hint), "\(output)") }
    }

    @Test("The page about tests of policies shows tests that pass, and their output")
    func policyTests() throws {
        let page = try Self.page("Docs/PolicyTests.md")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-docs-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (language, name) in [("lua", "policy.lua"), ("yaml", "tests.yaml")] {
            let text = try #require(Self.blocks(language, in: page).first { $0.contains("file: \(name)\n") })
            try text.write(to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
        }
        let (code, output) = try run(["test", folder.path, "--coverage"])
        #expect(code == 0, "\(output)")
        #expect(output.contains("policy.lua: 100%"), "\(output)")
        let shown = output.split(separator: "\n").filter { $0.hasPrefix("ok ") || $0.hasSuffix("failed") }
            .map { "    \($0)\n" }.joined()
        #expect(page.contains("    tests.yaml\n" + shown), "\(output)")
    }

    private func run(_ arguments: [String]) throws -> (Int32, String) {
        let result = try Tool.run(Tool.martlet.path, arguments)
        return (result.code, result.output)
    }
}
