internal import CLinux
internal import CMartletModule
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// A module's filter in a chain.
@safe
final class NativeFilter: Filter {
    let hooks: Hooks
    private let table: UnsafePointer<martlet_module>
    private let handle: OpaquePointer
    private let library: ModuleLibrary
    // The module may ask for it as long as the filter lives.
    private let config: NativeConfig
    private let slot: Slot<NativeFace>
    private let wantsEnd: Bool
    /// Faces of exchanges that are over.
    private var idle: [NativeFace] = []
    private static let maxIdle = 256
    private let watch: HookWatch

    init(
        name: String, index: Int, library: ModuleLibrary, config: NativeConfig, context: FilterContext, module: String,
        slowHook: Nanoseconds?
    ) {
        self.library = library
        self.config = config
        unsafe table = unsafe library.table
        var wanted: UInt32 = 0
        let lent = Handle.handOver(context)
        unsafe handle = unsafe library.table.pointee.make_filter(index, config.handle, lent, &wanted)
        let hooks = Hooks(rawValue: UInt8(truncatingIfNeeded: wanted & 0xFF))
        wantsEnd = hooks.contains(.end)
        // Every exchange's face is taken back at its end.
        self.hooks = hooks.union(.end)
        slot = context.slot(NativeFace.self)
        watch = HookWatch(module: module, filter: name, limit: slowHook, context)
    }

    deinit {
        idle = []
        unsafe table.pointee.release(UnsafeMutableRawPointer(handle))
    }

    func onRequestHead(_ exchange: Exchange) -> Verdict {
        let face = face(of: exchange)
        let began = watch.begin()
        let verdict = unsafe table.pointee.request_head(handle, face.handle)
        watch.end(began, "onRequestHead")
        return unsafe taken(unsafe verdict)
    }

    func onRequestBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        unsafe body(exchange, &chunk, "onRequestBody") { unsafe $0.pointee.request_body }
    }

    func onRequestTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        let face = face(of: exchange)
        let began = watch.begin()
        let verdict = unsafe table.pointee.request_trailers(handle, face.handle)
        watch.end(began, "onRequestTrailers")
        return unsafe taken(unsafe verdict)
    }

    func onResponseHead(_ exchange: Exchange) -> Verdict {
        let face = face(of: exchange)
        let began = watch.begin()
        let verdict = unsafe table.pointee.response_head(handle, face.handle)
        watch.end(began, "onResponseHead")
        return unsafe taken(unsafe verdict)
    }

    func onResponseBody(_ exchange: Exchange, _ chunk: inout BodyChunk) -> Verdict {
        unsafe body(exchange, &chunk, "onResponseBody") { unsafe $0.pointee.response_body }
    }

    func onResponseTrailers(_ exchange: Exchange, _ trailers: HeaderTable) -> Verdict {
        let face = face(of: exchange)
        let began = watch.begin()
        let verdict = unsafe table.pointee.response_trailers(handle, face.handle)
        watch.end(began, "onResponseTrailers")
        return unsafe taken(unsafe verdict)
    }

    func onEnd(_ exchange: Exchange) {
        guard wantsEnd || exchange[slot] != nil else { return }
        let face = face(of: exchange)
        if wantsEnd {
            let began = watch.begin()
            unsafe table.pointee.end(handle, face.handle)
            watch.end(began, "onEnd")
        }
        exchange[slot] = nil
        face.close()
        if idle.count < Self.maxIdle { idle.append(face) }
    }

    private typealias BodyHook =
        @convention(c) (OpaquePointer, OpaquePointer, UnsafePointer<martlet_borrowed_chunk_view>) -> martlet_verdict

    private func body(
        _ exchange: Exchange, _ chunk: inout BodyChunk, _ name: StaticString,
        _ hook: (UnsafePointer<martlet_module>) -> BodyHook
    ) -> Verdict {
        let face = face(of: exchange)
        let began = watch.begin()
        let lent = chunk
        let isLast = chunk.isLast
        let verdict = unsafe withUnsafeMutablePointer(to: &chunk) { chunk in
            var view = unsafe martlet_borrowed_chunk_view(
                chunk: OpaquePointer(chunk), bytes: martlet_borrowed_bytes(lending: lent.bytes()), is_last: isLast)
            // What the view shows lives on when the module puts other bytes in its place.
            return unsafe withExtendedLifetime(lent) { unsafe hook(table)(handle, face.handle, &view) }
        }
        watch.end(began, name)
        return unsafe taken(unsafe verdict)
    }

    @inline(__always)
    private func taken(_ verdict: martlet_verdict) -> Verdict {
        unsafe verdict.decision == UInt32(MARTLET_NEXT) ? .next : Verdict(taking: verdict)
    }

    @inline(__always)
    private func face(of exchange: Exchange) -> NativeFace { exchange[slot] ?? open(exchange) }

    private func open(_ exchange: Exchange) -> NativeFace {
        let face = idle.popLast() ?? NativeFace(library)
        face.open(exchange)
        exchange[slot] = face
        return face
    }
}

/// A module's face of an exchange.
@safe
final class NativeFace {
    let handle: OpaquePointer
    private let table: UnsafePointer<martlet_module>
    private var isOpen = false

    init(_ library: ModuleLibrary) {
        unsafe table = unsafe library.table
        unsafe handle = unsafe library.table.pointee.make_face()
    }

    /// Closed by the end hook, mostly: the module must never be left with a face of an exchange that is gone.
    deinit {
        close()
        unsafe table.pointee.release(UnsafeMutableRawPointer(handle))
    }

    func open(_ exchange: Exchange) {
        isOpen = true
        // All of it lives as long as the exchange, whose slot holds this object.
        var parts = unsafe martlet_borrowed_parts(
            exchange: Handle.lend(exchange), request: Handle.lend(exchange.request),
            response: Handle.lend(exchange.response), request_headers: Handle.lend(exchange.request.headers),
            response_headers: Handle.lend(exchange.response.headers),
            request_trailers: Handle.lend(exchange.requestTrailers),
            response_trailers: Handle.lend(exchange.responseTrailers))
        unsafe table.pointee.open(handle, &parts)
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        unsafe table.pointee.close(handle)
    }
}
