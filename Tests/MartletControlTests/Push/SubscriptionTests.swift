import MartletControl
internal import MartletXDS
import Testing

@Suite("Which names a client wants")
struct SubscriptionTests {
    struct ListCase: CustomTestStringConvertible {
        let lists: [[String]]
        let wildcard: Bool
        let names: Set<String>
        var testDescription: String { "\(lists)" }
    }

    @Test(
        "State of the world: what lists of names mean one after the other, for listeners and clusters",
        arguments: [
            ListCase(lists: [[]], wildcard: true, names: []),
            ListCase(lists: [[], []], wildcard: true, names: []),
            ListCase(lists: [["a"], []], wildcard: false, names: []),
            ListCase(lists: [[], ["a"]], wildcard: false, names: ["a"]),
            ListCase(lists: [[], ["a"], []], wildcard: false, names: []),
            ListCase(lists: [["*"]], wildcard: true, names: []),
            ListCase(lists: [["*"], []], wildcard: false, names: []),
            ListCase(lists: [["*", "a"]], wildcard: true, names: ["a"]),
            ListCase(lists: [["*", "a"], ["a"]], wildcard: false, names: ["a"]),
            ListCase(lists: [[], ["*", "a"], ["*"]], wildcard: true, names: []),
            ListCase(lists: [["a", "a", "b"]], wildcard: false, names: ["a", "b"]),
        ])
    func lists(_ item: ListCase) {
        var subscription = Subscription()
        for list in item.lists { _ = subscription.replace(with: list, emptyMeansAll: true) }
        #expect(subscription.isWildcard == item.wildcard)
        #expect(subscription.names == item.names)
    }

    @Test("For other types no names are no names; `*` is all of them")
    func otherTypes() {
        var subscription = Subscription()
        _ = subscription.replace(with: [], emptyMeansAll: false)
        #expect(!subscription.isWildcard)
        _ = subscription.replace(with: ["*"], emptyMeansAll: false)
        #expect(subscription.isWildcard)
    }

    struct ChangeCase: CustomTestStringConvertible {
        /// Each: what is subscribed to, what is left.
        let changes: [([String], [String])]
        let wildcard: Bool
        let names: Set<String>
        var testDescription: String { "\(changes)" }
    }

    @Test(
        "Incremental: what changes mean one after the other, for listeners and clusters",
        arguments: [
            ChangeCase(changes: [([], [])], wildcard: true, names: []),
            ChangeCase(changes: [(["a"], [])], wildcard: false, names: ["a"]),
            ChangeCase(changes: [(["a"], []), ([], [])], wildcard: false, names: ["a"]),
            ChangeCase(changes: [(["a"], []), ([], ["a"])], wildcard: false, names: []),
            ChangeCase(changes: [([], []), (["a"], [])], wildcard: true, names: ["a"]),
            ChangeCase(changes: [([], []), (["a"], ["*"])], wildcard: false, names: ["a"]),
            ChangeCase(changes: [(["*", "a"], []), ([], ["a"])], wildcard: true, names: []),
            ChangeCase(changes: [(["*"], []), ([], ["*"]), (["*"], [])], wildcard: true, names: []),
            ChangeCase(changes: [(["a"], []), (["a"], ["a"])], wildcard: false, names: ["a"]),
            ChangeCase(changes: [(["a"], []), ([], ["b"])], wildcard: false, names: ["a"]),
        ])
    func changes(_ item: ChangeCase) {
        var subscription = Subscription()
        for (index, change) in item.changes.enumerated() {
            _ = subscription.change(subscribe: change.0, unsubscribe: change.1, emptyMeansAll: index == 0)
        }
        #expect(subscription.isWildcard == item.wildcard)
        #expect(subscription.names == item.names)
    }
}
