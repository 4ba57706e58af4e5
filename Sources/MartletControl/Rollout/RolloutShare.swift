/// Which proxies of a namespace a stage is for. As text: `2`, `25%`, or conditions as `zone=eu-1,label.tier=edge`.
package enum RolloutShare: Sendable, Equatable {
    case count(Int)
    /// In a hundred of those that the change concerns; one at least.
    case percent(Double)
    case selected(ProxySelector)

    /// Why a text is no share.
    package struct Mistake: Error, CustomStringConvertible {
        package let description: String
    }

    package init(_ text: String) throws(Mistake) {
        if let count = Int(text), (1...1_000_000).contains(count), text.first != "+" {
            self = .count(count)
        } else if text.hasSuffix("%"), let percent = Double(text.dropLast()), percent > 0, percent <= 100 {
            self = .percent(percent)
        } else if text.contains("=") {
            self = .selected(try Self.selector(text))
        } else {
            throw Mistake(
                description:
                    "\"\(text.prefix(60))\" is no share of proxies: write a number as 2, a percentage from 0 to 100 as 25%, or conditions as zone=eu-1,label.tier=edge"
            )
        }
    }

    private static func selector(_ text: String) throws(Mistake) -> ProxySelector {
        var selector = ProxySelector()
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2, !sides[1].isEmpty else {
                throw Mistake(description: "\"\(part.prefix(60))\" is no condition: write zone=eu-1")
            }
            switch sides[0] {
            case "id": selector.ids.insert(sides[1])
            case "cluster": selector.clusters.insert(sides[1])
            case "region": selector.regions.insert(sides[1])
            case "zone": selector.zones.insert(sides[1])
            case let name where name.hasPrefix("label.") && name.count > 6:
                selector.labels[String(name.dropFirst(6))] = sides[1]
            default:
                throw Mistake(
                    description:
                        "\"\(sides[0].prefix(60))\" is nothing that proxies have: id, cluster, region, zone or label.NAME"
                )
            }
        }
        return selector
    }

    package var text: String {
        switch self {
        case .count(let count): "\(count)"
        case .percent(let percent): percent == percent.rounded() ? "\(Int(percent))%" : "\(percent)%"
        case .selected(let selector):
            ([
                ("id", selector.ids), ("cluster", selector.clusters), ("region", selector.regions),
                ("zone", selector.zones),
            ]
            .flatMap { name, values in values.sorted().map { "\(name)=\($0)" } }
                + selector.labels.sorted { $0.key < $1.key }.map { "label.\($0.key)=\($0.value)" })
                .joined(separator: ",")
        }
    }

    /// How many of so many; nil: those that are selected.
    func size(of proxies: Int) -> Int? {
        switch self {
        case .count(let count): min(count, proxies)
        case .percent(let percent): min(proxies, max(1, Int(Double(proxies) * percent / 100)))
        case .selected: nil
        }
    }
}

extension RolloutShare: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        self = try Self(try container.decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
