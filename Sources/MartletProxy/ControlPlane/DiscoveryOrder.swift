/// What the supervisor asks of the worker that carries its stream to the control plane. Streams are numbered, so that what is
/// late about one is not taken for the next.
enum DiscoveryOrder: Sendable {
    case open(stream: Int, cluster: String, path: String, authority: String)
    case send(stream: Int, [UInt8])
    case close
}

/// What that worker tells.
enum DiscoveryNews: Sendable {
    case message(stream: Int, [UInt8])
    /// It is over, for that reason.
    case ended(stream: Int, String)
}
