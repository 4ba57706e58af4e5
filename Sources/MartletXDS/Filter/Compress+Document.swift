internal import MartletXDSMessages
internal import SwiftProtobuf

typealias CompressMessage = Envoy_Extensions_Filters_Http_Compressor_V3_Compressor
typealias CompressChangeMessage = Envoy_Extensions_Filters_Http_Compressor_V3_CompressorPerRoute
private typealias Gzip = Envoy_Extensions_Compression_Gzip_Compressor_V3_Gzip
private typealias Brotli = Envoy_Extensions_Compression_Brotli_Compressor_V3_Brotli
private typealias Zstd = Envoy_Extensions_Compression_Zstd_Compressor_V3_Zstd

// `compress`. Envoy has a filter for each algorithm; those of a chain agree on one of them for each response, so that together
// they are one of Martlet's.

extension CompressMessage: FilterSettings {
    static let filter = "compress"
    static let isPart = true
    static let defaults = DocumentSection([
        ("algorithms", .texts(["zstd", "br", "gzip"])), ("min_size", .size(1024)), ("flush", .word("auto")),
        ("remove_accept_encoding_header", .bool(false)), ("max_active", .int(256)),
    ])
    private static let efforts = [
        "gzip": DocumentSection([("level", .int(4)), ("window", .size(32 << 10))]),
        "br": DocumentSection([("level", .int(4)), ("window", .size(256 << 10))]),
        "zstd": DocumentSection([("level", .int(3)), ("window", .size(512 << 10))]),
    ]

    /// What Envoy compresses where nothing is said.
    private static let types = [
        "text/html", "text/plain", "text/css", "application/javascript", "application/x-javascript", "text/javascript",
        "text/x-javascript", "text/ecmascript", "text/js", "text/jscript", "text/x-js", "application/ecmascript",
        "application/x-json", "application/xml", "application/json", "image/svg+xml", "text/xml",
        "application/xhtml+xml", "application/grpc-web", "application/grpc-web+proto",
    ]
    /// From so many bytes, where nothing or 0 is said.
    private static let bytes: UInt32 = 30
    /// Statuses whose responses are never compressed here.
    private static let neverCompressed: Set<UInt32> = [204, 205, 206, 304]

    static func essence(of settings: DocumentSection) -> DocumentSection {
        var rest = settings.without(defaults)
        for (algorithm, effort) in efforts {
            guard let own = rest.section(algorithm)?.without(effort) else { continue }
            rest[algorithm] = own.isEmpty ? nil : .section(own)
        }
        return rest
    }

    // MARK: Writing

    /// None where types are left out or have stars: Envoy knows no other types than whole ones.
    static func messages(of settings: DocumentSection) -> [CompressMessage] {
        guard let types = settings.texts("content_types"), !types.contains(where: { $0.contains("*") }) else {
            return []
        }
        var known = settings
        for entry in defaults.entries where settings[entry.key] == nil { known[entry.key] = entry.value }
        let algorithms = known.texts("algorithms") ?? []
        let messages = algorithms.compactMap { algorithm -> CompressMessage? in
            guard var effort = efforts[algorithm] else { return nil }
            for entry in settings.section(algorithm)?.entries ?? [] { effort[entry.key] = entry.value }
            guard let library = library(algorithm, effort) else { return nil }
            var message = CompressMessage()
            message.compressorLibrary.name = algorithm
            message.compressorLibrary.typedConfig = library
            message.responseDirectionConfig = .with {
                $0.commonConfig.contentType = types
                if let size = Google_Protobuf_UInt32Value(known.size("min_size")) {
                    $0.commonConfig.minContentLength = size
                }
                $0.uncompressibleResponseCodes = [206]
            }
            return message
        }
        return messages.count == algorithms.count ? joined(messages, known) : []
    }

    /// What is said once for all of them.
    private static func joined(_ messages: [CompressMessage], _ settings: DocumentSection) -> [CompressMessage] {
        var messages = messages
        guard let last = messages.indices.last else { return [] }
        if last > 0 { messages[0].chooseFirst = true }
        // Where an earlier one takes the header away those behind it do not see it.
        messages[last].responseDirectionConfig.removeAcceptEncodingHeader =
            settings.bool("remove_accept_encoding_header") ?? false
        return messages
    }

    private static func library(_ algorithm: String, _ effort: DocumentSection) -> Google_Protobuf_Any? {
        guard let level = effort.int("level"), let quality = Google_Protobuf_UInt32Value(level),
            let window = effort.size("window"), let bits = Google_Protobuf_UInt32Value(window.trailingZeroBitCount)
        else { return nil }
        switch algorithm {
        case "gzip":
            return Google_Protobuf_Any(
                of: Gzip.with {
                    $0.compressionLevel = .init(rawValue: level) ?? .defaultCompression
                    $0.windowBits = bits
                })
        case "br":
            return Google_Protobuf_Any(
                of: Brotli.with {
                    $0.quality = quality
                    $0.windowBits = bits
                })
        default: return Google_Protobuf_Any(of: Zstd.with { $0.compressionLevel = quality })
        }
    }

