/// Why a store did not do what it was asked.
package enum StoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The document is not what the transaction expected: nothing was changed.
    /// - Parameter actual: the revision that wrote it last; nil when there is none.
    case conflict(DocumentKey, actual: Revision?)
    /// What is asked for is no longer kept. Reading can go on at `oldest` and after it, watching after `oldest` less one.
    case compacted(oldest: Revision)
    /// That revision has not been yet.
    case future(Revision, latest: Revision)
    case invalidKey(String)
    case invalidTransaction(String)
    /// Another process has the store open.
    case inUse(String)
    case closed
    /// The storage failed. Whether a transaction took place is not known.
    case unavailable(String)

    package var description: String {
        switch self {
        case .conflict(let key, .some(let actual)): "\(key) was changed meanwhile: it is at revision \(actual)"
        case .conflict(let key, .none): "\(key) does not exist"
        case .compacted(let oldest): "the history before revision \(oldest) is no longer kept"
        case .future(let revision, let latest): "there is no revision \(revision) yet, the latest is \(latest)"
        case .invalidKey(let part):
            "\"\(part)\" is no part of a key: it takes 1 to \(DocumentKey.limit) printable ASCII characters without spaces and /"
        case .invalidTransaction(let why): "the transaction is not valid: \(why)"
        case .inUse(let path): "\(path) is in use by another process"
        case .closed: "the store is closed"
        case .unavailable(let why): "the store does not work: \(why)"
        }
    }
}
