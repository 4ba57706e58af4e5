/// What the process does to stay alive, from the mildest on.
struct OverloadActions: OptionSet, Sendable, Hashable {
    let rawValue: UInt32

    /// Every connection closes behind its response, so that clients come back elsewhere.
    static let disableKeepAlive = OverloadActions(rawValue: 1 << 0)
    /// Exchanges that run or begin now queue no more than `shrunkBuffer` for a side that does not take it.
    static let shrinkBuffers = OverloadActions(rawValue: 1 << 5)
    /// Connections without a request are closed.
    static let closeIdle = OverloadActions(rawValue: 1 << 1)
    /// New connections are closed as they come.
    static let refuseConnections = OverloadActions(rawValue: 1 << 2)
    /// New requests are answered 503.
    static let refuseRequests = OverloadActions(rawValue: 1 << 3)
    /// The requests that hold most are given up, as many as it takes.
    static let resetStreams = OverloadActions(rawValue: 1 << 4)

    /// Bytes.
    static let shrunkBuffer = 65_536

    /// With their names in metrics and logs.
    static let all: [(action: OverloadActions, name: String)] = [
        (.disableKeepAlive, "disable_keepalive"), (.shrinkBuffers, "shrink_buffers"), (.closeIdle, "close_idle"),
        (.refuseConnections, "refuse_connections"), (.refuseRequests, "refuse_requests"),
        (.resetStreams, "reset_streams"),
    ]

    var names: String {
        isEmpty ? "none" : Self.all.filter { contains($0.action) }.map(\.name).joined(separator: ", ")
    }
}
