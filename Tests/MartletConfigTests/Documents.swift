internal import Foundation
internal import MartletConfig
internal import Testing

/// The examples of Docs/Config.md.
enum Documents {
    struct Missing: Error {}

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Fenced YAML blocks that begin with `# file: name`: name and text.
    static func examples(of page: String) throws -> [(name: String, text: String)] {
        let text = try String(contentsOf: root.appendingPathComponent(page), encoding: .utf8)
        return text.components(separatedBy: "```yaml\n").dropFirst().compactMap { block in
            guard let body = block.components(separatedBy: "\n```").first, body.hasPrefix("# file: ") else {
                return nil
            }
            let name = body.dropFirst("# file: ".count).prefix { $0 != "\n" }
            return (String(name), body + "\n")
        }
    }

    /// The example that uses every key, with its scripts inline so that it needs no other file.
    static func complete() throws -> String {
        guard let example = try examples(of: "Docs/Config.md").first(where: { $0.name == "complete.yaml" }) else {
            throw Missing()
        }
        return example.text
    }
}

@Suite struct DocumentTests {
    @Test func examplesAreValid() throws {
        let examples = try Documents.examples(of: "Docs/Config.md")
        #expect(examples.count >= 5)
        for example in examples {
            let decoded = Decoded(example.text, file: example.name)
            #expect(decoded.errors == [], "\(example.name)")
            #expect(decoded.warnings == [], "\(example.name)")
        }
    }

    /// Every block that is no whole file is at least YAML.
    @Test func fragmentsAreYAML() throws {
        let text = try String(contentsOf: Documents.root.appendingPathComponent("Docs/Config.md"), encoding: .utf8)
        for block in text.components(separatedBy: "```yaml\n").dropFirst() {
            let body = block.components(separatedBy: "\n```").first ?? ""
            let diagnostics = ConfigDiagnostics()
            #expect(YAMLDocument.read(Array(body.utf8), file: "d", diagnostics: diagnostics) != nil)
            #expect(diagnostics.errors.map(\.description) == [])
        }
    }

    /// Each key of the effective configuration is in the page, those of filters aside.
    @Test func everyKeyIsDescribed() throws {
        let page = try String(contentsOf: Documents.root.appendingPathComponent("Docs/Config.md"), encoding: .utf8)
        let json = try #require(Decoded(try Documents.complete()).config).json
        let keys = json.matches(of: /\n *"([a-z_0-9]+)":/).map { String($0.1) }
        #expect(keys.count > 60)
        let ofFilters = ["policy", "config", "team", "stamp", "request", "response", "set", "add", "remove"]
        for key in Set(keys).subtracting(ofFilters) { #expect(page.contains("`\(key)`"), "\(key)") }
    }
}
