internal import MartletConfig

/// Which actions a pressure calls for: each begins at its threshold and ends when the pressure is `hysteresis` below it, so
/// that one at a threshold does not come and go with every look. Pure.
struct OverloadStages {
    private let stages: [(action: OverloadActions, threshold: Double)]
    private let hysteresis: Double
    private(set) var active: OverloadActions = []

    init(_ config: MemoryOverloadConfig) {
        stages = [
            (.disableKeepAlive, config.disableKeepAlive), (.shrinkBuffers, config.shrinkBuffers),
            (.closeIdle, config.closeIdle),
            (.refuseConnections, config.refuseConnections), (.refuseRequests, config.refuseRequests),
            (.resetStreams, config.resetStreams),
        ]
        hysteresis = config.hysteresis
        relief = config.resetStreams - config.hysteresis
    }

    /// The pressure that resets end at.
    let relief: Double

    /// The pressure at which the first action begins.
    var first: Double { stages.map(\.threshold).min() ?? 1 }

    /// - Parameter pressure: the share of the limit in use.
    mutating func update(_ pressure: Double) -> OverloadActions {
        for (action, threshold) in stages {
            if pressure >= threshold {
                active.insert(action)
            } else if pressure < threshold - hysteresis {
                active.remove(action)
            }
        }
        return active
    }

    /// After the thresholds were changed: what is active stays so until the pressure says otherwise.
    mutating func takeOver(_ other: OverloadStages) { active = other.active }
}
