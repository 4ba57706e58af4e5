extension PolicyConfig {
    init(_ section: ConfigSection) {
        place = section.place
        name = section.value(required: "name", .label) ?? ""
        section.oneOf(["file", "inline"], required: true)
        let path = section.path("file")
        let text = section.string("inline")
        source = path.map { .file(path: $0) } ?? .inline(text ?? "")
        data = Self.files("data", section)
        modules = Self.files("modules", section)
        onError = section.choice("on_error", default: .deny)
        mode = section.choice("mode", default: .enforce)
        budget = section.section("budget").map { PolicyBudget($0) } ?? PolicyBudget()
        if section.has("inline"), text?.utf8.allSatisfy({ $0 <= 0x20 }) == true {
            section.error(at: "inline", "the policy is empty")
        }
        if let path { checkReadable(path, section) }
    }

    /// A mapping of names to paths. The files are read when the policy is compiled.
    private static func files(_ key: String, _ section: ConfigSection) -> [PolicyFile] {
        guard let mapping = section.section(key) else { return [] }
        return mapping.allEntries().compactMap { entry in
            guard let path = mapping.path(entry.key) else { return nil }
            return PolicyFile(name: entry.key, path: path, place: entry.value.place)
        }
    }

    /// The script is asked for again when the policy is compiled; here it is enough that it can be read. A directory opens
    /// like a file, and only reading tells.
    private func checkReadable(_ path: String, _ section: ConfigSection) {
        do {
            _ = try section.diagnostics.files.read(path, atMost: ConfigFile.maxPolicy)
        } catch {
            section.error(
                at: "file", "cannot read \"\(path)\": \(error.reason)",
                hint: path.hasPrefix("/") ? nil : "relative paths start at the configuration file's folder")
        }
    }
}
