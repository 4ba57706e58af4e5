import CLua
import Testing

/// A policy VM under the test's own host: no headers, no exchange, and the lines a script logs are kept.
@safe
final class ScriptVM {
    struct Limits {
        var instructions: UInt64 = 100_000_000
        var memory = 32 << 20
        var nanoseconds: UInt64 = 20_000_000_000
        /// Counted from 1, from the making of the VM; 0 is never. All after it fail too.
        var failingAllocation: UInt64 = 0
    }

    struct Outcome {
        let status: Int
        let error: Int
        let message: String
        let instructions: UInt64

        var isDone: Bool { status == MRT_STATUS_DONE }
    }

    private final class Lines {
        var all: [String] = []
    }

    private let vm: OpaquePointer
    private let lines = Lines()
    private var isClosed = false
    /// The table of `handle:context()`.
    private var kept: Int32 = 0

    /// Nil when memory is short.
    init?(_ limits: Limits = Limits()) {
        var options = unsafe mrt_options(
            host: Self.host, owner: Unmanaged.passUnretained(lines).toOpaque(), max_instructions: limits.instructions,
            max_memory: limits.memory, max_time: limits.nanoseconds, fail_allocation: limits.failingAllocation,
            keeps_failing: true)
        guard let vm = unsafe mrt_vm_new(&options) else { return nil }
        unsafe self.vm = vm
    }

    deinit { close() }

    /// How many bytes were still accounted for, which must be none.
    @discardableResult
    func close() -> Int {
        guard !isClosed else { return 0 }
        isClosed = true
        return unsafe mrt_vm_close(vm)
    }

    /// Compiles and runs the main chunk; the message when that fails.
    func load(_ script: String) -> String? {
        var code = unsafe mrt_bytes_owned(data: nil, size: 0)
        let source = Array(script.utf8)
        let compiled = unsafe source.withUnsafeBufferPointer {
            unsafe mrt_vm_compile(vm, mrt_bytes_borrowed(data: $0.baseAddress, size: $0.count), "@test.lua", &code)
        }
        guard compiled == Int32(MRT_ERROR_NONE) else { return unsafe Self.text(mrt_vm_message(vm)) }
        defer { unsafe mrt_bytes_free(code) }
        let borrowed = unsafe mrt_bytes_borrowed(data: UnsafePointer(code.data), size: code.size)
        let loaded = unsafe mrt_vm_load(vm, borrowed, "@test.lua")
        return loaded == Int32(MRT_ERROR_NONE) ? nil : unsafe Self.text(mrt_vm_message(vm))
    }

    /// Runs `on_request`.
    func run() -> Outcome {
        var result = unsafe mrt_result()
        unsafe mrt_run_start(vm, Int32(MRT_HOOK_REQUEST), -1, nil, &kept, &result)
        return Outcome(
            status: Int(unsafe result.status), error: Int(unsafe result.error),
            message: unsafe Self.text(result.message),
            instructions: unsafe result.instructions)
    }

    /// The n-th allocation from now fails; 0 is none.
    func failAllocation(_ number: UInt64, andAllAfter: Bool) { unsafe mrt_vm_fail_allocation(vm, number, andAllAfter) }

    func takeLines() -> [String] {
        defer { lines.all = [] }
        return lines.all
    }

    private static func text(_ bytes: mrt_bytes_borrowed) -> String {
        unsafe String(decoding: UnsafeBufferPointer(start: bytes.data, count: bytes.size), as: UTF8.self)
    }

    // Made once and never freed: it outlives every VM.
    private nonisolated(unsafe) static let host: UnsafePointer<mrt_host> = {
        let table = UnsafeMutablePointer<mrt_host>.allocate(capacity: 1)
        // Scripts of these tests call no others.
        var host = mrt_host()
        unsafe host.log = { owner, _, _, line in
            guard let owner = unsafe owner else { return }
            // The VM's own lines, which live as long as it does.
            unsafe Unmanaged<Lines>.fromOpaque(owner).takeUnretainedValue().all.append(
                String(decoding: UnsafeBufferPointer(start: line.data, count: line.size), as: UTF8.self))
        }
        unsafe table.initialize(to: host)
        return unsafe UnsafePointer(table)
    }()
}

/// An expression and what it must give. Several values are joined by ` | `; an error is `!` and a part of its message.
struct Case: CustomTestStringConvertible {
    let expression: String
    let expected: String

    init(_ expression: String, _ expected: String) {
        self.expression = expression
        self.expected = expected
    }

    var testDescription: String { expression }
}

/// Checks a table of cases in one VM, within the default budget of a policy for each.
func check(_ cases: [Case], before: String = "", sourceLocation: SourceLocation = #_sourceLocation) throws {
    let vm = try #require(ScriptVM())
    let expressions = cases.map { "  show(function() return \($0.expression) end)\n" }.joined()
    let failure = vm.load(
        """
        local handle
        local function show(f)
          local values = table.pack(pcall(f))
          if not values[1] then handle:logInfo("!" .. tostring(values[2])) return end
          for i = 1, values.n do values[i] = tostring(values[i]) end
          handle:logInfo(table.concat(values, " | ", 2, values.n))
        end
        \(before)
        function on_request(h)
          handle = h
        \(expressions)end
        """)
    #expect(failure == nil, sourceLocation: sourceLocation)
    let outcome = vm.run()
    #expect(outcome.isDone, "\(outcome.message)", sourceLocation: sourceLocation)
    let lines = vm.takeLines()
    #expect(lines.count == cases.count, sourceLocation: sourceLocation)
    for (line, item) in zip(lines, cases) {
        if item.expected.hasPrefix("!") {
            #expect(
                line.hasPrefix("!") && line.contains(item.expected.dropFirst()), "\(item.expression) gave \(line)",
                sourceLocation: sourceLocation)
        } else {
            #expect(line == item.expected, "\(item.expression)", sourceLocation: sourceLocation)
        }
    }
    #expect(vm.close() == 0, "bytes left", sourceLocation: sourceLocation)
}
