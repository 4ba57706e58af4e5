internal import MartletConfig
internal import MartletCore
internal import Synchronization

/// A policy that has been compiled and test-loaded: shared by all workers, each of which takes a VM of its own.
package final class CompiledPolicy: Sendable {
    let name: String
    let onError: PolicyConfig.OnError
    let budget: PolicyBudget
    let status: PolicyStatus
    private let code: [UInt8]
    private let chunkName: String
    // Filled by the loader; each VM is taken once, by the worker that will use it.
    private let spare: Mutex<[LuaVM]>
    let hasRequestHook: Bool
    let hasResponseHook: Bool

    /// Compiles `source` and runs its main chunk in scratch VMs of the same sandbox and budget: one for each worker, made
    /// here so that no worker has to.
    init(
        name: String, source: [UInt8], file: String, budget: PolicyBudget, onError: PolicyConfig.OnError, workers: Int
    ) throws(PolicyError) {
        self.name = name
        self.onError = onError
        self.budget = budget
        chunkName = file
        guard let first = LuaVM(budget: budget) else { throw PolicyError(message: "not enough memory for a VM") }
        code = try first.compile(source, name: file)
        try first.load(code, name: file)
        hasRequestHook = first.has(.request)
        hasResponseHook = first.has(.response)
        var spare = [first]
        for _ in 1..<max(workers, 1) {
            guard let vm = LuaVM(budget: budget) else { throw PolicyError(message: "not enough memory for a VM") }
            try vm.load(code, name: file)
            spare.append(vm)
        }
        self.spare = Mutex(spare)
        status = PolicyStatus(name: name, version: Self.fingerprint(source))
    }

    /// A VM with the policy loaded. Nil when the spares are used up and memory is short.
    func takeVM() -> LuaVM? {
        if let vm = spare.withLock({ $0.popLast() }) { return vm }
        guard let vm = LuaVM(budget: budget) else { return nil }
        do {
            try vm.load(code, name: chunkName)
            return vm
        } catch {
            return nil
        }
    }

    /// FNV-1a of the text: enough to tell versions apart for people.
    private static func fingerprint(_ source: [UInt8]) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in source { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return String(hash, radix: 16)
    }
}
