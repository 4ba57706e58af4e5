internal import MartletConfig
internal import MartletXDSMessages
internal import SwiftProtobuf

/// Why nothing is lost: whatever the fields of a message make of a section, what they leave of it is taken down beside them,
/// by comparing, and put over it again on the way back.
extension DocumentSection {
    /// Mappings whose keys are the operator's own, and whose order means something.
    private static let ordered: Set<String> = ["filters", "lua", "headers", "data", "modules"]

    /// What has to be put over `known` to get this section. Nil: nothing.
    func rest(over known: DocumentSection, isOrdered: Bool = false) -> Martlet_Config_V1_Section? {
        var rest = Martlet_Config_V1_Section()
        for entry in entries {
            guard let there = known[entry.key] else {
                rest.entries.append(.init(entry.key, Martlet_Config_V1_Value(entry.value)))
                continue
            }
            if entry.value.says(there) { continue }
            guard let section = entry.value.section, let other = there.section else {
                rest.entries.append(.init(entry.key, Martlet_Config_V1_Value(entry.value)))
                continue
            }
            if let part = section.rest(over: other, isOrdered: Self.ordered.contains(entry.key)) {
                rest.entries.append(.init(entry.key, .with { $0.mapping = part }))
            }
        }
        rest.absent = known.keys.filter { self[$0] == nil }
        if isOrdered {
            var merged = known
            merged.put(over: rest)
            if merged.keys != keys { rest.order = keys }
        }
        return rest == Martlet_Config_V1_Section() ? nil : rest
    }

    /// The opposite of `rest(over:)`.
    mutating func put(over rest: Martlet_Config_V1_Section) {
        for key in rest.absent { self[key] = nil }
        for entry in rest.entries {
            if case .mapping(let part) = entry.value.kind, var section = self[entry.key]?.section {
                section.put(over: part)
                self[entry.key] = .section(section)
            } else {
                self[entry.key] = Document(entry.value)
            }
        }
        guard !rest.order.isEmpty else { return }
        var sorted = DocumentSection()
        for key in rest.order + keys { sorted[key] = self[key] }
        self = sorted
    }
}

extension Document {
    /// Whether a field that has become `other` says the same: text for text, whatever the quotes, which count only where
    /// nobody knows the kind; and times and sizes by what they come to, `1000ms` for `1s`.
    func says(_ other: Document) -> Bool {
        switch (self, other) {
        case (.scalar(let left, _), .scalar(let right, _)): left == right || Self.amount(left, right)
        case (.list(let left), .list(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.says($1) }
        case (.section(let left), .section(let right)):
            left.keys == right.keys && zip(left.entries, right.entries).allSatisfy { $0.value.says($1.value) }
        case (.null, .section(let section)), (.section(let section), .null): section.isEmpty
        case (.null, .null): true
        default: false
        }
    }

    private static func amount(_ left: String, _ right: String) -> Bool {
        let isNumber = { (text: String) in text.utf8.first.map { (0x30...0x39).contains($0) } ?? false }
        guard isNumber(left), isNumber(right) else { return false }
        let (left, right) = (DocumentSection([("", .text(left))]), DocumentSection([("", .text(right))]))
        if let one = left.duration(""), let other = right.duration("") { return one == other }
        if let one = left.size(""), let other = right.size("") { return one == other }
        if let one = left.percent(""), let other = right.percent("") { return one == other }
        return false
    }
}

// MARK: Messages

extension Martlet_Config_V1_Entry {
    init(_ key: String, _ value: Martlet_Config_V1_Value) {
        self.init()
        self.key = key
        self.value = value
    }
}

extension Martlet_Config_V1_Value {
    init(_ document: Document) {
        self.init()
        switch document {
        case .null: null = Martlet_Config_V1_Null()
        case .scalar(let text, plain: true): plain = text
        case .scalar(let text, plain: false): self.text = text
        case .list(let items): list.items = items.map { Martlet_Config_V1_Value($0) }
        case .section(let section): mapping = Martlet_Config_V1_Section(section)
        }
        // An empty list or mapping must be there all the same.
        if case .list(let items) = document, items.isEmpty { list = Martlet_Config_V1_List() }
    }
}

extension Martlet_Config_V1_Section {
    init(_ section: DocumentSection) {
        self.init()
        entries = section.entries.map { Martlet_Config_V1_Entry($0.key, Martlet_Config_V1_Value($0.value)) }
    }
}

extension Document {
    init(_ message: Martlet_Config_V1_Value) {
        switch message.kind {
        case .null, nil: self = .null
        case .text(let text): self = .scalar(text, plain: false)
        case .plain(let text): self = .scalar(text, plain: true)
        case .list(let list): self = .list(list.items.map { Document($0) })
        case .mapping(let section): self = .section(DocumentSection(section))
        }
    }
}

extension DocumentSection {
    /// A whole mapping. Of a key that is there twice the first counts.
    init(_ message: Martlet_Config_V1_Section) {
        var seen: Set<String> = []
        self.init(
            message.entries.compactMap { entry in
                seen.insert(entry.key).inserted ? (entry.key, Document(entry.value)) : nil
            })
    }
}
