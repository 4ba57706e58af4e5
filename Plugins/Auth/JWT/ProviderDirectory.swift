internal import MartletCore
internal import Synchronization

/// The providers and key sets of the process, so that a reload takes over what it leaves unchanged. Holds none of them alive.
final class ProviderDirectory: Sendable {
    private struct Weak<Object: AnyObject & Sendable>: Sendable {
        weak var object: Object?
    }
    private struct State {
        var providers: [Weak<JWTProvider>] = []
        var keys: [Weak<RemoteKeys>] = []
    }
    // Taken while a configuration is loaded.
    private let state = Locked(State())

    /// The one there is already, or `new`.
    func provider(_ new: JWTProvider) -> JWTProvider {
        state.withLock { state in
            state.providers.removeAll { $0.object == nil }
            for known in state.providers {
                if let object = known.object, object.isSame(as: new) { return object }
            }
            state.providers.append(Weak(object: new))
            return new
        }
    }

    /// The keys that are fetched like this already, or new ones.
    func keys(_ settings: RemoteKeys.Settings) -> RemoteKeys {
        state.withLock { state in
            state.keys.removeAll { $0.object == nil }
            for known in state.keys {
                if let object = known.object, object.settings == settings { return object }
            }
            let new = RemoteKeys(settings)
            state.keys.append(Weak(object: new))
            return new
        }
    }
}
