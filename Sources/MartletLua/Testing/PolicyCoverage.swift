internal import CLua

/// Which lines of policies ran while a closure did.
package struct PolicyCoverage: Sendable {
    /// One source file, by the name it goes by in error messages.
    package struct File: Sendable {
        package let name: String
        /// Lines that hold code, and those of them that never ran.
        package let lines: Int
        package let missed: [Int]

        /// `policy.lua: 92% (lines 14, 20-22 not run)`
        package var text: String {
            guard lines > 0 else { return "\(name): no code" }
            let percent = (lines - missed.count) * 100 / lines
            guard !missed.isEmpty else { return "\(name): \(percent)%" }
            let word = missed.count == 1 ? "line" : "lines"
            return "\(name): \(percent)% (\(word) \(ranges) not run)"
        }

        private var ranges: String {
            var ranges: [ClosedRange<Int>] = []
            for line in missed {
                if let last = ranges.last, last.upperBound + 1 == line {
                    ranges[ranges.count - 1] = last.lowerBound...line
                } else {
                    ranges.append(line...line)
                }
            }
            return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
                .joined(separator: ", ")
        }
    }

    package let files: [File]

    /// Nothing but what `body` loads on this thread takes part. No files when another collection is under way.
    package static func collect<Result>(_ body: () -> Result) -> (result: Result, coverage: PolicyCoverage) {
        guard let collector = unsafe mrt_coverage_start() else { return (body(), PolicyCoverage(files: [])) }
        // Ours until it is stopped, whoever else still holds it.
        defer { unsafe mrt_coverage_stop(collector) }
        let result = body()
        let count = unsafe mrt_coverage_file_count(collector)
        let files = (0..<count).map { number in
            let last = unsafe mrt_coverage_line_count(collector, number)
            var lines = 0
            var missed: [Int] = []
            for line in 1...max(1, last) {
                let state = Int(unsafe mrt_coverage_line(collector, number, line))
                if state != MRT_LINE_EMPTY { lines += 1 }
                if state == MRT_LINE_MISSED { missed.append(Int(line)) }
            }
            // The name begins with the `@` of files.
            let name = unsafe String(cString: mrt_coverage_name(collector, number)).dropFirst()
            return File(name: String(name), lines: lines, missed: missed)
        }
        return (result, PolicyCoverage(files: files))
    }
}
