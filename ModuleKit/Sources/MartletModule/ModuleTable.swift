internal import CMartletModule
internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// The table of functions that the host calls this module by.
enum ModuleTable {
    // Set once, by the entry function, before the host has the table; only read after.
    nonisolated(unsafe) private static var kinds: [AnyKind] = []

    /// Lives as long as the process: a module is never unloaded.
    static func make(_ kinds: [AnyKind]) -> UnsafePointer<martlet_module> {
        unsafe Self.kinds = kinds
        let names = UnsafeMutablePointer<martlet_borrowed_bytes>.allocate(capacity: kinds.count)
        for (index, kind) in kinds.enumerated() { unsafe (names + index).initialize(to: forever(kind.name)) }
        let table = UnsafeMutablePointer<martlet_module>.allocate(capacity: 1)
        unsafe table.initialize(to: filled(refusal: martlet_borrowed_bytes(start: nil, count: 0), names, kinds.count))
        unsafe martlet_set_own_table(table)
        return unsafe UnsafePointer(table)
    }

    static func refusing(_ sentence: String) -> UnsafePointer<martlet_module> {
        let table = UnsafeMutablePointer<martlet_module>.allocate(capacity: 1)
        unsafe table.initialize(to: filled(refusal: forever(sentence), nil, 0))
        return unsafe UnsafePointer(table)
    }

    private static func forever(_ text: String) -> martlet_borrowed_bytes {
        let bytes = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
        _ = unsafe bytes.initialize(from: text.utf8)
        return unsafe martlet_borrowed_bytes(UnsafeBufferPointer(bytes))
    }

    private static func filled(
        refusal: martlet_borrowed_bytes, _ names: UnsafePointer<martlet_borrowed_bytes>?, _ count: Int
    ) -> martlet_module {
        unsafe martlet_module(
            version: UInt32(MARTLET_MODULE_VERSION), size: UInt32(MemoryLayout<martlet_module>.size), refusal: refusal,
            kinds: names, kind_count: count,
            release: { unsafe Unmanaged<AnyObject>.fromOpaque($0).release() },
            decode: { unsafe Self.decode($0, $1, $2) },
            decode_route: { unsafe Self.decodeRoute($0, $1, $2, $3) },
            route_off: { unsafe Self.kinds[$0].routeOff(DecodedConfig.lent($1))?.handedOver() },
            proofs: { kind in
                let proofs = unsafe Self.kinds[kind].proofs
                return UInt32(
                    (proofs.contains(.jwt) ? MARTLET_PROOF_JWT : 0)
                        | (proofs.contains(.apiKey) ? MARTLET_PROOF_API_KEY : 0)
                        | (proofs.contains(.basicAuth) ? MARTLET_PROOF_BASIC_AUTH : 0))
            },
            make_filter: { unsafe Self.makeFilter($0, $1, $2, $3) },
            make_face: { unsafe OpaquePointer(Unmanaged.passRetained(Exchange()).toOpaque()) },
            open: { face, parts in unsafe Face(face).call { unsafe $0.open(parts.pointee) } },
            close: { face in unsafe Face(face).call { $0.close() } },
            request_head: { filter, face in
                unsafe Hook(filter, face).call { unsafe $0.onRequestHead($1).handedOver() }
            },
            request_body: { filter, face, chunk in
                unsafe Hook(filter, face).call(chunk) { $0.onRequestBody($1, &$2) }
            },
            request_trailers: { filter, face in
                unsafe Hook(filter, face).call { unsafe $0.onRequestTrailers($1, $1.requestTrailers).handedOver() }
            },
            response_head: { filter, face in
                unsafe Hook(filter, face).call { unsafe $0.onResponseHead($1).handedOver() }
            },
            response_body: { filter, face, chunk in
                unsafe Hook(filter, face).call(chunk) { $0.onResponseBody($1, &$2) }
            },
            response_trailers: { filter, face in
                unsafe Hook(filter, face).call { unsafe $0.onResponseTrailers($1, $1.responseTrailers).handedOver() }
            },
            end: { filter, face in unsafe Hook(filter, face).call { $0.onEnd($1) } },
            timer_fired: { unsafe Action.lent($0).fire() },
            call_done: { unsafe Action.lent($0).done($1.pointee) },
            stream_event: { unsafe Action.lent($0).heard($1.pointee) })
    }

