internal import MartletConfig

extension Document {
    /// Mappings from names of the operator's, which are written in their order.
    private static let ordered: Set<String> = [
        "providers", "context", "set", "add", "add_if_absent", "claim_to_headers",
    ]

    /// Whether it says the same to the filter whose settings both are, which knows the kinds of its values: as `says`, in whatever
    /// order the keys are, and one value may stand without a list.
    func means(_ other: Document) -> Bool {
        switch (self, other) {
        case (.list(let left), .list(let right)):
            return left.count == right.count && zip(left, right).allSatisfy { $0.means($1) }
        case (.list(let items), .scalar), (.scalar, .list(let items)):
            guard items.count == 1, let item = items.first else { return false }
            if case .list = self { return item.means(other) }
            return means(item)
        case (.section(let left), .section(let right)):
            let (left, right) = (left.withoutPresence, right.withoutPresence)
            return left.entries.count == right.entries.count
                && left.entries.allSatisfy { entry in
                    guard let value = right[entry.key] else { return false }
                    let isInOrder =
                        !Self.ordered.contains(entry.key) || entry.value.section?.keys == value.section?.keys
                    return isInOrder && entry.value.means(value)
                }
        default: return says(other)
        }
    }
}

extension DocumentSection {
    /// A test of a header asks that it is there, unless it asks for more.
    fileprivate var withoutPresence: DocumentSection {
        guard let present = self["present"], self["name"] != nil, bool("present") == true, present.text != nil else {
            return self
        }
        return without(DocumentSection([("present", present)]))
    }

    /// Without what it says that is so anyway.
    func without(_ defaults: DocumentSection) -> DocumentSection {
        var rest = self
        for entry in defaults.entries where self[entry.key]?.means(entry.value) ?? false { rest[entry.key] = nil }
        return rest
    }

    /// The same with the settings of filters as `known` spells them, where that means the same: then they need not be told beside it.
    func spellingFilters(as known: DocumentSection) -> DocumentSection {
        var section = self
        switch (self["filters"], known["filters"]) {
        case (.list(let own), .list(let theirs)) where own.count == theirs.count:
            section["filters"] = .list(
                zip(own, theirs).map { item, other in
                    guard let entry = item.section?.entries.first,
                        let value = other.text == entry.key ? .null : other.section?[entry.key]
                    else { return item }
                    return EnvoyFilters.mean(entry.key, entry.value, value) ? other : item
                })
        case (.section(let own), .section(let theirs)):
            var filters = own
            for entry in own.entries {
                if let value = theirs[entry.key], EnvoyFilters.mean(entry.key, entry.value, value) {
                    filters[entry.key] = value
                }
            }
            section["filters"] = .section(filters)
        default: break
        }
        return section
    }
}
