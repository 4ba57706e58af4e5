internal import ArgumentParser
internal import MartletCore
internal import MartletLua
internal import MartletNet

#if canImport(Glibc)
internal import Glibc
#endif

/// `martlet test --watch`: runs everything once, and again after each change, until Ctrl-C.
final class TestWatch: TimerTarget {
    private let arguments: [String]
    private let runFile: (String) -> PolicyTestReport
    private var reports: [String: PolicyTestReport] = [:]
    private var errors: [String] = []
    private let loop: EventLoop
    private var watcher: DirectoryWatcher?
    private var signals: LevelSource?
    private var settle: TimerID?

    init(_ arguments: [String], run: @escaping (String) -> PolicyTestReport) throws {
        self.arguments = arguments
        runFile = run
        loop = try EventLoop()
    }

    func run() throws {
        // The loop's sources are closed with the process.
        let loop = self.loop
        signals = try SignalBlock().attach(to: loop) { _ in loop.stop() }
        watcher = try DirectoryWatcher(loop: loop) { [unowned self] in self.filesChanged() }
        look()
        loop.run()
    }

    /// An editor changes several files in a row: wait until it is quiet for a moment.
    private func filesChanged() {
        if let settle { loop.cancel(settle) }
        settle = loop.arm(at: loop.now + .milliseconds(50), self, tag: 0)
    }

    func timerFired(_ tag: UInt8) {
        settle = nil
        look()
    }

    private func look() {
        let found = PolicyTestFolders(arguments)
        // Watching before reading: a change in between is seen again, not missed.
        for folder in found.folders { try? watcher?.watch(folder) }
        var next: [String: PolicyTestReport] = [:]
        var changes = found.errors == errors ? [] : found.errors
        for path in found.files {
            let report = runFile(path)
            next[path] = report
            if let text = reports[path].map({ report.changes(since: $0) }) ?? report.text { changes.append(text) }
        }
        let isFirst = reports.isEmpty && errors.isEmpty
        changes += reports.keys.filter { next[$0] == nil }.sorted().map { "\($0): gone" }
        reports = next
        errors = found.errors
        guard isFirst || !changes.isEmpty else { return }
        for text in changes { print(text) }
        print(TestSummary(next.values).text)
        // Into a pipe lines would be kept until there are many.
        fflush(nil)
    }
}
