package import MartletConfig
package import MartletFilter

/// What one `tests.yaml` came to, as text.
package struct PolicyTestReport: Sendable {
    /// One test's line, with what was wrong below it.
    package struct Entry: Sendable, Equatable {
        package let name: String
        /// Where the file has it.
        package let mark: ConfigMark
        package let text: String
        package let passed: Bool
    }

    package let path: String
    package private(set) var entries: [Entry] = []
    /// Why the file could not be read.
    package private(set) var errors: [ConfigError] = []
    /// A line a source file, if asked for.
    package private(set) var coverage: [String] = []

    package var passed: Int { entries.count { $0.passed } }
    package var failed: Int { entries.count - passed }

    /// Reads a file and runs its tests.
    /// - Parameters:
    ///   - supplied: every file that may be read, by path; nil: those of this machine.
    ///   - filter: only tests whose name has this text.
    ///   - router: the kind that ends each chain; without one, a stand-in.
    package init(
        path: String, supplied: [String: [UInt8]]? = nil, filter: String? = nil, coverage wanted: Bool = false,
        router: (any FilterKind)? = nil
    ) {
        self.path = path
        let diagnostics = ConfigDiagnostics()
        guard let file = PolicyTestFile.read(path, supplied: supplied, diagnostics: diagnostics) else {
            errors = diagnostics.errors
            return
        }
        let runner = PolicyTestRunner(router: router)
        let tests = file.tests.enumerated().filter { filter.map($0.element.name.contains) ?? true }
        func run() -> [Entry] {
            tests.map { Self.entry($0.offset + 1, runner.run($0.element, of: file)) }
        }
        if wanted {
            let (entries, coverage) = PolicyCoverage.collect(run)
            self.entries = entries
            self.coverage = coverage.files.map(\.text)
        } else {
            entries = run()
        }
    }

    private static func entry(_ number: Int, _ result: PolicyTestResult) -> Entry {
        guard !result.passed else {
            return Entry(name: result.name, mark: result.mark, text: "ok \(number) \(result.name)", passed: true)
        }
        var lines = ["\(result.mark.file):\(result.mark.line):\(result.mark.column)"]
        for failure in result.failures { lines += failure.lines }
        lines += result.seen
        let body = lines.map { line in line.allSatisfy { $0 == " " } ? "" : "    " + printable(line) }
        return Entry(
            name: result.name, mark: result.mark,
            text: (["not ok \(number) \(result.name)"] + body).joined(separator: "\n"),
            passed: false)
    }

    /// What a policy sends may be any bytes, and a terminal obeys some of them.
    private static func printable(_ line: String) -> String {
        var out = ""
        for scalar in line.unicodeScalars {
            switch scalar.value {
            case 0x09: out += "\t"
            case 0..<0x20, 0x7F...0x9F, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069:
                out += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    /// Everything, under the file's name.
    package var text: String {
        ([path] + errors.map(\.description) + entries.map(\.text) + coverage).joined(separator: "\n")
    }

    /// What is not as it was in `earlier`; nil when nothing is.
    package func changes(since earlier: PolicyTestReport) -> String? {
        let changed = entries.filter { entry in !earlier.entries.contains(entry) }.map(\.text)
        let gone = earlier.entries.filter { entry in !entries.contains { $0.name == entry.name } }
            .map { "gone: \($0.name)" }
        let lines =
            (errors == earlier.errors ? [] : errors.map(\.description)) + changed + (errors.isEmpty ? gone : [])
            + (coverage == earlier.coverage ? [] : coverage)
        let recovered = errors.isEmpty && !earlier.errors.isEmpty && lines.isEmpty ? ["can be read again"] : []
        let all = lines + recovered
        return all.isEmpty ? nil : ([path] + all).joined(separator: "\n")
    }
}
