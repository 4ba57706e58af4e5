import MartletControl

/// A proxy that a publisher tells what it is to have, without a session of it.
struct Membership {
    let id: UInt64
    /// Of what comes while nobody asks, the newest.
    let publications: AsyncStream<Publication>
}

extension Publisher {
    func join(_ proxy: ProxyIdentity) -> Membership {
        let (stream, continuation) = AsyncStream.makeStream(of: Publication.self, bufferingPolicy: .bufferingNewest(1))
        let id = join(proxy) { publication in
            if let publication { continuation.yield(publication) } else { continuation.finish() }
        }
        return Membership(id: id, publications: stream)
    }
}
