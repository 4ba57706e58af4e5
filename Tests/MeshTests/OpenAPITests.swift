import Foundation
import MartletTesting
import Testing

@Suite("The description of the API")
struct OpenAPITests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

    @Test("Every path and method in it is served, and references lead somewhere")
    func isServed() throws {
        let control = try ControlProcess().start()
        let text = try control.ask("GET", "/openapi.json").body
        let document = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(document["openapi"] as? String == "3.1.0")
        let paths = try #require(document["paths"] as? [String: [String: Any]])
        var actions: Set<String> = []
        for (path, methods) in paths {
            for (method, operation) in methods {
                let operation = try #require(operation as? [String: Any])
                let action = try #require(operation["operationId"] as? String)
                #expect(actions.insert(action).inserted, "\(action)")
                let target = path.replacing("{namespace}", with: "default").replacing("{kind}", with: "clusters")
                    .replacing("{name}", with: "x").replacing("{id}", with: "x")
                    .replacing("{service}", with: "x")
                let isChange = method == "post" || method == "put"
                _ = try control.ask(method.uppercased(), target, body: isChange ? "{}" : nil)
                // The metrics have each request under its route.
                let series = "route=\"\(action)\""
                let isCounted = try eventually { try control.ask("GET", "/metrics").body.contains(series) }
                #expect(isCounted, "\(action)")
            }
        }
        #expect(actions.count >= 23)
        let schemas = try #require((document["components"] as? [String: Any])?["schemas"] as? [String: Any])
        for part in text.components(separatedBy: "#/components/schemas/").dropFirst() {
            let name = String(part.prefix { $0 != "\"" })
            #expect(schemas[name] != nil, "\(name)")
        }
    }

    @Test("It is OpenAPI, says a validator that others wrote")
    func isValid() throws {
        let requirements = Self.folder.appendingPathComponent("Peers/openapi-requirements.txt").path
        let script = Self.folder.deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Scripts/peer-environment").path
        let environment = try Tool.run(script, [requirements])
        let python = environment.output.split(separator: "\n").last.map(String.init) ?? ""
        try #require(environment.code == 0, "\(environment.output)")
        let control = try ControlProcess().start()
        let text = try control.ask("GET", "/openapi.json").body
        let result = try Tool.run(
            python,
            [
                "-c",
                "import json, sys; from openapi_spec_validator import validate; validate(json.load(sys.stdin)); print('valid')",
            ], input: text)
        #expect(result.output == "valid\n", "\(result.output)")
    }
}
