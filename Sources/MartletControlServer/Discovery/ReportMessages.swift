internal import GRPCCore
internal import GRPCProtobuf
internal import MartletCore
internal import MartletXDS
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias ReportMessage = Martlet_Control_V1_ProxyReport
typealias ReportOrderMessage = Martlet_Control_V1_ReportOrder

/// Reads a report, and takes none that is larger than a proxy's can be.
struct ReportDeserializer: MessageDeserializer {
    /// Of a thousand policies with long names and versions.
    static let limit = 2 << 20

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> ReportMessage {
        // The pointer is only asked for its length, and not kept.
        let count = unsafe bytes.withUnsafeBytes { $0.count }
        guard count <= Self.limit else {
            throw RPCError(code: .invalidArgument, message: "a report of \(count) bytes; it may have \(Self.limit)")
        }
        do {
            return try ProtobufDeserializer<ReportMessage>().deserialize(bytes)
        } catch {
            throw RPCError(code: .invalidArgument, message: "what was sent is no martlet.control.v1.ProxyReport")
        }
    }
}

/// What is wrong with a report.
struct ReportFault: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension ProxyReport {
    /// Checks everything by which a report could cost more than it should, or break what is worked out from it.
    init(_ message: ReportMessage) throws(ReportFault) {
        self.init(instance: message.instance)
        for type in message.types {
            // Types of a later version.
            guard let known = ResourceType(typeURL: type.typeURL) else { continue }
            guard type.waiting.count <= Self.namesLimit else {
                throw ReportFault("types: \(type.waiting.count) names that wait; there may be \(Self.namesLimit)")
            }
            for text in type.waiting + [type.version] { try Self.check(text, "types") }
            states[known] = State(
                version: type.version, waiting: type.waiting,
                waitingCount: max(Int(type.waitingCount), type.waiting.count))
        }
        responses = try Self.checked(message.traffic.responses, Self.classes, "responses")
        durations = try Self.checked(message.traffic.durations, DurationBuckets.count, "durations")
        guard message.traffic.policies.count <= Self.policyLimit else {
            throw ReportFault(
                "traffic.policies: \(message.traffic.policies.count) of them; there may be \(Self.policyLimit)")
        }
        var names: Set<String> = []
        policies.reserveCapacity(message.traffic.policies.count)
        for policy in message.traffic.policies {
            for text in [policy.name, policy.version] { try Self.check(text, "traffic.policies") }
            guard names.insert(policy.name).inserted else {
                throw ReportFault("traffic.policies: \"\(policy.name)\" stands twice")
            }
            var counts = PolicyTally()
            (counts.runs, counts.errors, counts.budgetBreaches) = (policy.runs, policy.errors, policy.budgetBreaches)
            counts.shadowDecisions = policy.shadowDecisions
            policies.append(Policy(name: policy.name, version: policy.version, counts: counts))
        }
    }

    /// None at all are as many zeros.
    private static func checked(_ counts: [UInt64], _ count: Int, _ field: String) throws(ReportFault) -> [UInt64] {
        guard counts.isEmpty || counts.count == count else {
            throw ReportFault("traffic.\(field): \(counts.count) numbers instead of \(count)")
        }
        return counts.isEmpty ? [UInt64](repeating: 0, count: count) : counts
    }

    private static func check(_ text: String, _ field: String) throws(ReportFault) {
        guard text.utf8.count <= textLimit else {
            throw ReportFault("\(field): a text of \(text.utf8.count) bytes; it may have \(textLimit)")
        }
    }
}

extension ReportOrderMessage {
    init(_ order: ReportOrder) {
        self.init()
        intervalMilliseconds = UInt32(clamping: Int64(order.interval / .milliseconds(1)))
    }
}
