internal import CLinux

#if canImport(Glibc)
internal import Glibc
#endif

/// Looks names up with the system's resolver. Blocking: for a thread of its own, never a worker.
package enum NameResolver {
    /// Every address of `name`, IPv4 and IPv6, sorted so that the same answer compares equal. Literal addresses need no
    /// network.
    package static func addresses(of name: String, port: UInt16) -> Result<[SocketAddress], ResolveError> {
        if let literal = SocketAddress(ip: name, port: port) { return .success([literal]) }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(name, String(port), &hints, &list)
        guard status == 0 else {
            return .failure(ResolveError(name: name, reason: unsafe String(cString: gai_strerror(status))))
        }
        defer { unsafe freeaddrinfo(list) }
        var found: Set<SocketAddress> = []
        var entry = unsafe list
        while let info = unsafe entry {
            var raw = mrt_address()
            let length = Int(unsafe info.pointee.ai_addrlen)
            // The kernel's own size for the address, checked against ours before copying.
            if let source = unsafe info.pointee.ai_addr, length <= MemoryLayout.size(ofValue: raw.bytes) {
                unsafe withUnsafeMutableBytes(of: &raw.bytes) {
                    unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: length))
                }
                raw.length = UInt32(length)
                found.insert(SocketAddress(raw: raw))
            }
            unsafe entry = unsafe info.pointee.ai_next
        }
        return .success(found.sorted { $0.description < $1.description })
    }
}

package struct ResolveError: Error, Sendable, CustomStringConvertible {
    package let name: String
    package let reason: String
    package var description: String { "cannot resolve \(name): \(reason)" }
}
