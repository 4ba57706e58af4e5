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
                header_find: findHeader, header_at: headerAt,
                header_edit: { context, map, edit, name, value in
                    unsafe LuaHost.with(context) { state in
                        unsafe LuaHost.span(name) { name in
                            unsafe LuaHost.span(value) { state.edit(map, edit, name, $0) }
                        }
                    }
                },
                reply_begin: { context, status in unsafe LuaHost.with(context) { $0.beginReply(status) } },
                reply_header: { context, name, value in
                    unsafe LuaHost.with(context) { state in
                        unsafe LuaHost.span(name) { name in unsafe LuaHost.span(value) { state.addReply(name, $0) } }
                    }
                },
                reply_body: { context, body in
                    unsafe LuaHost.with(context) { state in unsafe LuaHost.span(body) { state.setReplyBody($0) } }
                },
                body_begin: { context in unsafe LuaHost.with(context) { $0.beginBody() } },
                chunk_begin: { context in unsafe LuaHost.with(context) { $0.beginChunk() } },
                trailers_begin: { context in unsafe LuaHost.with(context) { $0.beginTrailers() } },
                sleep_begin: { context, milliseconds in unsafe LuaHost.with(context) { $0.beginSleep(milliseconds) } },
                calls_begin: { context in unsafe LuaHost.with(context) { $0.beginCalls() } },
                outcome: { context in unsafe LuaHost.with(context) { $0.outcome } },
                part: { context, part, out in
                    guard let bytes = unsafe LuaHost.state(context)?.part(part) else { return false }
                    unsafe out?.pointee = unsafe bytes
                    return true
                },
                set_part: { context, part, bytes in
                    unsafe LuaHost.with(context) { state in unsafe LuaHost.span(bytes) { state.setPart(part, $0) } }
                },
                call_open: { context, cluster, begins in
                    unsafe LuaHost.with(context) { state in
                        unsafe LuaHost.span(cluster) { state.openCall($0, begins: begins) }
                    }
                },
                call_header: { context, name, value in
                    unsafe LuaHost.with(context) { state in
                        unsafe LuaHost.span(name) { name in unsafe LuaHost.span(value) { state.addCallHeader(name, $0) }
                        }
                    }
                },
                call_send: { context, body, timeout, flags in
                    guard let state = unsafe LuaHost.state(context) else { return -Int32(MRT_CODE_NO_REQUEST) }
                    return unsafe LuaHost.span(body) { state.sendCall($0, timeout: timeout, flags: flags) }
                },
                stream_write: { context, call, bytes in
                    unsafe LuaHost.with(context) { state in
                        unsafe LuaHost.span(bytes) { state.writeStream(call, $0) }
                    }
                },
                stream_head: { context, call in unsafe LuaHost.with(context) { $0.beginStreamHead(call) } },
                stream_piece: { context, call in unsafe LuaHost.with(context) { $0.beginStreamPiece(call) } },
                call_field: { context, call, index, name, value in
                    guard let field = unsafe LuaHost.state(context)?.callField(call, index) else { return false }
                    unsafe name?.pointee = unsafe field.name
                    unsafe value?.pointee = unsafe field.value
                    return true
                },
                text: { context, what, out in
                    guard let bytes = unsafe LuaHost.state(context)?.text(what) else { return false }
                    unsafe out?.pointee = unsafe bytes
                    return true
                },
                ssl: { context, what, out in
                    guard let bytes = unsafe LuaHost.state(context)?.ssl(what) else { return false }
                    unsafe out?.pointee = unsafe bytes
                    return true
                },
                metadata_get: { context, space, filter, out in
                    guard let state = unsafe LuaHost.state(context) else { return false }
                    return unsafe LuaHost.span(filter) { filter in
                        guard let bytes = unsafe state.metadata(space, filter) else { return false }
                        unsafe out?.pointee = unsafe bytes
                        return true
                    }
                },
                metadata_set: { context, space, filter, key, value in
                    unsafe LuaHost.with(context) { state in
                        unsafe LuaHost.span(filter) { filter in
                            unsafe LuaHost.span(key) { key in
                                unsafe LuaHost.span(value) { state.setMetadata(space, filter, key, $0) }
                            }
                        }
                    }
                },
                override_host: { context, host, strict in
                    unsafe LuaHost.with(context) { state in
                        unsafe LuaHost.span(host) { state.overrideHost($0, isStrict: strict) }
                    }
                },
                clear_route: { context in unsafe LuaHost.with(context) { $0.clearRoute() } },
                drain_connection: { context in unsafe LuaHost.with(context) { $0.drainConnection() } },
                shared: { owner, operation in
                    guard let vm = unsafe LuaHost.owner(owner), let operation = unsafe operation else {
                        return Int32(MRT_CODE_NO_REQUEST)
                    }
                    return unsafe vm.operate(&operation.pointee)
                },
                stat: { owner, kind, name, operation, value in
                    guard let vm = unsafe LuaHost.owner(owner), let value = unsafe value else {
                        return Int32(MRT_CODE_NO_REQUEST)
                    }
                    return unsafe vm.stat(kind, LuaHost.span(name) { $0.string() }, operation, &value.pointee)
                },
                log: log))
        return unsafe table
    }()

    /// The state a run was started with; nil while a main chunk runs. It is alive: see `LuaVM.run`.
    fileprivate static func state(_ pointer: UnsafeMutableRawPointer?) -> LuaExchange? {
        guard let pointer = unsafe pointer else { return nil }
        return unsafe Unmanaged<LuaExchange>.fromOpaque(pointer).takeUnretainedValue()
    }

    fileprivate static func with(
        _ pointer: UnsafeMutableRawPointer?, _ body: (LuaExchange) -> Int32
    ) -> Int32 {
        guard let state = unsafe state(pointer) else { return Int32(MRT_CODE_NO_REQUEST) }
        return body(state)
    }

    /// The worker's share of the policy; nil while it is loaded. It holds the VM that calls.
    fileprivate static func owner(_ pointer: UnsafeMutableRawPointer?) -> PolicyVM? {
        guard let pointer = unsafe pointer else { return nil }
        return unsafe Unmanaged<PolicyVM>.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Bytes that C lends for the call.
    static func span<R>(_ bytes: mrt_bytes_borrowed, _ body: (Span<UInt8>) -> R) -> R {
        let buffer = unsafe UnsafeBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : bytes.size)
        return unsafe body(buffer.span)
    }
}

