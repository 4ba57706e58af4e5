internal import MartletXDSMessages
internal import SwiftProtobuf

typealias DecompressMessage = Envoy_Extensions_Filters_Http_Decompressor_V3_Decompressor
private typealias Gzip = Envoy_Extensions_Compression_Gzip_Decompressor_V3_Gzip
private typealias Brotli = Envoy_Extensions_Compression_Brotli_Decompressor_V3_Brotli
private typealias Zstd = Envoy_Extensions_Compression_Zstd_Decompressor_V3_Zstd

// `decompress` as others write it, a filter for each algorithm. Martlet's has bounds that Envoy has no words for, and refuses
// what Envoy sends on as far as it could be read.

extension DecompressMessage: FilterSettings {
    static let filter = "decompress"
    static let isPart = true
    /// The most there is: Envoy has no bound.
    private static let maxSize = 1 << 40
    /// How many times larger a body may become, of all libraries.
    private static let maxRatio: UInt32 = 100

    func settings(_ reading: ResourceReading, in field: String) -> DocumentSection? {
        guard let (algorithm, ratio) = library(reading, in: "\(field).decompressor_library") else { return nil }
        var side = DocumentSection([("algorithms", .texts([algorithm])), ("max_size", .size(Self.maxSize))])
        if ratio != Self.maxRatio { side["max_ratio"] = .int(ratio) }
        let request = requestDirectionConfig.commonConfig.enabled.isOn
        let response = responseDirectionConfig.commonConfig.enabled.isOn
        if !request, !response { reading.unsupported(field, "one that decodes nothing") }
        if response, responseDirectionConfig.commonConfig.ignoreNoTransformHeader {
            reading.unsupported("\(field).response_direction_config.common_config.ignore_no_transform_header", "true")
        }
        // Here the proxy asks for what it decodes, and for nothing else.
        let isAsking =
            !requestDirectionConfig.hasAdvertiseAcceptEncoding || requestDirectionConfig.advertiseAcceptEncoding.value
        if response, !request || !isAsking {
            reading.unsupported(field, "the decoding of responses that the request has not asked for")
        }
        var settings = DocumentSection([("request", request ? .section(side) : .word("off"))])
        if response { settings["response"] = .section(side) }
        return settings
    }

    static func settings(
        of parts: [(message: DecompressMessage, field: String)], _ reading: ResourceReading
    ) -> DocumentSection? {
        var all: DocumentSection?
        for (message, field) in parts {
            guard let own = message.settings(reading, in: field) else { return nil }
            guard let known = all else {
                all = own
                continue
            }
            guard let joined = Self.joined(known, own) else {
                reading.unsupported(field, "what differs from the decompressor in front of it")
                return nil
            }
            all = joined
        }
        return all
    }

    /// Nil unless both say the same but for the algorithm, which must be another.
    private static func joined(_ left: DocumentSection, _ right: DocumentSection) -> DocumentSection? {
        guard left.keys == right.keys else { return nil }
        var joined = left
        for entry in right.entries {
            guard let known = left[entry.key] else { return nil }
            guard var one = known.section, var other = entry.value.section else {
                guard known == entry.value else { return nil }
                continue
            }
            let names = (one.texts("algorithms") ?? []) + (other.texts("algorithms") ?? [])
            (one["algorithms"], other["algorithms"]) = (.texts(names), .texts(names))
            guard one == other, Set(names).count == names.count else { return nil }
            joined[entry.key] = .section(one)
        }
        return joined
    }

    /// The algorithm and how many times larger a body may become.
    private func library(_ reading: ResourceReading, in field: String) -> (String, UInt32)? {
        let any = decompressorLibrary.typedConfig
        if any.isA(Gzip.self) {
            return reading.unpack(any, as: Gzip.self, in: field).map {
                ("gzip", $0.hasMaxInflateRatio ? $0.maxInflateRatio.value : Self.maxRatio)
            }
        }
        if any.isA(Brotli.self) {
            return reading.unpack(any, as: Brotli.self, in: field).map { _ in ("br", Self.maxRatio) }
        }
        return reading.unpack(any, as: Zstd.self, in: field).map { _ in ("zstd", Self.maxRatio) }
    }
}
