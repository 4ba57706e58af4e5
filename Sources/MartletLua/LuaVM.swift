// MartletLua runs operators' policies as filters: a VM for each policy and worker, within budgets. Every Lua call that can
// raise lives in CLua; nothing here is ever jumped over. Which policies exist is MartletConfig's, when they run the
// chain's.

internal import CLua
internal import MartletConfig
internal import MartletCore

/// One Lua state with one policy loaded.
///
/// Sendable in practice: it belongs to one thread at a time. The loader makes it and hands it over once, through
/// `CompiledPolicy`; from then on only its worker touches it.
@safe
final class LuaVM: @unchecked Sendable {
    enum Hook: Int32 {
        case request = 0
        case response = 1
        case log = 2
    }

    private let vm: OpaquePointer

    /// Nil when memory is short.
    init?(budget: PolicyBudget) {
        // The host table is a constant of the process: it outlives every VM.
        var options = unsafe mrt_options(
            host: LuaHost.table, owner: nil, max_instructions: UInt64(budget.instructions),
            max_memory: budget.memory.bytes, max_time: Nanoseconds(budget.time).rawValue, fail_allocation: 0,
            keeps_failing: false)
        guard let vm = unsafe mrt_vm_new(&options) else { return nil }
        unsafe self.vm = vm
    }

    deinit { _ = unsafe mrt_vm_close(vm) }

    /// The message of a failed compile or load: `file:line: what`.
    private var message: String {
        let bytes = unsafe mrt_vm_message(vm)
        return unsafe Self.text(bytes)
    }

    private static func text(_ bytes: mrt_bytes_borrowed) -> String {
        unsafe String(decoding: UnsafeBufferPointer(start: bytes.data, count: bytes.size), as: UTF8.self)
    }

    /// Bytecode of `source`.
    func compile(_ source: [UInt8], name: String) throws(PolicyError) -> [UInt8] {
        var code = unsafe mrt_bytes_owned(data: nil, size: 0)
        // Lua shows names that begin with `@` as a file's.
        let error = unsafe source.withUnsafeBufferPointer {
            unsafe mrt_vm_compile(vm, mrt_bytes_borrowed(data: $0.baseAddress, size: $0.count), "@" + name, &code)
        }
        guard error == Int32(MRT_ERROR_NONE) else { throw PolicyError(message: message) }
        let bytes = unsafe [UInt8](UnsafeBufferPointer(start: code.data, count: code.size))
        unsafe mrt_bytes_free(code)
        return bytes
    }

    /// Gives the script its files, before `load`: both are encoded mappings.
    func setFiles(data: [UInt8], modules: [UInt8]) throws(PolicyError) {
        let error = unsafe data.withUnsafeBufferPointer { data in
            unsafe modules.withUnsafeBufferPointer { modules in
                unsafe mrt_vm_set_files(
                    vm, mrt_bytes_borrowed(data: data.baseAddress, size: data.count),
                    mrt_bytes_borrowed(data: modules.baseAddress, size: modules.count))
            }
        }
        guard error == Int32(MRT_ERROR_NONE) else { throw PolicyError(message: message, kind: .memory) }
    }

    /// Runs the policy's main chunk, within the budget, and finds its hooks.
    func load(_ code: [UInt8], name: String) throws(PolicyError) {
        let error = unsafe code.withUnsafeBufferPointer {
            unsafe mrt_vm_load(vm, mrt_bytes_borrowed(data: $0.baseAddress, size: $0.count), "@" + name)
        }
        guard error == Int32(MRT_ERROR_NONE) else { throw PolicyError(message: message) }
    }

    func has(_ hook: Hook) -> Bool { unsafe mrt_vm_has_hook(vm, hook.rawValue) }

    /// Parameters for `handle:config()`; the number to run a hook with.
    func add(_ parameters: [UInt8]) -> Int32 {
        unsafe parameters.withUnsafeBufferPointer {
            unsafe mrt_vm_add_data(vm, mrt_bytes_borrowed(data: $0.baseAddress, size: $0.count))
        }
    }

    /// Whom `shared`, `stats` and logs of scripts are for. The owner holds this VM and so outlives every run.
    func setOwner(_ owner: PolicyVM) {
        unsafe mrt_vm_set_owner(vm, Unmanaged.passUnretained(owner).toOpaque())
    }

