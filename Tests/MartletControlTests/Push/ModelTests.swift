internal import MartletXDS
import Testing

@testable import MartletControl

@Suite("Random snapshots and a correct client")
struct ModelTests {
    struct Case: CustomTestStringConvertible {
        let variant: DiscoveryStream.Variant
        let style: SimulatedClient.Style
        let isStrict: Bool
        var testDescription: String { "\(variant) \(style)\(isStrict ? " strict" : "")" }
    }

    static let cases = [DiscoveryStream.Variant.stateOfTheWorld, .delta].flatMap { variant in
        SimulatedClient.Style.allCases.flatMap { style in
            [true, false].map { Case(variant: variant, style: style, isStrict: $0) }
        }
    }

    /// SplitMix64: a failure is found again by its seed.
    struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    /// A consistent mesh of a few names, so that the same ones come, change and go all the time.
    private static func mesh(_ dice: inout Dice, mayBeBad: Bool) -> [Resource] {
        func make(_ type: ResourceType, _ name: String, _ references: [Reference], _ dice: inout Dice) -> Resource {
            let isBad = mayBeBad && Int.random(in: 0..<12, using: &dice) == 0
            // The version tells the content, so it has the references in it.
            let content = references.map { "\($0.type.ordinal)\($0.name)" }.joined(separator: "+")
            let version = "\(Int.random(in: 0..<3, using: &dice))/\(content)\(isBad ? "/bad" : "")"
            return Resource(type, name, version: version, body: isBad ? Array("bad".utf8) : [], references: references)
        }
        var resources: [Resource] = []
        var clusters: [String] = []
        for index in 0..<5 where Bool.random(using: &dice) || index == 0 {
            let name = "c\(index)"
            clusters.append(name)
            var references: [Reference] = []
            if index != 4 { references = [Reference(.endpoints, "e\(index / 2 * 2)")] }
            resources.append(make(.cluster, name, references, &dice))
        }
        for index in [0, 2] { resources.append(make(.endpoints, "e\(index)", [], &dice)) }
        var routes: [String] = []
        for index in 0..<3 where Bool.random(using: &dice) || index == 0 {
            routes.append("r\(index)")
            let targets = Set((0..<2).compactMap { _ in clusters.randomElement(using: &dice) })
            resources.append(make(.routes, "r\(index)", targets.sorted().map { Reference(.cluster, $0) }, &dice))
        }
        for name in SimulatedClient.roots where Int.random(in: 0..<4, using: &dice) > 0 {
            var references = [Reference(.routes, routes.randomElement(using: &dice) ?? "r0")]
            if Bool.random(using: &dice) {
                references = [Reference(.cluster, clusters.randomElement(using: &dice) ?? "c0")]
            }
            resources.append(make(.listener, name, references, &dice))
        }
        return resources
    }

    private struct Run {
        var stream: DiscoveryStream
        var client: SimulatedClient
        var responses: [PushResponse] = []
        var sent = 0
        var trace: [String] = []

        mutating func take(_ output: StreamOutput) {
            responses += output.responses
            sent += output.responses.count
            for event in output.events {
                if case .violation = event { client.complaints.append("\(event)") }
            }
        }

        mutating func deliverRequest() {
            trace.append("  < \(client.requests[0])".replacing("type.googleapis.com/envoy.config.", with: ""))
            switch client.requests.removeFirst() {
            case .full(let request): take(stream.receive(request))
            case .delta(let request): take(stream.receive(request))
            }
        }

        mutating func deliverResponse() {
            let response = responses.removeFirst()
            trace.append("> \(response.nonce) " + StreamDriver.line(response))
            client.receive(response)
        }

        mutating func settle() {
            var steps = 0
            while !client.requests.isEmpty || !responses.isEmpty {
                if client.requests.isEmpty { deliverResponse() } else { deliverRequest() }
                steps += 1
                guard steps < 5000 else {
                    client.complaints.append("never comes to rest")
                    continue
                }
            }
        }
    }

    private static func run(_ item: Case, seed: UInt64) throws -> Run {
        var dice = Dice(state: seed)
        var snapshot = try Snapshot(mesh(&dice, mayBeBad: false))
        var run = Run(
            stream: DiscoveryStream(item.variant, snapshot: snapshot),
            client: SimulatedClient(item.variant, item.style, isStrict: item.isStrict))
        run.client.connect()
        for _ in 0..<Int.random(in: 20..<120, using: &dice) {
            switch Int.random(in: 0..<20, using: &dice) {
            case 0..<8: if !run.client.requests.isEmpty { run.deliverRequest() }
            case 8..<16: if !run.responses.isEmpty { run.deliverResponse() }
            case 16..<19:
                snapshot = try Snapshot(mesh(&dice, mayBeBad: true), after: snapshot)
                run.trace.append("publish")
                run.take(run.stream.publish(snapshot))
            default:
                run.trace.append("reconnect")
                run.responses = []
                run.stream = DiscoveryStream(item.variant, snapshot: snapshot)
                // A server cannot lead on a client of which it does not know what it has.
                if item.variant == .stateOfTheWorld { run.client.isContinuous = false }
                run.client.connect()
            }
        }
        snapshot = try Snapshot(mesh(&dice, mayBeBad: false), after: snapshot)
        run.trace.append("publish")
        run.take(run.stream.publish(snapshot))
        run.settle()
        run.take(run.stream.resumed())
        run.settle()
        return run
    }

    private static func check(_ run: Run) -> [String] {
        var faults = run.client.complaints
        for type in SimulatedClient.types {
            let table = run.stream.snapshot.table(type)
            let wanted = run.client.wanted(type)
            let expected = table.resources.filter { wanted?.contains($0.name) ?? true }
                .map { "\(type) \($0.name) \($0.version)" }
            let held = (run.client.caches[type]?.held ?? [:]).values.map { "\(type) \($0.name) \($0.version)" }
            if Set(held) != Set(expected) { faults.append("has \(held.sorted()), should have \(expected)") }
            if let active = run.client.active[type] {
                let active = active.values.map { "\(type) \($0.name) \($0.version)" }
                if Set(active) != Set(held) { faults.append("uses \(active.sorted()), has \(held.sorted())") }
            }
            let feed = run.stream.feeds[type.ordinal]
            if !feed.differences.isEmpty { faults.append("\(type): differences are left: \(feed.differences)") }
            if feed.outstanding != nil { faults.append("\(type): a response is not answered") }
            if !feed.warming.isEmpty { faults.append("\(type): still warming: \(feed.warming)") }
        }
        return faults
    }

    @Test("It ends with what the last snapshot has, and never had to fail a request", arguments: cases)
    func converges(_ item: Case) throws {
        for seed in 0..<UInt64(120) {
            let run = try Self.run(item, seed: seed)
            let faults = Self.check(run)
            guard faults.isEmpty else {
                Issue.record("seed \(seed):\n\(faults.joined(separator: "\n"))\n\(run.trace.joined(separator: "\n"))")
                continue
            }
        }
    }
}
