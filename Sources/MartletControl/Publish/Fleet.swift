internal import MartletCore
internal import Synchronization

/// Where every proxy that is connected here stands: told by their streams, read by whoever asks.
package final class Fleet: Sendable {
    private let streams = Locked<[UInt64: ProxyStatus]>([:])

    package init() {}

    package func update(_ stream: UInt64, _ status: ProxyStatus) { streams.withLock { $0[stream] = status } }

    package func remove(_ stream: UInt64) { streams.withLock { _ = $0.removeValue(forKey: stream) } }

    package var proxies: [ProxyStatus] {
        streams.withLock { Array($0.values) }.sorted { ($0.namespace, $0.id) < ($1.namespace, $1.id) }
    }
}