private func findHeader(
    _ context: UnsafeMutableRawPointer?, _ map: Int32, _ name: mrt_bytes_borrowed, _ start: Int32,
    _ value: UnsafeMutablePointer<mrt_bytes_borrowed>?, _ next: UnsafeMutablePointer<Int32>?
) -> Int32 {
    unsafe next?.pointee = -1
    guard let state = unsafe LuaHost.state(context) else { return -1 }
    return unsafe LuaHost.span(name) { name in
        guard let found = unsafe state.find(map, name, from: start) else { return -1 }
        unsafe value?.pointee = unsafe found.value
        unsafe next?.pointee = unsafe found.next
        return unsafe found.place
    }
}

private func headerAt(
    _ context: UnsafeMutableRawPointer?, _ map: Int32, _ index: Int32,
    _ name: UnsafeMutablePointer<mrt_bytes_borrowed>?, _ value: UnsafeMutablePointer<mrt_bytes_borrowed>?
) -> Bool {
    guard let state = unsafe LuaHost.state(context), let field = unsafe state.field(map, at: index) else {
        return false
    }
    unsafe name?.pointee = unsafe field.name
    unsafe value?.pointee = unsafe field.value
    return true
}

private func log(
    _ owner: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?, _ level: Int32, _ text: mrt_bytes_borrowed
) {
    let severity = LogLevel(rawValue: UInt8(clamping: level)) ?? .info
    if let state = unsafe LuaHost.state(context), !state.mayLog() { return }
    if let exchange = unsafe LuaHost.state(context)?.exchange {
        unsafe LuaHost.span(text) { exchange.log(severity, $0.string()) }
    } else if let vm = unsafe LuaHost.owner(owner) {
        // A timer's. A main chunk has nobody to log for; what it says at load is dropped.
        unsafe vm.context.log(severity, "policy \(vm.policy.name): \(LuaHost.span(text) { $0.string() })")
    }
}
