internal import CLinux

extension SocketAddress {
    /// - Parameter bits: in the order of the wire; of IPv4 the last 32.
    init(bits: UInt128, isIPv6: Bool, port: UInt16) {
        var raw = mrt_address()
        let count = isIPv6 ? 16 : 4
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { bytes in
            for index in 0..<count {
                unsafe bytes[index] = UInt8(truncatingIfNeeded: bits >> UInt128(8 * (count - 1 - index)))
            }
            // Both only within the call.
            unsafe mrt_address_from_ip_bytes(bytes.baseAddress, count, port, &raw)
        }
        self.init(raw: raw)
    }

    /// The 4 or 16 bytes of an IP address, none of a unix one.
    var ipBytes: [UInt8] {
        var copy = raw
        return unsafe [UInt8](unsafeUninitializedCapacity: 16) { bytes, count in
            // It writes at most 16 bytes, and says how many.
            count = unsafe mrt_address_ip_bytes(&copy, bytes.baseAddress)
        }
    }

    /// The end of a unix socket that was never bound.
    static var unnamedUnix: SocketAddress { SocketAddress(raw: mrt_address()) }
}
