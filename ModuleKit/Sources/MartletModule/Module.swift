internal import CMartletModule
internal import MartletCore
public import MartletFilter

/// Where a module begins. It exports one function, in C's way of calling:
///
///     import MartletModule
///
///     @c(martlet_module_entry)
///     public func enter(_ host: UnsafeRawPointer?) -> UnsafeRawPointer? {
///         Module.enter(host) { [GeoFilterKind()] }
///     }
public enum Module {
    /// Answers the host with the filters that this module brings.
    /// - Parameter kinds: what throws here keeps the module from being used; the error's text is what the operator reads.
    public static func enter(_ host: UnsafeRawPointer?, _ kinds: () throws -> [any FilterKind]) -> UnsafeRawPointer? {
        guard let host = unsafe host?.assumingMemoryBound(to: martlet_host.self) else { return nil }
        // The first two fields mean the same in every version.
        let version = unsafe host.pointee.version
        guard version == UInt32(MARTLET_MODULE_VERSION) else {
            return unsafe refuse("it was built for version \(MARTLET_MODULE_VERSION) of the table, not \(version)")
        }
        guard unsafe Int(host.pointee.size) >= MemoryLayout<martlet_host>.size else {
            return unsafe refuse("it was built for a later Martlet than this one")
        }
        unsafe martlet_use_host(host)
        do {
            let kinds = try kinds()
            guard !kinds.isEmpty else { return unsafe refuse("it brings no filter") }
            return unsafe UnsafeRawPointer(ModuleTable.make(kinds.map { AnyKind($0) }))
        } catch {
            return unsafe refuse("\(error)")
        }
    }

    private static func refuse(_ sentence: String) -> UnsafeRawPointer {
        unsafe UnsafeRawPointer(ModuleTable.refusing(sentence))
    }
}
