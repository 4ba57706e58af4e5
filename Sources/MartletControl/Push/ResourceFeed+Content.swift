internal import MartletXDS

/// What goes into a response.
extension ResourceFeed {
    /// Names the content that the client has once it accepts: the table's version when that is all of it, another one while
    /// some of it waits. So a version never stands for two contents, on whatever stream.
    func version(sending items: [String: Resource?]) -> String {
        var digest = table.digest
        for (name, difference) in differences where items[name] == nil {
            digest = digest &- (table[name]?.digest ?? 0) &+ difference.held.digest(name)
        }
        return ResourceTable.version(digest)
    }

    /// All that the client is to have after it: what waits is there as the client has it.
    func fullState(sending items: [String: Resource?]) -> [Resource] {
        if subscription.isWildcard, differences.count == items.count { return table.resources }
        let differing = differences.filter { items[$0.key] == nil }
        var content: [Resource]
        if subscription.isWildcard {
            content = table.resources.filter { differing[$0.name] == nil }
        } else {
            content = subscription.names.compactMap { differing[$0] == nil ? table[$0] : nil }
        }
        content += differing.values.compactMap(\.held.resource)
        return content.sorted { $0.name < $1.name }
    }
}
