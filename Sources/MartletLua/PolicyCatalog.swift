internal import MartletConfig
internal import MartletCore
internal import Synchronization

/// The policies of this process, for `GET /policies`. Holds them weakly: a version is listed for as long as a worker has
/// it in a chain.
public final class PolicyCatalog: Sendable {
    private struct Entry: Sendable {
        weak var policy: CompiledPolicy?
    }
    private let entries = Locked<[Entry]>([])
    /// Outlive every version of every policy.
    public let stores = SharedStores()

    public init() {}

    /// The version with this very source that is alive, if there is one: it goes on with its VMs and its counts.
    func policy(with source: CompiledPolicy.Source) -> CompiledPolicy? {
        entries.withLock { $0.lazy.compactMap(\.policy).first { $0.source == source } }
    }

    func add(_ policy: CompiledPolicy) {
        entries.withLock { entries in
            entries.removeAll { $0.policy == nil }
            entries.append(Entry(policy: policy))
        }
    }

    /// Errors of every policy since it was loaded, and the last one's message.
    var failures: (count: UInt64, last: String?) {
        let all = entries.withLock { $0.compactMap { $0.policy?.status.numbers } }
        return (all.reduce(0) { $0 + $1.errors }, all.lazy.compactMap(\.lastError).first)
    }

    /// A JSON object with one entry for each live version.
    public var json: String {
        let live = entries.withLock { $0.compactMap(\.policy) }
        let items = live.map { policy -> String in
            let numbers = policy.status.numbers
            return """
                {"name":\(Self.quoted(policy.name)),"version":\(Self.quoted(policy.status.version)),\
                "mode":"\(policy.source.mode.rawValue)","quarantined":\(policy.status.isQuarantined),\
                "shadow_decisions":\(numbers.shadowed),\
                "on_error":"\(policy.onError.rawValue)","runs":\(numbers.runs),"errors":\(numbers.errors),\
                "budget_breaches":\(numbers.breaches),"instructions":{"budget":\(policy.budget.instructions),\
                "p50":\(numbers.p50),"p99":\(numbers.p99),"max":\(numbers.most)},\
                "memory":{"budget":\(policy.budget.memory.bytes),"largest_vm":\(numbers.largest),"all_vms":\(numbers.memory)},\
                "last_error":\(numbers.lastError.map(Self.quoted) ?? "null")}
                """
        }
        return "{\"policies\":[" + items.joined(separator: ",") + "]}"
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20: out += " "
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
