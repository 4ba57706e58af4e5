internal import MartletConfig
internal import MartletCore
internal import Synchronization

/// A policy that has been compiled and test-loaded: shared by all workers, each of which takes a VM of its own.
package final class CompiledPolicy: Sendable {
    /// What makes a policy this one and not another version.
    struct Source: Hashable, Sendable {
        var name: String
        var text: [UInt8]
        /// Encoded mappings of names to texts: what the script finds in `data`, and what it can `require`.
        var data: [UInt8]
        var modules: [UInt8]
        var file: String
        var onError: PolicyConfig.OnError
        var mode: PolicyConfig.Mode
        var instructions, memory, breaches: Int
        var time: Duration

        init(
            name: String, text: [UInt8], data: [UInt8] = EncodedValue.mapping([]),
            modules: [UInt8] = EncodedValue.mapping([]), file: String, budget: PolicyBudget,
            onError: PolicyConfig.OnError,
            mode: PolicyConfig.Mode
        ) {
            self.name = name
            self.text = text
            self.data = data
            self.modules = modules
            self.file = file
            self.onError = onError
            self.mode = mode
            instructions = budget.instructions
            memory = budget.memory.bytes
            time = budget.time
            breaches = budget.breaches
        }
    }

    let source: Source
    let budget: PolicyBudget
    let status: PolicyStatus
    let stores: SharedStores
    /// Clusters that the script may call, replaced with every configuration.
    private let knownClusters: Locked<Set<String>>
    private let code: [UInt8]
    // Filled by the loader; each VM is taken once, by the worker that will use it.
    private let spare: Locked<[LuaVM]>
    /// The scratch VM, which checks parameters for every load and serves no request.
    private let scratch: Locked<LuaVM>
    let hasRequestHook: Bool
    let hasResponseHook: Bool
    let hasLogHook: Bool

    var name: String { source.name }
    var onError: PolicyConfig.OnError { source.onError }
    var isShadow: Bool { source.mode == .shadow }
    var clusters: Set<String> {
        get { knownClusters.withLock { $0 } }
        set { knownClusters.withLock { $0 = newValue } }
    }

    /// Compiles the text and runs its main chunk in a scratch VM of the same sandbox and budget; then in one for each worker,
    /// made here so that no worker has to.
    init(_ source: Source, budget: PolicyBudget, stores: SharedStores, clusters: Set<String>, workers: Int)
        throws(PolicyError)
    {
        self.source = source
        self.budget = budget
        self.stores = stores
        knownClusters = Locked(clusters)
        guard let first = LuaVM(budget: budget) else { throw PolicyError(message: "not enough memory for a VM") }
        code = try first.compile(source.text, name: source.file)
        try first.setFiles(data: source.data, modules: source.modules)
        try first.load(code, name: source.file)
        hasRequestHook = first.has(.request)
        hasResponseHook = first.has(.response)
        hasLogHook = first.has(.log)
        scratch = Locked(first)
        var spare: [LuaVM] = []
        for _ in 0..<max(workers, 1) {
            guard let vm = LuaVM(budget: budget) else { throw PolicyError(message: "not enough memory for a VM") }
            try vm.setFiles(data: source.data, modules: source.modules)
            try vm.load(code, name: source.file)
            spare.append(vm)
        }
        self.spare = Locked(spare)
        status = PolicyStatus(name: source.name, version: Self.fingerprint(source.text + source.data + source.modules))
    }

    /// A VM with the policy loaded. Nil when the spares are used up and memory is short.
    func takeVM() -> LuaVM? {
        if let vm = spare.withLock({ $0.popLast() }) { return vm }
        guard let vm = LuaVM(budget: budget) else { return nil }
        do {
            try vm.setFiles(data: source.data, modules: source.modules)
            try vm.load(code, name: source.file)
            return vm
        } catch {
            return nil
        }
    }

    /// What the script says of parameters with its `schema`; nil when they fit.
    func mistake(in parameters: [UInt8]) -> String? {
        scratch.withLock { vm -> String? in
            let number = vm.add(parameters)
            guard number >= 0 else { return "parameters do not fit the policy's memory budget" }
            defer { vm.removeParameters(number) }
            return vm.mistake(in: number)
        }
    }

    func failed(_ error: PolicyError, at now: Instant) {
        status.failed(error, maxBreaches: budget.breaches, at: now)
    }

    /// FNV-1a of the text: enough to tell versions apart for people.
    private static func fingerprint(_ source: [UInt8]) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in source { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return String(hash, radix: 16)
    }
}
