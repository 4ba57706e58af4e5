/// Files with resources of xDS, whose listeners and clusters are beside those of the configuration. What is in them is read before
/// the configuration is decoded.
package struct XDSFilesConfig: Sendable, Equatable {
    /// Of LDS.
    package var listeners: String?
    /// Of CDS.
    package var clusters: String?
}

extension XDSFilesConfig {
    init?(_ section: ConfigSection) {
        listeners = section.path("listeners")
        clusters = section.path("clusters")
        guard listeners != nil || clusters != nil else {
            section.error("one of \"listeners\", \"clusters\" is required", hint: "xds_files: { listeners: lds.yaml }")
            return nil
        }
    }

    var json: ConfigJSON {
        .object([("listeners", listeners.map { .string($0) }), ("clusters", clusters.map { .string($0) })])
    }
}
