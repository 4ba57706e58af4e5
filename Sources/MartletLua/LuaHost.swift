internal import CLua
internal import MartletCore
internal import MartletFilter

/// The functions that C calls for a script. Each answers a code and returns before anything is raised, so no Lua error
/// ever passes a Swift frame; none calls back into the VM.
enum LuaHost {
    /// Lives as long as the process.
    static var table: UnsafePointer<mrt_host> { unsafe UnsafePointer(storage) }

    // Written once, before the first VM exists, and only read after.
    private nonisolated(unsafe) static let storage: UnsafeMutablePointer<mrt_host> = {
        let table = UnsafeMutablePointer<mrt_host>.allocate(capacity: 1)
        unsafe table.initialize(
            to: mrt_host(
                header_find: findHeader, header_at: headerAt, header_edit: editHeader, reply_begin: beginReply,
                reply_header: addReplyHeader, reply_body: setReplyBody, log: log))
        return unsafe table
    }()

    /// The context a run was started with; nil while a main chunk runs. It is alive: see `LuaVM.run`.
    fileprivate static func context(_ pointer: UnsafeMutableRawPointer?) -> LuaContext? {
        guard let pointer = unsafe pointer else { return nil }
        return unsafe Unmanaged<LuaContext>.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Bytes that C lends for the call.
    fileprivate static func span<R>(_ bytes: mrt_bytes_borrowed, _ body: (Span<UInt8>) -> R) -> R {
        let buffer = unsafe UnsafeBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : bytes.size)
        return unsafe body(buffer.span)
    }
}

private func findHeader(
    _ context: UnsafeMutableRawPointer?, _ map: Int32, _ name: mrt_bytes_borrowed, _ start: Int32,
    _ value: UnsafeMutablePointer<mrt_bytes_borrowed>?, _ next: UnsafeMutablePointer<Int32>?
) -> Int32 {
    unsafe next?.pointee = -1
    guard let context = unsafe LuaHost.context(context) else { return -1 }
    return unsafe LuaHost.span(name) { name in
        guard let found = unsafe context.find(map, name, from: start) else { return -1 }
        unsafe value?.pointee = unsafe found.value
        unsafe next?.pointee = unsafe found.next
        return unsafe found.place
    }
}

private func headerAt(
    _ context: UnsafeMutableRawPointer?, _ map: Int32, _ index: Int32,
    _ name: UnsafeMutablePointer<mrt_bytes_borrowed>?, _ value: UnsafeMutablePointer<mrt_bytes_borrowed>?
) -> Bool {
    guard let context = unsafe LuaHost.context(context), let field = unsafe context.field(map, at: index) else {
        return false
    }
    unsafe name?.pointee = unsafe field.name
    unsafe value?.pointee = unsafe field.value
    return true
}

private func editHeader(
    _ context: UnsafeMutableRawPointer?, _ map: Int32, _ edit: Int32, _ name: mrt_bytes_borrowed,
    _ value: mrt_bytes_borrowed
) -> Int32 {
    guard let context = unsafe LuaHost.context(context) else { return Int32(MRT_CODE_SENT) }
    return unsafe LuaHost.span(name) { name in
        unsafe LuaHost.span(value) { value in context.edit(map, edit, name, value) }
    }
}

private func beginReply(_ context: UnsafeMutableRawPointer?, _ status: Int32) -> Int32 {
    unsafe LuaHost.context(context)?.beginReply(status) ?? Int32(MRT_CODE_SENT)
}

private func addReplyHeader(
    _ context: UnsafeMutableRawPointer?, _ name: mrt_bytes_borrowed, _ value: mrt_bytes_borrowed
) -> Int32 {
    guard let context = unsafe LuaHost.context(context) else { return Int32(MRT_CODE_SENT) }
    return unsafe LuaHost.span(name) { name in
        unsafe LuaHost.span(value) { value in context.addReply(name, value) }
    }
}

private func setReplyBody(_ context: UnsafeMutableRawPointer?, _ body: mrt_bytes_borrowed) -> Int32 {
    guard let context = unsafe LuaHost.context(context) else { return Int32(MRT_CODE_SENT) }
    return unsafe LuaHost.span(body) { context.setReplyBody($0) }
}

private func log(
    _ owner: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?, _ level: Int32, _ text: mrt_bytes_borrowed
) {
    // A main chunk has no exchange to log for; what it says at load is dropped.
    guard let exchange = unsafe LuaHost.context(context)?.exchange else { return }
    let severity = LogLevel(rawValue: UInt8(clamping: level)) ?? .info
    unsafe LuaHost.span(text) { exchange.log(severity, $0.string()) }
}
