internal import MartletConfig
internal import MartletXDS

/// A resource by its type and name.
struct ResourceName: Hashable {
    let type: ResourceType
    let name: String

    init(_ type: ResourceType, _ name: String) {
        self.type = type
        self.name = name
    }

    /// The resource that a mistake was found in, by the mark that translation gave it. Nil: it is in the proxy's own file.
    init?(of error: ConfigError) {
        guard let (type, name) = ResourceType.resource(at: error.mark) else { return nil }
        self.init(type, name)
    }
}