    // MARK: Reading

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        Self.settings(of: [(self, field)], reading)
    }

    static func settings(
        of parts: [(message: CompressMessage, field: String)], _ reading: ResourceReading
    ) -> DocumentSection? {
        var algorithms: [(algorithm: String, effort: DocumentSection)] = []
        let common = parts.first?.message.common(reading, in: parts[0].field) ?? DocumentSection()
        for (index, part) in parts.enumerated() {
            guard let own = part.message.effort(reading, in: "\(part.field).compressor_library") else { return nil }
            // Of two with one algorithm the first is asked there.
            if algorithms.contains(where: { $0.algorithm == own.algorithm }) {
                reading.unsupported(part.field, "a second compressor with \(own.algorithm)")
            }
            if index > 0, part.message.common(reading, in: part.field) != common {
                reading.unsupported(part.field, "what differs from the compressor in front of it")
            }
            if part.message.responseDirectionConfig.removeAcceptEncodingHeader, index < parts.count - 1 {
                reading.unsupported(
                    "\(part.field).response_direction_config.remove_accept_encoding_header",
                    "true but for the last of several compressors")
            }
            algorithms.insert(own, at: part.message.chooseFirst ? 0 : algorithms.count)
        }
        var settings = DocumentSection([("algorithms", .texts(algorithms.map(\.algorithm)))])
        for entry in common.entries { settings[entry.key] = entry.value }
        if parts.last?.message.responseDirectionConfig.removeAcceptEncodingHeader ?? false {
            settings["remove_accept_encoding_header"] = .bool(true)
        }
        for (name, effort) in algorithms { settings[name] = .section(effort) }
        return settings
    }

    /// What does not depend on the algorithm.
    private func common(_ reading: ResourceReading, in field: String) -> DocumentSection {
        let response = responseDirectionConfig
        let place = "\(field).response_direction_config"
        if hasRequestDirectionConfig, requestDirectionConfig.commonConfig.enabled.isOn {
            reading.unsupported("\(field).request_direction_config", "the compression of requests")
        }
        if !response.commonConfig.enabled.isOn { reading.unsupported(place, "enabled: false") }
        if response.disableOnEtagHeader { reading.unsupported("\(place).disable_on_etag_header", "true") }
        if let code = response.uncompressibleResponseCodes.first(where: { !Self.neverCompressed.contains($0) }) {
            reading.unsupported("\(place).uncompressible_response_codes", "\(code)")
        }
        let types = response.commonConfig.contentType
        let size = response.commonConfig.minContentLength.value
        return DocumentSection([
            ("content_types", .texts(types.isEmpty ? Self.types : types)),
            ("min_size", .size(size == 0 ? Self.bytes : size)),
        ])
    }

    /// The algorithm and how hard it tries: never harder than it is allowed to here.
    private func effort(
        _ reading: ResourceReading, in field: String
    ) -> (algorithm: String, effort: DocumentSection)? {
        let any = compressorLibrary.typedConfig
        func bounded(_ value: UInt32, _ name: String, atMost bound: UInt32) -> Int {
            if value > bound { reading.warning("\(field).\(name): \(bound) is used, which is the most") }
            return Int(min(value, bound))
        }
        func effort(_ level: Int, _ windowBits: UInt32) -> DocumentSection {
            DocumentSection([("level", .int(level)), ("window", .size(1 << min(Int(windowBits), 40)))])
        }
        if any.isA(Gzip.self) {
            guard let gzip = reading.unpack(any, as: Gzip.self, in: field) else { return nil }
            // zlib's own default.
            let level = gzip.compressionLevel == .defaultCompression ? 6 : gzip.compressionLevel.rawValue
            return ("gzip", effort(level, gzip.hasWindowBits ? gzip.windowBits.value : 12))
        }
        if any.isA(Brotli.self) {
            guard let brotli = reading.unpack(any, as: Brotli.self, in: field) else { return nil }
            let level = bounded(brotli.hasQuality ? brotli.quality.value : 3, "quality", atMost: 6)
            let window = bounded(brotli.hasWindowBits ? brotli.windowBits.value : 18, "window_bits", atMost: 23)
            return ("br", effort(level, UInt32(window)))
        }
        guard let zstd = reading.unpack(any, as: Zstd.self, in: field) else { return nil }
        let level = zstd.compressionLevel.value == 0 ? 3 : zstd.compressionLevel.value
        return ("zstd", DocumentSection([("level", .int(bounded(level, "compression_level", atMost: 9)))]))
    }
}

extension CompressChangeMessage: FilterChange {
    static let filter = CompressMessage.filter

    func change(_ reading: ResourceReading, in field: String) -> Document? {
        switch override {
        case .disabled(true): return .word("off")
        case .overrides(let overrides):
            let response = overrides.responseDirectionConfig
            // One that says nothing takes back what the host says.
            guard response.hasRemoveAcceptEncodingHeader else { return .section(DocumentSection()) }
            return .object(("remove_accept_encoding_header", .bool(response.removeAcceptEncodingHeader.value)))
        case .disabled(false), nil:
            reading.error("\(field): it changes nothing")
            return nil
        }
    }
}

extension Envoy_Config_Core_V3_RuntimeFeatureFlag {
    /// There is no runtime that says otherwise.
    var isOn: Bool { !hasDefaultValue || defaultValue.value }
}
