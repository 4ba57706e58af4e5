internal import MartletCoding
public import MartletConfig
internal import MartletCore
public import MartletFilter

/// `compress`: encodes responses for the clients that take it.
public struct CompressKind: FilterKind {
    public let name = "compress"

    public init() {}

    public func decode(_ section: ConfigSection, _ load: LoadContext) -> CompressConfig? {
        CompressConfig(section, base: nil)
    }

    /// What a route says takes the place of what the listener says, key by key.
    public func decodeRoute(
        _ section: ConfigSection, _ config: CompressConfig, _ load: LoadContext
    ) -> CompressConfig? { CompressConfig(section, base: config) }

    public func makeFilter(_ config: CompressConfig, _ context: FilterContext) -> any Filter {
        Compress(config, context)
    }
}

public final class CompressConfig: Sendable {
    /// How hard an algorithm tries, and how far back it looks.
    struct Effort: Sendable, Equatable {
        var level: Int
        var windowLog: Int
    }

    enum Flush: String, CaseIterable {
        /// After every piece of a body whose length is not known: whoever sends it so may be sending as things happen.
        case auto
        case always, never
    }

    enum Algorithm: String, CaseIterable {
        case zstd, br, gzip

        var coding: ContentCoding {
            switch self {
            case .zstd: .zstd
            case .br: .br
            case .gzip: .gzip
            }
        }

        /// Above these a stream takes milliseconds of the worker for 16 KiB, or tens of MiB.
        var levels: ClosedRange<Int> {
            switch self {
            case .gzip, .zstd: 1...9
            case .br: 0...6
            }
        }

        var windowLogs: ClosedRange<Int> { self == .gzip ? 9...15 : 10...23 }

        var standard: Effort {
            switch self {
            case .zstd: Effort(level: 3, windowLog: 19)
            case .br: Effort(level: 4, windowLog: 18)
            case .gzip: Effort(level: 4, windowLog: 15)
            }
        }
    }

    /// In the server's order of preference.
    let codings: [ContentCoding]
    let contentTypes: ContentTypes
    let minSize: UInt64
    let flush: Flush
    let removesAcceptEncoding: Bool
    /// Streams at a time on a worker.
    let maxActive: Int
    private let gzip: Effort
    private let br: Effort
    private let zstd: Effort

    init(_ section: ConfigSection, base: CompressConfig?) {
        let codings: [ContentCoding] = section.values("algorithms", .choice).map { ($0 as Algorithm).coding }
        if section.has("algorithms") && codings.isEmpty && !section.diagnostics.hasErrors {
            section.error(at: "algorithms", "an empty list compresses nothing", hint: "write some of zstd, br, gzip")
        } else if Set(codings).count < codings.count {
            section.error(
                at: "algorithms", "an algorithm twice", hint: "the first of those a client likes best is used")
        }
        self.codings = section.has("algorithms") ? codings : base?.codings ?? [.zstd, .br, .gzip]
        let types = ContentTypes(section.values("content_types", .contentType))
        if section.has("content_types") && types.isEmpty && !section.diagnostics.hasErrors {
            section.error(at: "content_types", "an empty list compresses nothing", hint: "leave it out for the default")
        }
        contentTypes = section.has("content_types") ? types : base?.contentTypes ?? .compressible
        let standard = base.map { ByteCount(Int($0.minSize)) } ?? .kibibytes(1)
        minSize = UInt64(section.size("min_size", default: standard, in: 0...ByteCount(1 << 30)).bytes)
        flush = section.choice("flush", default: base?.flush ?? .auto)
        removesAcceptEncoding = section.bool(
            "remove_accept_encoding_header", default: base?.removesAcceptEncoding ?? false)
        gzip = Self.effort(section, .gzip, base?.gzip)
        br = Self.effort(section, .br, base?.br)
        zstd = Self.effort(section, .zstd, base?.zstd)
        if let base {
            maxActive = base.maxActive
            if section.raw("max_active") != nil {
                section.error(at: "max_active", "the limit is the listener's", hint: "write it in the filter chain")
            }
        } else {
            maxActive = section.int("max_active", default: 256, in: 1...1_000_000)
        }
    }

    private static func effort(_ section: ConfigSection, _ algorithm: Algorithm, _ base: Effort?) -> Effort {
        var effort = base ?? algorithm.standard
        guard let own = section.section(algorithm.rawValue) else { return effort }
        effort.level = own.int("level", default: effort.level, in: algorithm.levels)
        let bounds = algorithm.windowLogs
        if let window = own.size("window", in: ByteCount(1 << bounds.lowerBound)...ByteCount(1 << bounds.upperBound)) {
            effort.windowLog = window.bytes.trailingZeroBitCount
            if window.bytes.nonzeroBitCount != 1 {
                own.error(at: "window", "\(window.bytes) bytes are no power of two", hint: "16KiB, 32KiB, 256KiB, 1MiB")
            }
        }
        return effort
    }

    func effort(_ coding: ContentCoding) -> Effort {
        switch coding {
        case .br: br
        case .zstd: zstd
        case .gzip, .deflate: gzip
        }
    }
}
