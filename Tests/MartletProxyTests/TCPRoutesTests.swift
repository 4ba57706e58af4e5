import MartletConfig
import MartletCore
import Testing

@testable import MartletProxy

@Suite("Where connections without requests go")
struct TCPRoutesTests {
    private static let clusters = ["a", "b", "c", "d"]

    private func routes(_ lines: String) throws -> TCPRoutes {
        let text = """
            listeners:
              - name: l
                address: 127.0.0.1:1
                protocol: tcp
            \(lines.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
            clusters:
            \(Self.clusters.map { "  - { name: \($0), endpoints: [\"127.0.0.1:1\"] }" }.joined(separator: "\n"))
            """
        let diagnostics = ConfigDiagnostics()
        let config = ProxyConfig.parse(text: text, file: "test.yaml", filters: ["router"], diagnostics: diagnostics)
        let tcp = try #require(config?.listeners.first?.tcp, "\(diagnostics.errors.map(\.description))")
        return TCPRoutes(tcp) { Self.clusters.firstIndex(of: $0) }
    }

    /// The cluster's name, or nil when there is none.
    private func cluster(_ routes: TCPRoutes, _ name: String?, _ random: UInt64 = 0) -> String? {
        routes.target(for: name)?.cluster(random).map { Self.clusters[$0] }
    }

    static let named: [(String?, String?)] = [
        ("x.example", "a"), ("sub.x.example", "c"), ("deep.sub.x.example", "c"), ("y.example", "b"), ("example", nil),
        (".example", nil), ("x.example.", nil), ("other", nil), ("", nil), (nil, nil),
    ]

    @Test("The most specific pattern wins, and a pattern does not take what it is made of", arguments: named)
    func names(name: String?, expected: String?) throws {
        let lines = """
            sni:
              - { hosts: ["*.example"], cluster: b }
              - { hosts: [x.example], cluster: a }
              - { hosts: ["*.x.example"], cluster: c }
            """
        #expect(cluster(try routes(lines), name) == expected)
        // What no pattern takes goes to the listener's own, and `*` comes before that.
        #expect(cluster(try routes(lines + "\ncluster: d"), name) == expected ?? "d")
        #expect(cluster(try routes(lines + "\n  - { hosts: [\"*\"], cluster: d }"), name) == expected ?? "d")
    }

    @Test("A split follows its weights to the number, and no weight gets nothing")
    func split() throws {
        let found = try routes(
            "split: [{ cluster: a, weight: 3 }, { cluster: b, weight: 0 }, { cluster: c, weight: 1 }]")
        let taken = (0..<400).map { cluster(found, nil, UInt64($0)) }
        #expect(taken.count { $0 == "a" } == 300 && taken.count { $0 == "c" } == 100)
        #expect(cluster(found, "any.name", .max) != nil)
    }
}
