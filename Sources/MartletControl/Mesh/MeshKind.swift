/// What a mesh is made of, as the configuration language has it.
package enum MeshKind: String, Sendable, CaseIterable {
    case listeners, clusters, policies
    /// What gRPC's own clients ask for by name: routes without a listener.
    case services

    /// Of one.
    package var singular: String {
        switch self {
        case .listeners: "listener"
        case .clusters: "cluster"
        case .policies: "policy"
        case .services: "service"
        }
    }

    /// Takes either form.
    package init?(word: String) {
        guard let kind = Self.allCases.first(where: { $0.rawValue == word || $0.singular == word }) else { return nil }
        self = kind
    }
}
