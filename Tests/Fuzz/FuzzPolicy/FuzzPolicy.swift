internal import CLua

/// The input as a policy's script, and as what the libraries parse. Budgets are small: whatever it is ends by itself, and the VM
/// gives back all it took.
@c(LLVMFuzzerTestOneInput)
public func fuzzPolicy(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    guard size <= 16_384 else { return 0 }
    var options = unsafe mrt_options(
        host: host, owner: nil, max_instructions: 300_000, max_memory: 4 << 20, max_time: 2_000_000_000,
        fail_allocation: 0, keeps_failing: false)
    guard let vm = unsafe mrt_vm_new(&options) else { return 0 }
    // libFuzzer lends `size` readable bytes for the length of the call.
    let input = unsafe mrt_bytes_borrowed(data: data, size: size)
    unsafe run(libraries, input, vm)
    precondition(unsafe mrt_vm_close(vm) == 0, "memory is still accounted for")
    return 0
}

/// A script reaches the host by nothing that the libraries need; what it would call is not there.
private let libraries = """
    local names = { "json", "base64", "url", "time", "ip", "string", "utf8", "table", "math", "bit", "pcall", "error", "type",
      "tostring", "tonumber", "pairs", "ipairs", "next", "select", "setmetatable", "rawset", "rawget", "coroutine", "xpcall" }
    local environment = {}
    for _, name in ipairs(names) do environment[name] = _G[name] end
    function on_request()
      local text = data.input
      pcall(json.decode, text)
      local value = json.decode(text)
      if value ~= nil then assert(json.encode(value)) end
      local parts = url.parse(text)
      url.parse_query(text) url.unescape(text) url.query_pairs(text)
      base64.decode(text) base64.decode_url(text)
      time.parse_iso8601(text) time.parse_http_date(text)
      ip.parse(text) pcall(ip.matches, "10.0.0.1", text)
      pcall(string.find, "some text (to) search [in]", text)
      pcall(string.format, text, 1, "x", 2.5)
      pcall(string.gsub, text, "(%w+)", "%1%1")
      local ok, expression = pcall(regex.compile, text)
      if ok then pcall(expression.test, expression, "some text (to) search [in] aaaaaaaaaaaaaaaaaaaaaa") end
      local made = load(text, "fuzz", "t", environment)
      if made then pcall(made) end
    end
    """

private func run(_ script: String, _ input: mrt_bytes_borrowed, _ vm: OpaquePointer) {
    var encoded: [UInt8] = [7, 1, 0, 0, 0, 5, 0, 0, 0] + Array("input".utf8) + [5]
    for shift in [0, 8, 16, 24] { encoded.append(UInt8(truncatingIfNeeded: unsafe input.size >> shift)) }
    unsafe encoded += UnsafeBufferPointer(start: input.data, count: input.size)
    var code = unsafe mrt_bytes_owned(data: nil, size: 0)
    let source = Array(script.utf8)
    let nothing: [UInt8] = [0]
    unsafe encoded.withUnsafeBufferPointer { encoded in
        unsafe nothing.withUnsafeBufferPointer { nothing in
            let status = unsafe mrt_vm_set_files(
                vm, mrt_bytes_borrowed(data: encoded.baseAddress, size: encoded.count),
                mrt_bytes_borrowed(data: nothing.baseAddress, size: nothing.count))
            precondition(status == Int32(MRT_ERROR_NONE))
        }
    }
    let compiled = unsafe source.withUnsafeBufferPointer {
        unsafe mrt_vm_compile(vm, mrt_bytes_borrowed(data: $0.baseAddress, size: $0.count), "@fuzz.lua", &code)
    }
    precondition(compiled == Int32(MRT_ERROR_NONE))
    let loaded = unsafe mrt_vm_load(
        vm, mrt_bytes_borrowed(data: UnsafePointer(code.data), size: code.size), "@fuzz.lua")
    unsafe mrt_bytes_free(code)
    precondition(loaded == Int32(MRT_ERROR_NONE))
    var result = unsafe mrt_result()
    var kept: Int32 = 0
    unsafe mrt_run_start(vm, Int32(MRT_HOOK_REQUEST), -1, nil, &kept, &result)
}

// Made once and never freed: it outlives every VM. Nothing of it is called.
private nonisolated(unsafe) let host: UnsafePointer<mrt_host> = {
    let table = UnsafeMutablePointer<mrt_host>.allocate(capacity: 1)
    unsafe table.initialize(to: mrt_host())
    return unsafe UnsafePointer(table)
}()
