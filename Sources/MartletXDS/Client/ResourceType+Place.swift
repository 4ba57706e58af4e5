package import MartletConfig

extension ResourceType {
    /// As places name it: the last part of the type's name.
    var kind: String { rawValue.split(separator: ".").last.map(String.init) ?? rawValue }

    /// The resource that a mistake stands in, by the mark that reading it gave; nil when it is in a file.
    package static func resource(at mark: ConfigMark) -> (type: ResourceType, name: String)? {
        guard let space = mark.file.firstIndex(of: " ") else { return nil }
        let kind = mark.file[..<space]
        guard let type = allCases.first(where: { $0.kind == kind }) else { return nil }
        let name = String(mark.file[space...].dropFirst())
        return (type, name.replacing("%2F", with: "/"))
    }
}