    /// Bytes it holds now.
    var memory: Int { unsafe mrt_vm_memory(vm) }

    func removeParameters(_ number: Int32) { unsafe mrt_vm_remove_data(vm, number) }

    /// What is wrong with parameters by the script's own `schema`; nil when they fit.
    /// Fills in what the schema gives defaults for.
    func mistake(in parameters: Int32) -> String? {
        unsafe mrt_vm_check_data(vm, parameters) ? nil : message
    }

    /// Periods in milliseconds of the timers that the script made.
    var timers: [Int64] {
        (0..<(unsafe mrt_vm_timers(vm))).map { unsafe mrt_vm_timer_period(vm, $0) }
    }

    /// Runs a hook until it ends or waits. Whoever calls keeps the state alive until the run has ended or is dropped.
    func run(_ hook: Hook, _ state: LuaExchange) -> LuaOutcome {
        var result = unsafe mrt_result()
        state.isRunning = true
        unsafe mrt_run_start(
            vm, hook.rawValue, state.parameters, Unmanaged.passUnretained(state).toOpaque(), &state.kept, &result)
        state.isRunning = false
        return unsafe outcome(result)
    }

    func runTimer(_ number: Int, _ state: LuaExchange) -> LuaOutcome {
        var result = unsafe mrt_result()
        state.isRunning = true
        unsafe mrt_run_timer(vm, Int32(number), Unmanaged.passUnretained(state).toOpaque(), &result)
        state.isRunning = false
        return unsafe outcome(result)
    }

    /// Goes on with a run that waited.
    func resume(_ run: SuspendedRun, _ state: LuaExchange) -> LuaOutcome {
        var result = unsafe mrt_result()
        state.isRunning = true
        unsafe mrt_run_resume(vm, run.pointer, &result)
        state.isRunning = false
        return unsafe outcome(result)
    }

    /// Nothing of the run runs again.
    func drop(_ run: SuspendedRun) { unsafe mrt_run_drop(vm, run.pointer) }

    /// Lets go of a `context()` table.
    func forget(_ kept: Int32) { unsafe mrt_vm_forget(vm, kept) }

    private func outcome(_ result: mrt_result) -> LuaOutcome {
        let instructions = unsafe result.instructions
        switch Int(unsafe result.status) {
        case MRT_STATUS_DONE: return LuaOutcome(instructions: instructions, end: .done)
        case MRT_STATUS_REPLIED: return LuaOutcome(instructions: instructions, end: .replied)
        case MRT_STATUS_WAITING:
            guard let run = unsafe result.run else { return LuaOutcome(instructions: instructions, end: .done) }
            return LuaOutcome(instructions: instructions, end: .waiting(unsafe SuspendedRun(pointer: run)))
        default:
            let traceback = unsafe Self.text(result.traceback)
            let message = unsafe Self.text(result.message) + (traceback.isEmpty ? "" : "\n" + traceback)
            return LuaOutcome(
                instructions: instructions,
                end: .failed(PolicyError(message: message, kind: PolicyError.Kind(unsafe result.error))))
        }
    }
}

/// A run of the VM that made it, which waits. Resumed or dropped once.
@safe
struct SuspendedRun {
    fileprivate let pointer: OpaquePointer
}

/// How a hook ended, or that it has not.
struct LuaOutcome {
    enum End {
        case done
        /// The state has the reply.
        case replied
        /// To be resumed when what it waits for is there, or dropped.
        case waiting(SuspendedRun)
        case failed(PolicyError)
    }
    let instructions: UInt64
    let end: End
}

/// Why a policy could not be compiled, loaded or run.
struct PolicyError: Error, Sendable {
    enum Kind: String, Sendable {
        case script, instructions, memory, time, quarantine

        init(_ code: Int32) {
            switch Int(code) {
            case MRT_ERROR_INSTRUCTIONS: self = .instructions
            case MRT_ERROR_MEMORY: self = .memory
            case MRT_ERROR_TIME: self = .time
            default: self = .script
            }
        }
    }

    let message: String
    var kind = Kind.script
    /// Went over a budget, rather than wrong.
    var isBreach: Bool { kind != .script && kind != .quarantine }
}
