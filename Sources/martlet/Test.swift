internal import ArgumentParser
internal import MartletLua
internal import MartletRouting

struct Test: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the tests of policies.",
        discussion: """
            Runs every tests.yaml in the folders, or below them, in the real engine without sockets. Exits 0 when all \
            tests pass; otherwise 1, with what was expected and what came. Docs/PolicyTests.md has the format.
            """)

    @Argument(help: ArgumentHelp("Folders with a tests.yaml in or below them, or such files.", valueName: "DIR"))
    var folders: [String]

    @Flag(help: "Show which lines of the policies never ran.")
    var coverage = false

    @Flag(help: "Run again whenever a file changes, and show what became different. Ctrl-C ends it.")
    var watch = false

    @Option(help: ArgumentHelp("Only tests whose name has this text.", valueName: "TEXT"))
    var filter: String?

    func run() throws {
        if watch { return try TestWatch(folders, run: report).run() }
        let found = PolicyTestFolders(folders)
        for error in found.errors { print(error) }
        var reports: [PolicyTestReport] = []
        for path in found.files {
            let report = report(path)
            // A filter is about what to look at, not about what is there.
            if filter == nil || !report.entries.isEmpty || !report.errors.isEmpty { print(report.text) }
            reports.append(report)
        }
        let summary = TestSummary(reports)
        if let filter, summary.passed + summary.failed == 0 { print("no test's name has \"\(filter)\"") }
        print(summary.text)
        let failed = summary.failed > 0 || summary.unreadable > 0 || !found.errors.isEmpty
        if failed || summary.passed == 0 { throw ExitCode(1) }
    }

    private func report(_ path: String) -> PolicyTestReport {
        PolicyTestReport(path: path, filter: filter, coverage: coverage, router: RouterKind())
    }
}

/// What all files came to together.
struct TestSummary {
    let passed: Int
    let failed: Int
    let unreadable: Int

    init(_ reports: some Collection<PolicyTestReport>) {
        passed = reports.reduce(0) { $0 + $1.passed }
        failed = reports.reduce(0) { $0 + $1.failed }
        unreadable = reports.count { !$0.errors.isEmpty }
    }

    /// The last line is the counts alone, for people and programs.
    var text: String {
        let counts = "\(passed) passed, \(failed) failed"
        if unreadable == 0 { return counts }
        return "\(unreadable) \(unreadable == 1 ? "file" : "files") with mistakes\n" + counts
    }
}
