internal import MartletCoding
public import MartletConfig
internal import MartletCore
public import MartletFilter

/// `decompress`: decodes requests, and responses by choice, so that filters and upstreams see what was meant.
public struct DecompressKind: FilterKind {
    public let name = "decompress"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> DecompressConfig? {
        DecompressConfig(section, base: nil)
    }

    /// What a route says takes the place of what the listener says, key by key.
    public func decodeRoute(
        _ section: ConfigSection, _ config: DecompressConfig, _ load: LoadContext
    ) -> DecompressConfig? { DecompressConfig(section, base: config) }

    public func makeFilter(_ config: DecompressConfig, _ context: FilterContext) -> any Filter {
        Decompress(config, context)
    }
}

public final class DecompressConfig: Sendable {
    enum Unknown: String, CaseIterable {
        case forward, refuse
    }

    /// What is done in one direction.
    struct Side: Sendable {
        var codings: [ContentCoding] = [.gzip, .br, .zstd, .deflate]
        var limits = ContentDecoder.Limits()
        /// Codings that are not in the list.
        var unknown = Unknown.forward
        /// The list as a field's value.
        fileprivate(set) var names: [UInt8] = []

        init?(_ parent: ConfigSection, _ key: String, standard: Side?) {
            if let node = parent.raw(key), node.isOff { return nil }
            guard let section = parent.section(key) else {
                guard let standard else { return nil }
                self = standard
                return
            }
            self = standard ?? Side()
            if section.has("algorithms") {
                codings = section.values("algorithms", .choice)
                if codings.isEmpty && !section.diagnostics.hasErrors {
                    section.error(at: "algorithms", "an empty list decodes nothing", hint: "write `\(key): off`")
                } else if Set(codings).count < codings.count {
                    section.error(at: "algorithms", "an algorithm twice", hint: "write each once")
                }
            } else {
                _ = section.raw("algorithms")
            }
            let size = section.size(
                "max_size", default: ByteCount(Int(limits.size)), in: ByteCount(1)...ByteCount(1 << 40))
            limits.size = UInt64(size.bytes)
            limits.ratio = UInt64(section.int("max_ratio", default: Int(limits.ratio), in: 1...1_000_000))
            let bounds = ByteCount.kibibytes(32)...ByteCount.mebibytes(16)
            let window = section.size("max_window", default: ByteCount(1 << limits.maxWindowLog), in: bounds)
            limits.maxWindowLog = Int.bitWidth - 1 - window.bytes.leadingZeroBitCount
            unknown = section.choice("unknown", default: unknown)
            name()
        }

        init() { name() }

        private mutating func name() { names = Array(codings.map(\.rawValue).joined(separator: ", ").utf8) }
    }

    let request: Side?
    let response: Side?
    /// Streams at a time on a worker, both directions together.
    let maxActive: Int

    init(_ section: ConfigSection, base: DecompressConfig?) {
        request = Side(section, "request", standard: base.map(\.request) ?? Side())
        response = Side(section, "response", standard: base?.response)
        if let base {
            maxActive = base.maxActive
            if section.raw("max_active") != nil {
                section.error(at: "max_active", "the limit is the listener's", hint: "write it in the filter chain")
            }
        } else {
            maxActive = section.int("max_active", default: 256, in: 1...1_000_000)
        }
        if request == nil && response == nil && !section.diagnostics.hasErrors {
            section.error("decodes nothing", hint: base == nil ? "leave the filter out" : "write `decompress: off`")
        }
    }
}
