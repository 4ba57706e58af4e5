internal import MartletConfig

/// One thing that was not as the test says.
package struct PolicyTestFailure: Sendable {
    package let what: String
    /// Where the test says so; nil: the test as a whole.
    let mark: ConfigMark?
    let expected: [String]
    let got: [String]

    init(_ what: String, at mark: ConfigMark? = nil, expected: [String] = [], got: [String] = []) {
        self.what = what
        self.mark = mark
        self.expected = expected
        self.got = got
    }

    /// `what`, then `-` lines that were expected and `+` lines that came, with what is the same in both around them.
    var lines: [String] {
        var start = 0
        while start < min(expected.count, got.count), expected[start] == got[start] { start += 1 }
        var end = 0
        while end < min(expected.count, got.count) - start,
            expected[expected.count - 1 - end] == got[got.count - 1 - end]
        { end += 1 }
        let before = expected[max(0, start - Self.context)..<start].map { "  " + $0 }
        let minus = expected[start..<expected.count - end].map { "- " + $0 }
        let plus = got[start..<got.count - end].map { "+ " + $0 }
        let after = expected.suffix(end).prefix(Self.context).map { "  " + $0 }
        let place = mark.map { "\($0.line):\($0.column): " } ?? ""
        return [place + what] + (before + minus + plus + after).map { "    " + $0 }
    }

    private static let context = 3
}

/// What became of one test.
package struct PolicyTestResult: Sendable {
    package let name: String
    let mark: ConfigMark
    package let failures: [PolicyTestFailure]
    /// What was seen of the request that failed, for people.
    let seen: [String]

    package var passed: Bool { failures.isEmpty }
}
