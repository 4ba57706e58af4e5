/// A shop with a policy, and a change of that policy alone.
enum TeamPolicy {
    static let shop = """
        listeners: [{ name: public, address: 127.0.0.1:18080, filters: [{ lua: { policy: team } }, router], routes: [{ match: {}, cluster: api }] }]
        clusters: [{ name: api, endpoints: ["127.0.0.1:9001"] }]
        policies: [{ name: team, inline: "function on_request(h) h:headers():add('x-team', 'old') end" }]
        """

    static let change =
        "policies: [{ name: team, inline: \"function on_request(h) h:headers():add('x-team', 'new') end\" }]"
}
