// MartletNative runs filters of shared libraries behind a table of C functions. It knows no filter, and what a filter is
// belongs to MartletFilter; the other side of the border is the package ModuleKit.

internal import CLinux
internal import CMartletModule
package import MartletConfig
internal import MartletCore
package import MartletFilter
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#endif

/// The module files that this process has loaded. A file with other content is another version; none is ever unloaded,
/// because nobody can know that no Swift code or metadata of it is in use any more.
package final class ModuleCatalog: ModuleSource {
    /// The largest module file.
    static let maxFile = 256 << 20
    /// Versions of all modules together that a process loads in its life.
    package static let maxVersions = 100

    private struct Key: Hashable {
        let digest: UInt64
        let size: Int
    }
    private struct State {
        var loaded: [Key: Result<ModuleLibrary, ModuleRefusal>] = [:]
        var versions: [String: Set<Key>] = [:]
    }
    private let state = Locked(State())

    package init() {}

    package var versions: [(module: String, count: Int)] {
        state.withLock { state in
            state.versions.map { (module: $0.key, count: $0.value.count) }.sorted { $0.module < $1.module }
        }
    }

    package func kinds(of module: ModuleConfig, diagnostics: ConfigDiagnostics) -> [any FilterKind]? {
        do throws(ModuleRefusal) {
            let (bytes, file) = try Self.read(module, diagnostics)
            try Self.checkOwner(file, module)
            let library = try library(bytes, module)
            return library.kinds.enumerated().map { NativeKind(name: $0.element, index: $0.offset, library, module) }
        } catch {
            diagnostics.error(at: module.pathPlace, "module \"\(module.path)\" \(error.reason)", hint: error.hint)
            return nil
        }
    }

    private static func read(
        _ module: ModuleConfig, _ diagnostics: ConfigDiagnostics
    ) throws(ModuleRefusal) -> ([UInt8], ConfigFile.State) {
        do throws(ConfigFile.Failure) {
            let (bytes, state) = try diagnostics.files.readWithState(module.path, atMost: maxFile)
            return (bytes, state)
        } catch {
            throw ModuleRefusal(
                "cannot be read: \(error.reason)",
                hint: module.path.hasPrefix("/") ? nil : "relative paths start at the configuration file's folder")
        }
    }

    /// A module is the proxy itself from the moment it is loaded: who may write the file may do what the proxy may.
    private static func checkOwner(_ file: ConfigFile.State, _ module: ModuleConfig) throws(ModuleRefusal) {
        guard file.mode & UInt32(S_IWGRP | S_IWOTH) == 0 else {
            throw ModuleRefusal(
                "may be written by others, and it would run as the proxy", hint: "run: chmod go-w \(module.path)")
        }
        guard file.owner == 0 || file.owner == geteuid() else {
            throw ModuleRefusal(
                "belongs to user \(file.owner), and it would run as the proxy",
                hint: "run: chown root \(module.path)")
        }
    }

    private func library(_ bytes: [UInt8], _ module: ModuleConfig) throws(ModuleRefusal) -> ModuleLibrary {
        let key = Key(digest: Self.digest(bytes), size: bytes.count)
        // Nothing of the module runs under the lock.
        let (known, count) = state.withLock { ($0.loaded[key], $0.loaded.count) }
        let result: Result<ModuleLibrary, ModuleRefusal>
        if let known {
            result = known
        } else {
            guard count < Self.maxVersions else {
                throw ModuleRefusal(
                    "is one version more than the \(Self.maxVersions) that a process loads",
                    hint: "versions are never unloaded: restart the proxy")
            }
            result = try ModuleLibrary.load(bytes, module)
        }
        state.withLock {
            $0.loaded[key] = result
            $0.versions[module.name, default: []].insert(key)
        }
        switch result {
        case .success(let library): return library
        case .failure(let refusal): throw refusal
        }
    }

    /// FNV-1a.
    private static func digest(_ bytes: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash
    }
}

/// Why a module is not used, as it stands behind its path.
struct ModuleRefusal: Error {
    let reason: String
    let hint: String?

    init(_ reason: String, hint: String? = nil) {
        self.reason = reason
        self.hint = hint
    }
}
