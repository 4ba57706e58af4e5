#if canImport(Glibc)
internal import Glibc
#endif

/// This machine's name, for log lines.
package enum LogHost {
    package static let name: [UInt8] = {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&buffer, buffer.count - 1) == 0 else { return [] }
        return buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    }()
}
