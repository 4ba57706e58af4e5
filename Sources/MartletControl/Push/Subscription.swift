internal import MartletXDS

/// The names of one type that a client wants on one stream.
package struct Subscription: Sendable {
    package private(set) var isWildcard = false
    /// Without `*`.
    package private(set) var names: Set<String> = []
    /// An empty list means all only as long as no name was ever sent; after that it means none.
    private var everNamed = false

    static let wildcard = "*"

    /// What a request changed.
    package struct Change: Equatable {
        package var becameWildcard = false
        /// Not covered before.
        package var added: [String] = []
        /// Covered, and asked for again.
        package var askedAgain: [String] = []
        /// Something may have gone out of scope.
        package var narrowed = false
    }

    package init() {}

    package func covers(_ name: String) -> Bool { isWildcard || names.contains(name) }

    /// State of the world: the list is all that the client wants.
    package mutating func replace(with list: [String], emptyMeansAll: Bool) -> Change {
        let before = self
        everNamed = everNamed || !list.isEmpty
        isWildcard = list.contains(Self.wildcard) || (!everNamed && emptyMeansAll)
        names = Set(list)
        names.remove(Self.wildcard)
        var change = Change()
        change.becameWildcard = isWildcard && !before.isWildcard
        change.added = names.filter { !before.covers($0) }.sorted()
        change.narrowed = (before.isWildcard && !isWildcard) || !names.isSuperset(of: before.names)
        return change
    }

    /// Incremental. A name in both lists was left and taken up again.
    /// - Parameter emptyMeansAll: it is the first request, of a type for which no names mean all.
    package mutating func change(
        subscribe: [String], unsubscribe: [String], emptyMeansAll: Bool
    ) -> Change {
        var change = Change()
        if emptyMeansAll, subscribe.isEmpty, !isWildcard {
            isWildcard = true
            change.becameWildcard = true
        }
        for name in unsubscribe {
            if name == Self.wildcard {
                change.narrowed = change.narrowed || isWildcard
                isWildcard = false
            } else if names.remove(name) != nil {
                change.narrowed = true
            }
        }
        // The client drops what it leaves. What `*` still covers it would then be without, unless it is told.
        if isWildcard { change.askedAgain = unsubscribe.filter { $0 != Self.wildcard } }
        // `*` asked for again means all of it.
        if subscribe.contains(Self.wildcard) {
            isWildcard = true
            change.becameWildcard = true
        }
        for name in subscribe where name != Self.wildcard {
            if names.insert(name).inserted && !isWildcard {
                change.added.append(name)
            } else {
                change.askedAgain.append(name)
            }
        }
        return change
    }
}
