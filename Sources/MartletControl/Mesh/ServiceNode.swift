internal import MartletConfig

/// A service is `name` and where its calls go: `cluster`, or `routes` as a listener has them.
extension ConfigNode {
    static let serviceKeys = ["name", "cluster", "routes"]

    /// The listener that would do the same: by its code a service is checked, and its resources are made.
    var serviceListener: ConfigNode {
        var listener = self
        var entries = (entries ?? []).filter { $0.key != "cluster" }
        func add(_ key: String, _ value: ConfigNode) {
            entries.append(Entry(key: key, keyMark: mark, value: value))
        }
        func here(_ content: Content) -> ConfigNode { ConfigNode(content, mark: mark, path: path) }
        if let cluster = self["cluster"] {
            let route = here(
                .mapping([
                    Entry(key: "match", keyMark: mark, value: here(.mapping([]))),
                    Entry(key: "cluster", keyMark: mark, value: cluster),
                ]))
            add("routes", here(.list([route])))
        }
        // Nobody listens there, and no two have the same port 0.
        add("address", here(.scalar("127.0.0.1:0", plain: false)))
        add("filters", here(.list([here(.scalar("router", plain: true))])))
        listener.content = .mapping(entries)
        return listener
    }
}
