import MartletControl
internal import MartletXDS
import Testing

/// A stream and a client's bookkeeping of nonces, so that a test reads as what is asked and what comes.
struct StreamDriver {
    var stream: DiscoveryStream
    var events: [StreamEvent] = []
    private var isOpened = false
    /// By type: the newest response.
    private(set) var newest: [ResourceType: PushResponse] = [:]
    private(set) var accepted: [ResourceType: String] = [:]
    private var names: [ResourceType: [String]] = [:]

    init(_ variant: DiscoveryStream.Variant, _ resources: [Resource] = [], after previous: Snapshot = Snapshot()) throws
    {
        stream = DiscoveryStream(variant, snapshot: try Snapshot(resources, after: previous))
    }

    /// What a response is, in a line: `Cluster +a:1 +b:1 -c`.
    static func line(_ response: PushResponse) -> String {
        let type = response.type.typeURL.split(separator: ".").last ?? ""
        return
            ([String(type)] + response.resources.map { "+\($0.name):\($0.version)" }
            + response.removed.map { "-\($0)" }).joined(separator: " ")
    }

    private mutating func take(_ output: StreamOutput) -> [String] {
        events += output.events
        for response in output.responses { newest[response.type] = response }
        return output.responses.map(Self.line)
    }

    private mutating func node() -> ProxyNode? {
        defer { isOpened = true }
        return isOpened ? nil : ProxyNode(id: "p1")
    }

    mutating func publish(_ resources: [Resource]) throws -> [String] {
        take(stream.publish(try Snapshot(resources, after: stream.snapshot)))
    }

    mutating func resumed() -> [String] { take(stream.resumed()) }

    // MARK: State of the world

    /// All names that are wanted, with the nonce that came last.
    mutating func want(_ type: ResourceType, _ names: [String] = [], version: String? = nil, nonce: String? = nil)
        -> [String]
    {
        self.names[type] = names
        return take(
            stream.receive(
                DiscoveryRequest(
                    node: node(), typeURL: type.typeURL, names: names, version: version ?? accepted[type] ?? "",
                    nonce: nonce ?? newest[type]?.nonce ?? "")))
    }

    // MARK: Incremental

    mutating func change(
        _ type: ResourceType, subscribe: [String] = [], unsubscribe: [String] = [], known: [String: String] = [:],
        nonce: String = ""
    ) -> [String] {
        take(
            stream.receive(
                DeltaRequest(
                    node: node(), typeURL: type.typeURL, subscribe: subscribe, unsubscribe: unsubscribe,
                    initialVersions: known, nonce: nonce)))
    }

    // MARK: Both

    mutating func acknowledge(_ type: ResourceType) throws -> [String] {
        let response = try #require(newest[type])
        accepted[type] = response.version
        return answer(response, nil)
    }

    mutating func refuse(_ type: ResourceType, _ message: String = "it is bad") throws -> [String] {
        answer(try #require(newest[type]), ErrorDetail(message: message))
    }

    private mutating func answer(_ response: PushResponse, _ error: ErrorDetail?) -> [String] {
        let url = response.type.typeURL
        switch stream.variant {
        case .stateOfTheWorld:
            return take(
                stream.receive(
                    DiscoveryRequest(
                        typeURL: url, names: names[response.type] ?? [], version: accepted[response.type] ?? "",
                        nonce: response.nonce, error: error)))
        case .delta:
            return take(stream.receive(DeltaRequest(typeURL: url, nonce: response.nonce, error: error)))
        }
    }
}
