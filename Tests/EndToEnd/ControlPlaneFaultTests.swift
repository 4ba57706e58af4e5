import Foundation
import MartletTesting
import Testing

/// Before the same control plane, which does wrong (Peers/ads_scenarios.py), Martlet and Envoy are observed alike: answers to
/// requests, what is accepted and refused, requests that failed.
@Suite("A proxy under a control plane that misbehaves", .serialized)
struct ControlPlaneFaultTests {
    enum Method: String, CaseIterable, Sendable { case delta, sotw }

    /// Where the two are not alike, each what it is. Docs/ControlPlane.md tells the first two.
    struct Difference: Sendable {
        let scenario: String
        let methods: [Method]
        let martlet: String
        let envoy: String
    }

    private static let differences = [
        // What is wrong is refused by name. Envoy refuses the whole response, where a field is out of its bounds.
        Difference(
            scenario: "invalid_field_uses_the_rest", methods: Method.allCases, martlet: "still 200 two ok",
            envoy: "still 503"),
        // The protocol wants it refused.
        Difference(
            scenario: "duplicates", methods: [.sotw], martlet: "endpoints refused", envoy: "endpoints accepted"),
        Difference(scenario: "duplicates", methods: [.sotw], martlet: "routes refused", envoy: "routes accepted"),
    ]

    private static let scenarios = [
        "overlapping_responses", "stale_nonces", "empty_versions", "endpoints_withheld_at_first",
        "clusters_withheld_at_first", "routes_withheld_at_first", "endpoints_missing_at_first", "endpoints_withheld",
        "routes_withheld", "reverse_order", "duplicates", "reset_between_types", "cut_within_a_message", "goaway",
        "unavailable", "invalid_field_among_valid", "invalid_field_uses_the_rest", "invalid_meaning_among_valid",
        "invalid_listener_among_valid", "invalid_routes", "wrong_type_within", "unreadable_resource",
        "nothing_asked_for", "unknown_names", "clusters_go_and_come", "listeners_go_and_come",
        "all_at_once_go_and_come", "removed_in_use", "endpoints_emptied", "slow_server", "many_clusters",
    ]

    private struct Stories: Decodable {
        let martlet: [String]
        let envoy: [String]
    }

    /// `make chaos` has the release build serve ten times as many clusters.
    private static let program = ProcessInfo.processInfo.environment["MARTLET_PROGRAM"] ?? Tool.martlet.path

    @Test("It lives with that as Envoy does", arguments: scenarios, Method.allCases)
    func fault(_ scenario: String, _ method: Method) throws {
        let python = try PeerEnvironment.python("xds-requirements.txt").path
        let output = try Tool.run(
            python, [Origin.script("ads_faults.py"), scenario, method.rawValue, Self.program, RealEnvoy.program()]
        ).output
        let line = try #require(output.split(separator: "\n").last { $0.hasPrefix("{") }, "\(output)")
        let stories = try JSONDecoder().decode(Stories.self, from: Data(line.utf8))
        var wanted = stories.envoy
        for difference in Self.differences
        where difference.scenario == scenario && difference.methods.contains(method) {
            let place = try #require(wanted.firstIndex(of: difference.envoy), "\(wanted)")
            wanted[place] = difference.martlet
        }
        #expect(stories.martlet == wanted)
        #expect(!(stories.martlet + stories.envoy).contains { $0.hasPrefix("gave up") })
        #expect(!stories.martlet.contains { $0.hasPrefix("failed ") && $0 != "failed 0" })
    }

    @Test("Every scenario there is is played")
    func completeness() throws {
        let text = try ["ads_scenarios.py", "ads_content.py"].map {
            try String(contentsOfFile: Origin.script($0), encoding: .utf8)
        }.joined(separator: "\n")
        let names = text.split(separator: "\n").filter { $0.hasPrefix("async def ") }.compactMap {
            $0.dropFirst("async def ".count).split(separator: "(").first.map(String.init)
        }
        #expect(Set(names) == Set(Self.scenarios))
    }
}
