internal import Foundation

/// A change that some proxies of a namespace get first: it is watched there, and then promoted to all or taken back. Kept in
/// the store beside the documents, one a namespace, so that every replica of the control plane tells proxies the same.
package struct Rollout: Sendable, Codable, Equatable {
    package enum State: String, Sendable, Codable {
        case running
        /// All have it: the change is in the namespace's documents.
        case promoted
        /// What was seen of it was bad.
        case rolledBack = "rolled_back"
        /// Somebody has ended it.
        case aborted
    }

    package struct Change: Sendable, Codable, Equatable {
        package var kind: String
        package var name: String
        /// As a document is kept; gone when the rollout is over.
        package var body: String?

        package init(kind: String, name: String, body: String?) {
            (self.kind, self.name, self.body) = (kind, name, body)
        }
    }

    package var namespace: String
    package var author: String
    package var message: String
    /// Milliseconds since 1970; also what tells this one from the next.
    package var startedAt: Int64
    package var endedAt: Int64?
    package var changes: [Change]
    package var plan: RolloutPlan
    /// The present stage, or the last one that there was; from 0.
    package var stage = 0
    /// Proxies of the present stage, chosen when it began, where its share is a number. Sorted.
    package var members: [String] = []
    /// Milliseconds since 1970. Nil: a rollout of an earlier version.
    package var stageStartedAt: Int64?
    /// What its proxies did in the minute before they were to get the change, together: no replica that watches later can know it.
    package var before: ReportedTraffic?
    package var state = State.running
    /// Why it ended as it did.
    package var reason = ""
    /// The transaction that wrote it last, and so began the stage.
    package var revision: Revision = 0

    private enum CodingKeys: String, CodingKey {
        case namespace, author, message, startedAt, endedAt, changes, plan, stage, members, stageStartedAt, before
        case state, reason
    }

    package init(
        namespace: String, author: String, message: String, startedAt: Int64, changes: [Change], plan: RolloutPlan
    ) {
        (self.namespace, self.author, self.message) = (namespace, author, message)
        (self.startedAt, self.changes, self.plan) = (startedAt, changes, plan)
    }

    package var isRunning: Bool { state == .running }

    package var presentStage: RolloutStage { plan.stages[stage] }

    var isLastStage: Bool { stage == plan.stages.count - 1 }

    /// Characters: proxies have a say in it.
    static let reasonLimit = 1000

    // MARK: In the store

    static let kind = "rollout"

    static func key(_ namespace: String) throws(StoreError) -> DocumentKey {
        try DocumentKey(namespace, kind, "rollout")
    }

    var body: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts, numbers and lists of them: all can be encoded.
        return (try? encoder.encode(self)).map { Array($0) } ?? []
    }

    /// Nil if somebody else has written what is not one.
    init?(_ document: Document) {
        guard var read = try? JSONDecoder().decode(Rollout.self, from: Data(document.body)),
            read.namespace == document.key.namespace, read.plan.mistake == nil,
            read.plan.stages.indices.contains(read.stage)
        else { return nil }
        read.revision = document.revision
        self = read
    }

    /// What it ends with: that it was there, and why it ended, is kept; what it would have changed is in the documents or nowhere.
    func ended(_ state: State, reason: String, at time: Int64) -> Rollout {
        var ended = self
        (ended.state, ended.reason, ended.endedAt) = (state, String(reason.prefix(Self.reasonLimit)), time)
        for index in ended.changes.indices { ended.changes[index].body = nil }
        ended.before = nil
        return ended
    }
}
