internal import MartletCore

/// What a client refused of one type, so that it is not sent again.
///
/// A refusal is of a response as a whole and says in words what was wrong. Resources that its text names are taken to be the
/// bad ones, and the rest goes out again without them: one bad cluster does not keep the others from a proxy. When the text
/// names none, the same set is not sent again, and any other is.
struct Refusals: Sendable {
    /// By name: the version that was refused; empty: the removal.
    private var blamed: [String: String] = [:]
    private var set: UInt64?

    func blames(_ name: String, _ target: Resource?) -> Bool {
        !blamed.isEmpty && blamed[name] == (target?.version ?? "")
    }

    func covers(_ items: [String: Resource?]) -> Bool { set != nil && set == Self.digest(items) }

    mutating func add(_ items: [String: Resource?], _ text: String) {
        set = Self.digest(items)
        guard items.count > 1 else { return }
        let words = Self.words(text)
        for (name, resource) in items where words.contains(name) { blamed[name] = resource?.version ?? "" }
    }

    mutating func accepted(_ items: [String: Resource?]) {
        set = nil
        guard !blamed.isEmpty else { return }
        for name in items.keys { blamed[name] = nil }
    }

    /// Versions that nobody is to have any more need not be remembered.
    mutating func keep(_ isKept: (_ name: String, _ version: String) -> Bool) {
        guard !blamed.isEmpty else { return }
        blamed = blamed.filter { isKept($0.key, $0.value) }
    }

    private static func digest(_ items: [String: Resource?]) -> UInt64 {
        items.reduce(UInt64(items.count)) { $0 &+ ($1.value?.digest ?? Resource.digest($1.key, "")) }
    }

    /// What may be a name: cut at what no name has in it, and once more without the punctuation that may follow a word.
    private static func words(_ text: String) -> Set<String> {
        var words: Set<String> = []
        for piece in text.split(whereSeparator: { " \t\n'\"`,;()[]{}<>=".contains($0) }) {
            words.insert(String(piece))
            let bare = piece.reversed().drop { ".:!?".contains($0) }.reversed()
            words.insert(String(bare))
        }
        return words
    }
}
