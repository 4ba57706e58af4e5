internal import MartletConfig
internal import MartletXDSMessages

/// What the reading of resources has come upon that is no part of the resource that says it.
final class ReadingFindings {
    /// The secrets that are named, and who does.
    private(set) var secrets: [String: ResourceReading] = [:]
    /// In which files they are named: relative paths begin there.
    private(set) var secretPlaces: [String: Set<String>] = [:]
    /// Files that have some of them, and who says so.
    private(set) var secretFiles: [String: ResourceReading] = [:]
    /// Scripts that stand in filters.
    private(set) var policies: [(section: DocumentSection, reading: ResourceReading)] = []

    func add(_ reference: SecretReference, _ reading: ResourceReading) {
        // Without a source a secret is one of those that stand in the same file.
        if !reading.origin.isLocal || reference.hasSdsConfig { reading.check(reference.sdsConfig, in: "sds_config") }
        if let path = reading.file(of: reference.sdsConfig) { secretFiles[path] = reading }
        add(reference.name, reading)
    }

    func add(_ name: String, _ reading: ResourceReading) {
        if secrets[name] == nil { secrets[name] = reading }
        secretPlaces[name, default: []].insert(reading.place.mark.file)
    }

    /// Adds a policy under a name like `wanted`; the name.
    func add(policy section: DocumentSection, as wanted: String, _ reading: ResourceReading) -> String {
        let taken = Set(policies.compactMap { $0.section.text("name") })
        var (name, number) = (wanted, 1)
        while taken.contains(name) {
            number += 1
            name = "\(wanted).\(number)"
        }
        var policy = DocumentSection([("name", .text(name))])
        for entry in section.entries { policy[entry.key] = entry.value }
        policies.append((policy, reading))
        return name
    }
}
