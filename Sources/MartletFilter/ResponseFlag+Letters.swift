package import MartletConfig

extension ResponseFlag {
    /// The flags of these letters; letters that are none are reported and left out.
    package static func named(
        _ letters: [String], at place: ConfigPlace, _ diagnostics: ConfigDiagnostics
    ) -> [ResponseFlag] {
        letters.flatMap { letters in
            let flags = allCases.filter { $0.letters.description == letters }
            if flags.isEmpty {
                let known = Set(allCases.map(\.letters.description))
                diagnostics.error(
                    at: place, "\"\(letters.prefix(60))\" is not a response flag",
                    hint: "flags: \(known.sorted().joined(separator: ", "))")
            }
            return flags
        }
    }
}
