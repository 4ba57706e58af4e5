import Foundation
import MartletLua

/// A folder with a policy and its tests, for as long as this object lives.
final class PolicyTestFolder {
    let url: URL

    init(policy: String, tests: String) throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-policy-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        try write("policy.lua", policy)
        try write("tests.yaml", tests)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func write(_ name: String, _ text: String) throws {
        try text.write(to: url.appendingPathComponent(name), atomically: true, encoding: .utf8)
    }

    var path: String { url.appendingPathComponent("tests.yaml").path }

    func run(filter: String? = nil, coverage: Bool = false) -> PolicyTestReport {
        PolicyTestReport(path: path, filter: filter, coverage: coverage)
    }

    /// Runs and gives the report's text without the folder's name.
    func text(filter: String? = nil, coverage: Bool = false) -> String {
        short(run(filter: filter, coverage: coverage).text)
    }

    func short(_ text: String) -> String { text.replacingOccurrences(of: url.path + "/", with: "") }
}
