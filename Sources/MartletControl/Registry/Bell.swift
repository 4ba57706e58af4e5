/// Rings once for all that has happened since it was last heard.
struct Bell: Sendable {
    private let rings = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    func ring() { rings.continuation.yield() }

    /// For one listener. Ends with its task.
    var heard: AsyncStream<Void> { rings.stream }
}
