internal import Foundation
internal import MartletCore
internal import Synchronization

/// One line of the audit log. Never holds a token, or what documents say.
package struct AuditEntry: Codable, Sendable, Equatable {
    package enum Result: String, Codable, Sendable {
        /// About to be tried; only where nothing may be done that is not written down.
        case started
        case done
        case refused
    }

    package var time = ""
    /// The token's name; nil: nobody that is known.
    package var who: String?
    /// The address of the client.
    package var from: String
    /// `applyDocuments`, as the API's description calls it; nil: the path leads nowhere.
    package var action: String?
    package var namespace: String?
    /// `shop/clusters/api`: those that changed; before that, the one that the path names.
    package var documents: [String] = []
    package var result: Result
    /// Of the answer; nil: there is none yet.
    package var status: Int?
    package var reason: String?
    package var revision: Int64?
    /// How many refusals of nobody in particular were not written down before this one.
    package var suppressed: Int?

    package init(who: String?, from: String, action: String?, namespace: String?, result: Result) {
        (self.who, self.from, self.action, self.namespace, self.result) = (who, from, action, namespace, result)
    }
}

/// Who did what: appended to a file of JSON lines, and the newest in memory.
package final class AuditLog: Sendable {
    private struct State {
        var recent: [AuditEntry] = []
        var allowance = AuditLog.burst
        var refilled: Int64 = 0
        var suppressed = 0
    }

    /// What is kept in memory.
    package static let kept = 1000
    /// Refusals of callers that nobody knows: so many at once, then one every `interval` milliseconds. Who guesses tokens does not
    /// fill the disk.
    static let burst = 20
    static let interval: Int64 = 3000

    private let path: String?
    private let now: @Sendable () -> Int64
    private let log: @Sendable (String) -> Void
    private let state = Locked(State())

    /// Nothing may be changed that cannot be written down.
    package let isRequired: Bool

    /// - Parameter path: nil: in memory only.
    /// - Parameter now: milliseconds since 1970.
    package init(
        path: String?, isRequired: Bool = false, now: @escaping @Sendable () -> Int64,
        log: @escaping @Sendable (String) -> Void
    ) {
        (self.path, self.isRequired, self.now, self.log) = (path, isRequired, now, log)
    }

    /// Whether it is in the file.
    @discardableResult
    package func write(_ entry: AuditEntry) -> Bool {
        var entry = entry
        let time = now()
        entry.time = APICoding.time(time)
        // In order, and whole: the file is written under the lock.
        let reason: String? = state.withLock { state in
            if entry.who == nil, !Self.allows(&state, time) { return nil }
            if entry.who == nil, state.suppressed > 0 {
                entry.suppressed = state.suppressed
                state.suppressed = 0
            }
            state.recent.append(entry)
            if state.recent.count > Self.kept { state.recent.removeFirst(state.recent.count - Self.kept) }
            return append(entry)
        }
        if let reason { log("the audit log cannot be written: \(reason)") }
        return reason == nil
    }

    private static func allows(_ state: inout State, _ time: Int64) -> Bool {
        let earned = max(0, (time - state.refilled) / interval)
        if earned > 0 {
            state.allowance = min(burst, state.allowance + Int(clamping: min(earned, Int64(burst))))
            state.refilled = time
        }
        guard state.allowance > 0 else {
            state.suppressed += 1
            return false
        }
        state.allowance -= 1
        return true
    }

    /// Opened for each line: whoever moves the file away finds a new one.
    private func append(_ entry: AuditEntry) -> String? {
        guard let path else { return nil }
        do {
            var line = try APICoding.encoder.encode(entry)
            line.append(0x0A)
            if !FileManager.default.fileExists(atPath: path) {
                _ = FileManager.default.createFile(
                    atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
            }
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            defer { try? file.close() }
            try file.seekToEnd()
            try file.write(contentsOf: line)
            return nil
        } catch {
            return (error as NSError).localizedDescription
        }
    }

    /// Newest first.
    package func recent(limit: Int) -> [AuditEntry] {
        state.withLock { Array($0.recent.suffix(max(0, limit)).reversed()) }
    }
}
