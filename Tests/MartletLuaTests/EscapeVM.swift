import CLua

/// A VM driven through the functions of CLua, with a host that answers something to everything. Scripts that try to get
/// out of their budget run in it.
@safe
final class EscapeVM {
    enum Class: Int32 {
        case none = 0
        case script, instructions, memory, time
    }

    /// How a run ended.
    struct End {
        let error: Class
        let message: String
        let instructions: UInt64

        var isBreach: Bool { error != .none && error != .script }
    }

    private let vm: OpaquePointer
    /// The number a host keeps for `handle:context()`.
    private var kept: Int32 = 0

    /// `failing`: which allocation fails while the VM is made.
    init?(
        instructions: UInt64 = 3_000_000, memory: Int = 8 << 20, milliseconds: UInt64 = 1000, failing: UInt64 = 0,
        keepsFailing: Bool = false
    ) {
        var options = unsafe mrt_options()
        unsafe options.host = EscapeHost.table
        unsafe options.max_instructions = instructions
        unsafe options.max_memory = memory
        unsafe options.max_time = milliseconds * 1_000_000
        unsafe options.fail_allocation = failing
        unsafe options.keeps_failing = keepsFailing
        guard let vm = unsafe mrt_vm_new(&options) else { return nil }
        unsafe self.vm = vm
    }

    deinit {
        let left = unsafe mrt_vm_close(vm)
        precondition(left == 0, "\(left) bytes are still accounted for")
    }

    var memory: Int { unsafe mrt_vm_memory(vm) }

    /// More than once: a collection halves the table of strings at most.
    func collect() { for _ in 0..<12 { unsafe mrt_vm_collect(vm) } }

    func failAllocation(_ countdown: UInt64, keeps: Bool) { unsafe mrt_vm_fail_allocation(vm, countdown, keeps) }

    /// Compiles and runs the main chunk.
    func load(_ source: String) -> End {
        let text = Array(source.utf8)
        var code = unsafe mrt_bytes_owned()
        var error = unsafe text.withUnsafeBufferPointer {
            unsafe mrt_vm_compile(vm, mrt_bytes_borrowed(data: $0.baseAddress, size: $0.count), "@escape.lua", &code)
        }
        if error == Int32(MRT_ERROR_NONE) {
            error = unsafe mrt_vm_load(vm, mrt_bytes_borrowed(data: code.data, size: code.size), "@escape.lua")
            unsafe mrt_bytes_free(code)
        }
        return unsafe End(
            error: Class(rawValue: error) ?? .script, message: Self.text(mrt_vm_message(vm)), instructions: 0)
    }

    /// Whether the VM has the hook. One that was loaded while memory failed may have none.
    func has(_ hook: Int) -> Bool { unsafe mrt_vm_has_hook(vm, Int32(hook)) }

    func request() -> End { run(MRT_HOOK_REQUEST) }
    func response() -> End { run(MRT_HOOK_RESPONSE) }

    /// Runs a hook; what it waits for comes at once, a few times.
    private func run(_ hook: Int) -> End {
        var result = unsafe mrt_result()
        let data = unsafe EscapeHost.values.withUnsafeBufferPointer {
            unsafe mrt_vm_add_data(vm, mrt_bytes_borrowed(data: $0.baseAddress, size: $0.count))
        }
        unsafe mrt_run_start(vm, Int32(hook), data, nil, &kept, &result)
        for _ in 0..<100 where unsafe result.status == MRT_STATUS_WAITING {
            unsafe mrt_run_resume(vm, result.run, &result)
        }
        if unsafe result.status == MRT_STATUS_WAITING { unsafe mrt_run_drop(vm, result.run) }
        let end = unsafe End(
            error: Class(rawValue: result.error) ?? .script, message: Self.text(result.message),
            instructions: result.instructions)
        unsafe mrt_vm_forget(vm, kept)
        kept = 0
        unsafe mrt_vm_remove_data(vm, data)
        return end
    }

    /// Checks a request's parameters against the script's `schema`.
    func checkParameters() -> Bool {
        let data = unsafe EscapeHost.values.withUnsafeBufferPointer {
            unsafe mrt_vm_add_data(vm, mrt_bytes_borrowed(data: $0.baseAddress, size: $0.count))
        }
        defer { unsafe mrt_vm_remove_data(vm, data) }
        return unsafe mrt_vm_check_data(vm, data)
    }

    private static func text(_ bytes: mrt_bytes_borrowed) -> String {
        unsafe String(decoding: UnsafeBufferPointer(start: bytes.data, count: bytes.size), as: UTF8.self)
    }
}

/// A host with two header fields, a body, an answer to every call and a value in every store.
enum EscapeHost {
    /// `{a = "b"}`, encoded.
    static let values: [UInt8] = [7, 1, 0, 0, 0, 1, 0, 0, 0, 97, 5, 1, 0, 0, 0, 98]