    // MARK: Loading

    private static func decode(
        _ kind: Int, _ section: UnsafePointer<martlet_borrowed_section>, _ load: OpaquePointer
    ) -> OpaquePointer? {
        unsafe reporting(section, load) { section, load in unsafe kinds[kind].decode(section, load) }
    }

    private static func decodeRoute(
        _ kind: Int, _ section: UnsafePointer<martlet_borrowed_section>, _ config: OpaquePointer, _ load: OpaquePointer
    ) -> OpaquePointer? {
        let config = unsafe DecodedConfig.lent(config)
        return unsafe reporting(section, load) { section, load in
            unsafe kinds[kind].decodeRoute(section, config, load)
        }
    }

    private static func reporting(
        _ lent: UnsafePointer<martlet_borrowed_section>, _ load: OpaquePointer,
        _ body: (ConfigSection, LoadContext) -> DecodedConfig?
    ) -> OpaquePointer? {
        let diagnostics = ConfigDiagnostics()
        let section = ConfigSection(unsafe ConfigNode(lent: lent.pointee), diagnostics: diagnostics)
        let config = body(section, unsafe LoadContext(lent: load))
        if config != nil { section.finish() }
        for error in diagnostics.errors + diagnostics.warnings { unsafe error.report(to: unsafe load) }
        for path in diagnostics.files.paths {
            Border.lend(path) { unsafe martlet_of_host().pointee.load_watch(load, $0) }
        }
        return unsafe config?.handedOver()
    }

    private static func makeFilter(
        _ kind: Int, _ config: OpaquePointer, _ context: OpaquePointer, _ hooks: UnsafeMutablePointer<UInt32>
    ) -> OpaquePointer {
        let context = unsafe FilterContext(owned: context)
        guard let filter = unsafe kinds[kind].make(DecodedConfig.lent(config), context) else {
            preconditionFailure("the host gave a filter kind what another one decoded")
        }
        unsafe hooks.pointee = UInt32(filter.hooks.rawValue)
        return unsafe OpaquePointer(Unmanaged.passRetained(FilterBox(filter)).toOpaque())
    }
}

private final class FilterBox {
    let filter: any Filter
    init(_ filter: any Filter) { self.filter = filter }
}

/// An exchange as the host names it. The host holds it while it calls, so nothing is counted here.
@safe
private struct Face {
    private let face: Unmanaged<Exchange>

    @inline(__always)
    init(_ handle: OpaquePointer) { unsafe face = .fromOpaque(UnsafeRawPointer(handle)) }

    @inline(__always)
    func call<Result>(_ body: (Exchange) -> Result) -> Result { unsafe face._withUnsafeGuaranteedRef(body) }
}

@safe
private struct Hook {
    private let filter: Unmanaged<FilterBox>
    private let face: Face

    @inline(__always)
    init(_ filter: OpaquePointer, _ face: OpaquePointer) {
        unsafe self.filter = .fromOpaque(UnsafeRawPointer(filter))
        self.face = unsafe Face(face)
    }

    @inline(__always)
    func call<Result>(_ body: (any Filter, Exchange) -> Result) -> Result {
        unsafe filter._withUnsafeGuaranteedRef { box in face.call { body(box.filter, $0) } }
    }

    func call(
        _ view: UnsafePointer<martlet_borrowed_chunk_view>, _ body: (any Filter, Exchange, inout BodyChunk) -> Verdict
    ) -> martlet_verdict {
        let (handle, bytes) = unsafe (view.pointee.chunk, view.pointee.bytes)
        let slice = unsafe ByteSlice(bytes, of: martlet_of_host().pointee.chunk_keep(handle))
        var chunk = BodyChunk(slice, isLast: unsafe view.pointee.is_last)
        let verdict = call { body($0, $1, &chunk) }
        if chunk.isReplaced {
            Border.lend(chunk.slice.bytes()) { unsafe martlet_of_host().pointee.chunk_replace(handle, $0) }
        }
        return unsafe verdict.handedOver()
    }
}
