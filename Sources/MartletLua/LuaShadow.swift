internal import CLua
internal import MartletCore
internal import MartletFilter
internal import MartletHTTP

/// A policy in shadow mode: copies of what it may change, and notes of what it would have done. The exchange goes its way
/// without it.
final class LuaShadow {
    private let request = HeaderTable()
    private let response = HeaderTable()
    private let trailers = HeaderTable()
    private(set) var notes: [String] = []
    private(set) var body: [UInt8] = []
    private(set) var isBodyWhole = false
    /// What the policy set for itself and others, which only it sees.
    var metadata: [String: [String: [UInt8]]] = [:]
    var filterState: [String: [UInt8]] = [:]
    /// The script waits for the whole body: pieces are copied as they pass.
    var copiesBody = false

    private static let maxNotes = 20
    private static let maxNote = 200

    func begin(_ exchange: Exchange, isResponse: Bool) {
        if isResponse { response.copy(from: exchange.response.headers) }
        request.copy(from: exchange.request.headers)
        body = []
        isBodyWhole = false
        copiesBody = false
    }

    func table(_ map: Int32) -> HeaderTable {
        switch Int(map) {
        case MRT_MAP_REQUEST: request
        case MRT_MAP_RESPONSE: response
        default: trailers
        }
    }

    func note(_ text: String) {
        guard notes.count < Self.maxNotes else { return }
        notes.append(String(text.prefix(Self.maxNote)))
    }

    func note(_ kind: Int32, _ name: Span<UInt8>, _ value: Span<UInt8>) {
        let text = Self.isSecret(name) ? "(\(value.count) bytes)" : value.string()
        switch Int(kind) {
        case MRT_EDIT_ADD: note("add \(name.string()): \(text)")
        case MRT_EDIT_REPLACE: note("set \(name.string()): \(text)")
        case MRT_EDIT_REMOVE: note("remove \(name.string())")
        default: note("reason \(value.string())")
        }
    }

    /// Credentials have no place in an access log.
    private static func isSecret(_ name: Span<UInt8>) -> Bool {
        switch HeaderName(name.string())?.id {
        case .authorization, .proxyAuthorization, .cookie, .setCookie: true
        default: false
        }
    }

    func copy(trailers: HeaderTable) { self.trailers.copy(from: trailers) }

    /// False when the body is larger than a policy may see whole.
    func copy(_ chunk: BodyChunk, limit: Int) -> Bool {
        guard copiesBody, !isBodyWhole else { return true }
        guard body.count + chunk.count <= limit else { return false }
        body.append(contentsOf: chunk.slice.array())
        isBodyWhole = chunk.isLast
        return true
    }

    func endBody() { isBodyWhole = true }

    func replaceBody(_ bytes: [UInt8]) {
        body = bytes
        note("body of \(bytes.count) bytes")
    }

    func takeNotes() -> [String] {
        defer { notes = [] }
        return notes
    }
}