    // Made once, never changed, never freed.
    fileprivate nonisolated(unsafe) static let lent: UnsafeMutableBufferPointer<UInt8> = {
        let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: values.count)
        _ = unsafe bytes.initialize(from: values)
        return unsafe bytes
    }()

    fileprivate static func lend(_ to: UnsafeMutablePointer<mrt_bytes_borrowed>?, first: Int = 0, size: Int) {
        unsafe to?.pointee = mrt_bytes_borrowed(
            data: lent.baseAddress.map { unsafe UnsafePointer($0 + first) }, size: size)
    }

    static var table: UnsafePointer<mrt_host> { unsafe UnsafePointer(storage) }

    // Written once, before the first VM exists, and only read after.
    private nonisolated(unsafe) static let storage: UnsafeMutablePointer<mrt_host> = {
        let table = UnsafeMutablePointer<mrt_host>.allocate(capacity: 1)
        unsafe table.initialize(to: mrt_host())
        unsafe fill(&table.pointee)
        return unsafe table
    }()

    private static func fill(_ host: inout mrt_host) {
        unsafe host.header_find = { _, _, _, start, value, next in
            unsafe EscapeHost.lend(value, first: 14, size: 2)
            unsafe next?.pointee = start < 1 ? start + 1 : -1
            return start
        }
        unsafe host.header_at = { _, _, index, name, value in
            unsafe EscapeHost.lend(name, first: 9, size: 1)
            unsafe EscapeHost.lend(value, first: 15, size: 1)
            return index < 2
        }
        unsafe host.header_edit = { _, _, _, _, _ in Int32(MRT_CODE_OK) }
        unsafe host.reply_begin = { _, _ in Int32(MRT_CODE_OK) }
        unsafe host.reply_header = { _, _, _ in Int32(MRT_CODE_OK) }
        unsafe host.reply_body = { _, _ in Int32(MRT_CODE_OK) }
        unsafe host.body_begin = { _ in Int32(MRT_CODE_PENDING) }
        unsafe host.chunk_begin = { _ in Int32(MRT_CODE_PENDING) }
        unsafe host.trailers_begin = { _ in Int32(MRT_CODE_PENDING) }
        unsafe host.sleep_begin = { _, _ in Int32(MRT_CODE_PENDING) }
        unsafe host.calls_begin = { _ in Int32(MRT_CODE_PENDING) }
        unsafe host.outcome = { _ in Int32(MRT_CODE_OK) }
        unsafe host.part = { _, _, bytes in
            unsafe EscapeHost.lend(bytes, size: 16)
            return true
        }
        unsafe host.set_part = { _, _, _ in Int32(MRT_CODE_OK) }
        unsafe host.call_open = { _, _, _ in Int32(MRT_CODE_OK) }
        unsafe host.call_header = { _, _, _ in Int32(MRT_CODE_OK) }
        unsafe host.call_send = { _, _, _, _ in 1 }
        unsafe host.stream_write = { _, _, _ in Int32(MRT_CODE_PENDING) }
        unsafe host.stream_head = { _, _ in Int32(MRT_CODE_PENDING) }
        unsafe host.stream_piece = { _, _ in Int32(MRT_CODE_OK) }
        unsafe host.call_field = { _, _, index, name, value in
            unsafe EscapeHost.lend(name, first: 9, size: 1)
            unsafe EscapeHost.lend(value, first: 15, size: 1)
            return index < 3
        }
        unsafe host.text = { _, _, bytes in
            unsafe EscapeHost.lend(bytes, first: 9, size: 1)
            return true
        }
        unsafe host.ssl = { _, _, bytes in
            unsafe EscapeHost.lend(bytes, size: 16)
            return true
        }
        unsafe host.metadata_get = { _, _, _, bytes in
            unsafe EscapeHost.lend(bytes, size: 16)
            return true
        }
        unsafe host.metadata_set = { _, _, _, _, _ in Int32(MRT_CODE_OK) }
        unsafe host.override_host = { _, _, _ in Int32(MRT_CODE_OK) }
        unsafe host.clear_route = { _ in Int32(MRT_CODE_OK) }
        unsafe host.drain_connection = { _ in Int32(MRT_CODE_OK) }
        unsafe host.shared = { _, operation in
            guard let operation = unsafe operation else { return Int32(MRT_CODE_STORE_FULL) }
            unsafe EscapeHost.lend(&operation.pointee.result, size: 16)
            unsafe operation.pointee.done = true
            return Int32(MRT_CODE_OK)
        }
        unsafe host.stat = { _, _, _, _, _ in Int32(MRT_CODE_OK) }
        unsafe host.log = { _, _, _, _ in }
    }
}
