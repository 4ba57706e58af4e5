/// The address of the admin API.
package struct AdminConfig: Sendable {
    /// Default: 127.0.0.1:9901. Port 0 leaves the choice to the kernel.
    package var address: ConfigAddress

    package static let defaultAddress = ConfigAddress.ipv4(0x7F00_0001, port: 9901)

    init(_ section: ConfigSection) {
        address = section.value("address", ConfigAddress.scalar(ports: 0...65535)) ?? Self.defaultAddress
        if !address.isLoopback {
            section.warning(
                at: "address", "the admin API has no authentication and can be reached from other machines",
                hint: "write 127.0.0.1:\(address.port ?? 9901)")
        }
    }
}
