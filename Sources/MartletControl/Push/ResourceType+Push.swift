internal import MartletXDS

// MartletControl is the control plane: what proxies are told, in which order (Push), and where that is kept (Store).

extension ResourceType {
    /// Its place in `allCases`.
    var ordinal: Int {
        switch self {
        case .cluster: 0
        case .endpoints: 1
        case .secret: 2
        case .listener: 3
        case .routes: 4
        case .extension: 5
        }
    }

    /// The types whose resources may refer to one of this type: it is removed after them.
    var referrers: [ResourceType] {
        switch self {
        case .cluster: [.listener, .routes, .extension]
        case .endpoints: [.cluster]
        case .secret: [.cluster, .listener, .extension]
        case .routes, .extension: [.listener]
        case .listener: []
        }
    }

    /// What a proxy must have been sent before it uses a new version of a resource of this type ("warming").
    var warmedBy: ResourceType? {
        switch self {
        case .cluster: .endpoints
        case .listener: .routes
        default: nil
        }
    }
}
