internal import MartletConfig
internal import MartletFilter

/// A filter kind without its types.
struct AnyKind: Sendable {
    let name: String
    let decode: @Sendable (ConfigSection, LoadContext) -> DecodedConfig?
    let decodeRoute: @Sendable (ConfigSection, DecodedConfig, LoadContext) -> DecodedConfig?
    let routeOff: @Sendable (DecodedConfig) -> DecodedConfig?
    let proofs: Set<Identity.Proof>
    let make: @Sendable (DecodedConfig, FilterContext) -> (any Filter)?

    init<Kind: FilterKind>(_ kind: Kind) {
        name = kind.name
        decode = { kind.decode($0, $1).map { DecodedConfig($0) } }
        decodeRoute = { section, config, load in
            guard let config = config.value as? Kind.Config else { return nil }
            return kind.decodeRoute(section, config, load).map { DecodedConfig($0) }
        }
        routeOff = { config in
            (config.value as? Kind.Config).flatMap { kind.routeOff($0) }.map { DecodedConfig($0) }
        }
        proofs = kind.proofs
        // The host gives back to a kind only what it got from it.
        make = { config, context in (config.value as? Kind.Config).map { kind.makeFilter($0, context) } }
    }
}
