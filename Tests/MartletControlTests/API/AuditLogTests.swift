import Foundation
import MartletControlServer
import MartletCore
import Synchronization
import Testing

@Suite("The audit log")
struct AuditLogTests {
    private static func refusal(_ who: String?) -> AuditEntry {
        AuditEntry(who: who, from: "10.0.0.1", action: "listDocuments", namespace: nil, result: .refused)
    }

    @Test("Strangers may be written down twenty at once, then one in three seconds; how many were not is told")
    func strangers() {
        let time = Atomic<Int64>(1_000_000)
        let audit = AuditLog(path: nil, now: { time.load(ordering: .relaxed) }, log: { _ in })
        for _ in 0..<50 { audit.write(Self.refusal(nil)) }
        #expect(audit.recent(limit: 1000).count == 20)
        for _ in 0..<50 { audit.write(Self.refusal("ci")) }
        #expect(audit.recent(limit: 1000).count == 70)
        time.add(3000, ordering: .relaxed)
        audit.write(Self.refusal(nil))
        audit.write(Self.refusal(nil))
        let newest = audit.recent(limit: 1).first
        #expect(audit.recent(limit: 1000).count == 71 && newest?.suppressed == 30)
    }

    @Test("In memory are the newest")
    func memory() {
        let audit = AuditLog(path: nil, now: { 0 }, log: { _ in })
        for number in 0..<1200 { audit.write(Self.refusal("\(number)")) }
        #expect(audit.recent(limit: 5000).count == AuditLog.kept)
        #expect(audit.recent(limit: 2).map(\.who) == ["1199", "1198"])
    }

    @Test("A file that cannot be written is told of")
    func unwritable() {
        let told = Locked("")
        let audit = AuditLog(path: "/nowhere/audit.jsonl", now: { 0 }, log: { text in told.withLock { $0 = text } })
        #expect(!audit.write(Self.refusal("ci")))
        #expect(told.withLock { $0 }.contains("cannot be written"))
    }
}
