internal import CLinux
internal import CMartletModule
internal import MartletConfig
internal import MartletCore

#if canImport(Glibc)
internal import Glibc
#endif

/// One version of a module, loaded and accepted. Stays for the life of the process.
///
/// `@unchecked Sendable`: the table is the module's to fill before the entry function returns and constant after; which of
/// its functions may be called on which thread is said in the header, and kept by who calls.
@safe
final class ModuleLibrary: @unchecked Sendable {
    let table: UnsafePointer<martlet_module>
    /// The names of its filters, by place.
    let kinds: [String]

    private init(_ table: UnsafePointer<martlet_module>, kinds: [String]) {
        unsafe self.table = unsafe table
        self.kinds = kinds
    }

    /// Maps the bytes and asks the module. A failure that is a property of the bytes is a result; what may be different
    /// next time, such as a library that is missing, is thrown.
    static func load(
        _ bytes: [UInt8], _ module: ModuleConfig
    ) throws(ModuleRefusal) -> Result<ModuleLibrary, ModuleRefusal> {
        let entry = unsafe try open(bytes, module)
        guard let entry = unsafe entry else {
            return .failure(
                ModuleRefusal(
                    "is no Martlet module: it has no function \(MARTLET_MODULE_ENTRY)",
                    hint: "see Docs/NativeModules.md for how a module begins"))
        }
        guard let table = unsafe entry(HostTable.table) else {
            return .failure(
                ModuleRefusal("refused to start, without saying why", hint: "its entry function answered NULL"))
        }
        do throws(ModuleRefusal) {
            return unsafe .success(try accepted(unsafe table))
        } catch {
            return .failure(error)
        }
    }

    private static func accepted(_ table: UnsafePointer<martlet_module>) throws(ModuleRefusal) -> ModuleLibrary {
        let hint = "build it with the ModuleKit of this Martlet"
        let version = unsafe table.pointee.version
        guard version == UInt32(MARTLET_MODULE_VERSION) else {
            throw ModuleRefusal(
                "has version \(version) of the module table; this Martlet has \(MARTLET_MODULE_VERSION)", hint: hint)
        }
        let size = unsafe Int(table.pointee.size)
        guard unsafe size >= MemoryLayout<martlet_module>.size else {
            throw ModuleRefusal(
                unsafe "has a module table of \(size) bytes; version \(version) has \(MemoryLayout<martlet_module>.size)",
                hint: hint)
        }
        let refusal = unsafe table.pointee.refusal.text
        guard refusal.isEmpty else {
            throw ModuleRefusal("refused to start: \(refusal.prefix(400))", hint: "these are the module's own words")
        }
        let count = unsafe table.pointee.kind_count
        guard (1...1000).contains(count), let names = unsafe table.pointee.kinds else {
            throw ModuleRefusal("brings no filter", hint: "its table names none")
        }
        let kinds = (0..<count).map { unsafe names[$0].text }
        for name in kinds where !isName(name) {
            throw ModuleRefusal("has a filter called \"\(name.prefix(60))\"", hint: "letters, digits and _ make a name")
        }
        guard Set(kinds).count == kinds.count else {
            throw ModuleRefusal("has two filters of one name", hint: "filters are known by their names")
        }
        return unsafe ModuleLibrary(table, kinds: kinds)
    }

    /// A word that can stand in `filters:`.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 60
            && name.utf8.allSatisfy { $0.isDigit || $0 == 0x5F || (0x61...0x7A).contains($0.lowercasedASCII) }
    }

    /// The entry function, nil when there is none. The bytes are loaded from sealed memory of this process's own: what was
    /// checked is what runs, the file may be replaced at any time, and the loader, which knows libraries by file, takes
    /// each version for a library of its own.
    private static func open(
        _ bytes: [UInt8], _ module: ModuleConfig
    ) throws(ModuleRefusal) -> martlet_module_entry_function? {
        guard ELFImage.isWhole(bytes) else {
            throw ModuleRefusal(
                "cannot be loaded: it is no shared library, or not whole",
                hint: "put new files in place with mv, not cp")
        }
        let descriptor = unsafe bytes.withUnsafeBytes {
            unsafe mrt_program_memory("martlet-\(module.name.prefix(40))", $0.baseAddress, $0.count)
        }
        guard descriptor >= 0 else {
            throw ModuleRefusal("cannot be kept in memory: \(unsafe String(cString: strerror(-descriptor)))")
        }
        // Never closed when it worked: the loader also knows libraries by this path, and must not see it again.
        let path = "/proc/self/fd/\(descriptor)"
        guard let library = unsafe dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            let reason = unsafe dlerror().map { unsafe String(cString: $0) } ?? "no reason given"
            close(descriptor)
            throw refusal(reason, path)
        }
        guard let symbol = unsafe dlsym(library, MARTLET_MODULE_ENTRY) else { return nil }
        // By that name only functions of this type are exported: the header says so.
        return unsafe unsafeBitCast(symbol, to: martlet_module_entry_function.self)
    }

    private static func refusal(_ reason: String, _ path: String) -> ModuleRefusal {
        let prefix = path + ": "
        let reason = reason.hasPrefix(prefix) ? String(reason.dropFirst(prefix.count)) : reason
        let hint =
            reason.hasPrefix("libswift")
            ? "link Swift's libraries into the module: -static-stdlib"
            : reason.contains("ELF")
                ? "build it as a shared library for this machine"
                : "link what it needs into it"
        return ModuleRefusal("cannot be loaded: \(reason)", hint: hint)
    }
}
