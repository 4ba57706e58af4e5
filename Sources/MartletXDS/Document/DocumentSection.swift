internal import MartletConfig
internal import MartletCore

/// A mapping of a document: its keys in order, each once.
package struct DocumentSection: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var key: String
        package var value: Document
    }

    package private(set) var entries: [Entry] = []

    package init() {}

    package init(_ entries: [(String, Document)]) {
        self.entries = entries.map { Entry(key: $0.0, value: $0.1) }
    }

    package var isEmpty: Bool { entries.isEmpty }
    var keys: [String] { entries.map(\.key) }

    /// Setting a key that is there changes its value in its place; a new one comes last. Nil takes it away.
    package subscript(key: String) -> Document? {
        get { entries.first { $0.key == key }?.value }
        set {
            let index = entries.firstIndex { $0.key == key }
            switch (index, newValue) {
            case (let index?, let value?): entries[index].value = value
            case (let index?, nil): entries.remove(at: index)
            case (nil, let value?): entries.append(Entry(key: key, value: value))
            case (nil, nil): break
            }
        }
    }

    /// The value of `key`, which is taken away.
    mutating func remove(_ key: String) -> Document? {
        defer { self[key] = nil }
        return self[key]
    }

    /// Sets a mapping under `key`, unless there is nothing in it.
    mutating func put(_ key: String, _ section: DocumentSection) {
        if !section.isEmpty { self[key] = .section(section) }
    }

    // MARK: Read as the configuration's own kinds do

    func text(_ key: String) -> String? { self[key]?.text }
    func section(_ key: String) -> DocumentSection? { self[key]?.section }
    func list(_ key: String) -> [Document]? { self[key]?.items }

    /// Texts, of which one need not be in a list.
    func texts(_ key: String) -> [String]? {
        guard let value = self[key] else { return nil }
        if let text = value.text { return [text] }
        return value.items?.compactMap(\.text)
    }

    func bool(_ key: String) -> Bool? { read(key, .bool) }
    func int(_ key: String) -> Int? { read(key, .int(in: .min ... .max)) }
    func double(_ key: String) -> Double? { read(key, .double(in: 0...1e12)) }
    func percent(_ key: String) -> Double? { read(key, .percent(in: 0...1e6)) }
    func duration(_ key: String) -> Duration? { read(key, .duration(in: .zero ... .seconds(1_000_000_000))) }
    func size(_ key: String) -> Int? { read(key, .size(in: 0...ByteCount(Int(Int32.max) * 1024))).map(\.bytes) }

    private func read<Value>(_ key: String, _ kind: ConfigScalar<Value>) -> Value? {
        guard let text = text(key) else { return nil }
        return try? kind.parse(text).get()
    }
}
