import Foundation
import MartletTesting
import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

@Suite("martlet test")
struct PolicyTestCommandTests {
    /// Folders of policies, for as long as this object lives.
    private final class Folders {
        let url: URL

        init(_ files: [String: String]) throws {
            url = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-test-\(UUID().uuidString)")
            for (name, text) in files { try write(name, text) }
        }

        deinit { try? FileManager.default.removeItem(at: url) }

        func write(_ name: String, _ text: String) throws {
            let file = url.appendingPathComponent(name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: true, encoding: .utf8)
        }

        /// The command's output, without the folder's name.
        func test(_ arguments: String...) throws -> (code: Int32, output: String) {
            let result = try Tool.run(
                Tool.martlet.path,
                ["test"] + arguments.map { $0.hasPrefix("-") ? $0 : url.appendingPathComponent($0).path })
            return (result.code, result.output.replacingOccurrences(of: url.path + "/", with: ""))
        }
    }

    private static let policy = """
        function on_request(handle)
          if handle:headers():get("x-team") then return end
          handle:respond({ [":status"] = 403 }, "no team\\n")
        end
        """
    private static let passing = """
        tests:
        - name: refused
          expect: { upstream: none, response: { status: 403 } }
        - name: accepted
          request: { headers: { x-team: red } }
          expect: { response: { status: 200 } }
        """

    private static func files() -> [String: String] {
        [
            "good/policy.lua": policy, "good/tests.yaml": passing,
            "bad/deep/policy.lua": policy,
            "bad/deep/tests.yaml":
                "tests: [{ name: wrong, expect: { response: { status: 200 } } }, { name: right, expect: {} }]",
            "malformed/policy.lua": policy, "malformed/tests.yaml": "tests:\n- nam: x\n  expect: {}\n",
            "empty/policy.lua": policy, "good/.hidden/tests.yaml": "nonsense",
        ]
    }

    @Test("Passing tests: a line each, the counts alone on the last line, exit code 0")
    func passes() throws {
        let (code, output) = try Folders(Self.files()).test("good")
        #expect(code == 0)
        #expect(output == "good/tests.yaml\nok 1 refused\nok 2 accepted\n2 passed, 0 failed\n")
    }

    @Test("Failing tests are found below the folder, exit code 1")
    func fails() throws {
        let (code, output) = try Folders(Self.files()).test("good", "bad")
        #expect(code == 1)
        #expect(
            output.hasPrefix(
                """
                good/tests.yaml
                ok 1 refused
                ok 2 accepted
                bad/deep/tests.yaml
                not ok 1 wrong
                    bad/deep/tests.yaml:1:9
                    1:54: status of the response
                        - 200
                        + 403
                """), "\(output)")
        #expect(output.hasSuffix("\nok 2 right\n3 passed, 1 failed\n"), "\(output)")
    }

    @Test("A file that does not decode and a folder without tests are errors")
    func malformed() throws {
        let folders = try Folders(Self.files())
        let malformed = try folders.test("good", "malformed")
        #expect(malformed.code == 1)
        #expect(
            malformed.output.contains(
                "malformed/tests.yaml:2:3: error: tests[0].nam: unknown key \"nam\" (did you mean \"name\"?)\n"))
        #expect(malformed.output.hasSuffix("\n1 file with mistakes\n2 passed, 0 failed\n"), "\(malformed.output)")
        let empty = try folders.test("empty", "good")
        #expect(empty.code == 1)
        #expect(empty.output.hasPrefix("empty: error: no tests.yaml here or below"), "\(empty.output)")
        #expect(try folders.test("nowhere").output.hasPrefix("nowhere: error: no such file or folder\n"))
    }

    @Test("--filter picks tests by name; none is a failure")
    func filter() throws {
        let folders = try Folders(Self.files())
        let some = try folders.test("good", "bad", "--filter=accept")
        #expect(some.code == 0)
        #expect(some.output == "good/tests.yaml\nok 2 accepted\n1 passed, 0 failed\n")
        let none = try folders.test("good", "--filter=xyz")
        #expect(none.code == 1)
        #expect(none.output == "no test's name has \"xyz\"\n0 passed, 0 failed\n")
    }

    @Test("--coverage shows the lines that never ran")
    func coverage() throws {
        let folders = try Folders(Self.files())
        let all = try folders.test("good", "--coverage")
        #expect(all.output.contains("\npolicy.lua: 100%\n2 passed"), "\(all.output)")
        let some = try folders.test("good", "--coverage", "--filter=accepted")
        #expect(some.output.contains("\npolicy.lua: 75% (line 3 not run)\n1 passed"), "\(some.output)")
    }

    @Test("--watch runs again after a change and shows what became different")
    func watch() throws {
        let folders = try Folders(Self.files())
        let log = folders.url.appendingPathComponent("log")
        try folders.write("log", "")
        let process = Process()
        process.executableURL = Tool.martlet
        process.arguments = ["test", folders.url.appendingPathComponent("good").path, "--watch"]
        process.standardOutput = try FileHandle(forWritingTo: log)
        try process.run()
        defer { if process.isRunning { process.terminate() } }
        func output() throws -> String {
            try String(contentsOf: log, encoding: .utf8).replacingOccurrences(of: folders.url.path + "/", with: "")
        }
        let first = "good/tests.yaml\nok 1 refused\nok 2 accepted\n2 passed, 0 failed\n"
        #expect(try eventually { try output() == first })
        try folders.write("good/policy.lua", Self.policy.replacingOccurrences(of: "403", with: "401"))
        #expect(try eventually { try output().hasSuffix("1 passed, 1 failed\n") })
        let change = try output().dropFirst(first.count)
        #expect(change.hasPrefix("good/tests.yaml\nnot ok 1 refused\n") && !change.contains("ok 2"), "\(change)")
        try folders.write("good/policy.lua", Self.policy)
        #expect(
            try eventually { try output().hasSuffix("failed\ngood/tests.yaml\nok 1 refused\n2 passed, 0 failed\n") })
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && process.terminationReason == .exit)
    }

    @Test("The library's own policies pass, every line of them run")
    func library() throws {
        let result = try Tool.run(
            Tool.martlet.path, ["test", root.appendingPathComponent("Filters").path, "--coverage"])
        #expect(result.code == 0, "\(result.output)")
        // Folders below a policy's own run it with other data files: how it fails to load, most of all.
        var suite = ""
        var whole: Set<String> = []
        for line in result.output.split(separator: "\n") {
            if line.hasSuffix("/tests.yaml") { suite = String(line.split(separator: "/").dropLast().last ?? "") }
            if line == "policy.lua: 100%" { whole.insert(suite) }
        }
        let policies = try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("Filters").path)
            .filter { $0 != "README.md" }
        #expect(policies.count >= 12)
        #expect(whole.isSuperset(of: policies), "\(Set(policies).subtracting(whole)): \(result.output)")
    }
}
