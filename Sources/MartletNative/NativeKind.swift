internal import CMartletModule
internal import MartletConfig
internal import MartletCore
internal import MartletFilter

/// A filter kind of a module.
struct NativeKind: FilterKind {
    let name: String
    private let index: Int
    private let library: ModuleLibrary
    private let module: String
    private let slowHook: Nanoseconds?

    init(name: String, index: Int, _ library: ModuleLibrary, _ module: ModuleConfig) {
        self.name = name
        self.index = index
        self.library = library
        self.module = module.name
        slowHook = module.slowHook.map { Nanoseconds($0) }
    }

    func decode(_ section: ConfigSection, _ load: LoadContext) -> NativeConfig? {
        unsafe lend(section, load) { section, load in unsafe library.table.pointee.decode(index, section, load) }
    }

    func decodeRoute(_ section: ConfigSection, _ config: NativeConfig, _ load: LoadContext) -> NativeConfig? {
        unsafe lend(section, load) { section, load in
            unsafe library.table.pointee.decode_route(index, section, config.handle, load)
        }
    }

    func routeOff(_ config: NativeConfig) -> NativeConfig? {
        unsafe library.table.pointee.route_off(index, config.handle).map { unsafe NativeConfig($0, of: library) }
    }

    var proofs: Set<Identity.Proof> {
        let bits = unsafe Int(library.table.pointee.proofs(index))
        let known: [(Int, Identity.Proof)] = [
            (MARTLET_PROOF_JWT, .jwt), (MARTLET_PROOF_API_KEY, .apiKey), (MARTLET_PROOF_BASIC_AUTH, .basicAuth),
        ]
        return Set(known.filter { bits & $0.0 != 0 }.map(\.1))
    }

    private func lend(
        _ section: ConfigSection, _ load: LoadContext,
        _ decode: (UnsafePointer<martlet_borrowed_section>, OpaquePointer) -> OpaquePointer?
    ) -> NativeConfig? {
        // Which keys are known is the module's to say.
        _ = section.allEntries()
        let errors = section.diagnostics.errors.count
        let handle = LoadHandle(section, load)
        let made = unsafe LentSection(section.node).lend { lent in
            unsafe withExtendedLifetime(handle) { unsafe decode(lent, Handle.lend(handle)) }
        }
        if unsafe made == nil, section.diagnostics.errors.count == errors, !section.diagnostics.hasErrors {
            section.error("module \"\(module)\" does not take this, and does not say why")
        }
        return unsafe made.map { unsafe NativeConfig($0, of: library) }
    }

    func makeFilter(_ config: NativeConfig, _ context: FilterContext) -> any Filter {
        NativeFilter(
            name: name, index: index, library: library, config: config, context: context, module: module,
            slowHook: slowHook)
    }
}

/// What a module has decoded: its own, kept here.
///
/// `@unchecked Sendable`: the handle never changes, and a module's configs may be used and released on any thread.
@safe
final class NativeConfig: @unchecked Sendable {
    let handle: OpaquePointer
    private let library: ModuleLibrary

    init(_ handle: OpaquePointer, of library: ModuleLibrary) {
        unsafe self.handle = unsafe handle
        self.library = library
    }

    deinit { unsafe library.table.pointee.release(UnsafeMutableRawPointer(handle)) }
}

/// What a module asks of the load while it decodes.
final class LoadHandle {
    let section: ConfigSection
    let load: LoadContext

    init(_ section: ConfigSection, _ load: LoadContext) {
        self.section = section
        self.load = load
    }

    /// The module's paths begin at the section.
    func report(_ report: martlet_borrowed_report) {
        let path = unsafe report.path.text
        let start = section.place.path.description
        section.diagnostics.add(
            ConfigError(
                severity: unsafe report.severity == UInt32(MARTLET_WARNING) ? .warning : .error,
                mark: unsafe ConfigMark(
                    file: section.place.mark.file, line: Int(report.line), column: Int(report.column)),
                path: path.isEmpty ? start : path.hasPrefix("[") ? start + path : "\(start).\(path)",
                message: unsafe report.message.text, hint: unsafe report.hint.textIfPresent))
    }
}
