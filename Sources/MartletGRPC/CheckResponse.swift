internal import MartletCore

/// The answer of an authorization service that speaks gRPC: `envoy.service.auth.v3.CheckResponse`. What is not known of it is passed over.
package struct CheckResponse: Equatable {
    /// One field that the service wants set.
    package struct Field: Equatable {
        package enum Change: Sendable {
            case append, addIfAbsent, set, setIfPresent
        }
        package fileprivate(set) var name: [UInt8] = []
        package fileprivate(set) var value: [UInt8] = []
        package fileprivate(set) var change = Change.append
    }

    /// `google.rpc.Status`: 0 lets pass.
    package private(set) var code: UInt64 = 0
    /// Of the denial; 0 when it says none.
    package private(set) var status: UInt64 = 0
    package private(set) var body: [UInt8] = []
    /// Of the denial's response, or of the request that may go on.
    package private(set) var fields: [Field] = []
    /// Taken from the request that may go on.
    package private(set) var removed: [[UInt8]] = []
    /// Of the response to a request that went on.
    package private(set) var responseFields: [Field] = []
    /// The service could not decide.
    package private(set) var isError = false

    package var isOK: Bool { code == 0 && !isError }

    package init(_ message: [UInt8]) throws(WireFault) {
        let bytes = message.span
        var reader = WireReader(bytes)
        while let field = try reader.field(bytes) {
            switch field.number {
            case 1:
                var status = WireReader(try field.value.range())
                while let field = try status.field(bytes) {
                    if field.number == 1 { code = try field.value.number() }
                }
            case 2: try readDenial(bytes, field.value.range())
            case 3: try readPermit(bytes, field.value.range())
            case 5: isError = true
            default: break
            }
        }
    }

    private mutating func readDenial(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(WireFault) {
        var reader = WireReader(range)
        while let field = try reader.field(bytes) {
            switch field.number {
            case 1:
                var http = WireReader(try field.value.range())
                while let field = try http.field(bytes) {
                    if field.number == 1 { status = try field.value.number() }
                }
            // A denial's own fields stand for those of its response unless it says otherwise.
            case 2: fields.append(try Self.field(bytes, field.value.range(), standard: .set))
            case 3: body = bytes.extracting(try field.value.range()).array()
            default: break
            }
        }
    }

    private mutating func readPermit(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(WireFault) {
        var reader = WireReader(range)
        while let field = try reader.field(bytes) {
            switch field.number {
            case 2: fields.append(try Self.field(bytes, field.value.range(), standard: .set))
            case 5: removed.append(bytes.extracting(try field.value.range()).array())
            case 6: responseFields.append(try Self.field(bytes, field.value.range(), standard: .append))
            default: break
            }
        }
    }

    /// `HeaderValueOption`. - Parameter standard: what it means when it says neither `append` nor an action.
    private static func field(
        _ bytes: Span<UInt8>, _ range: Range<Int>, standard: Field.Change
    ) throws(WireFault) -> Field {
        var result = Field()
        result.change = standard
        var append: Bool?
        var reader = WireReader(range)
        while let field = try reader.field(bytes) {
            switch field.number {
            case 1: try readValue(bytes, field.value.range(), into: &result)
            case 2:
                // BoolValue: there and empty is false.
                append = false
                var value = WireReader(try field.value.range())
                while let field = try value.field(bytes) {
                    if field.number == 1 { append = try field.value.number() != 0 }
                }
            case 3:
                switch try field.value.number() {
                case 1: result.change = .addIfAbsent
                case 2: result.change = .set
                case 3: result.change = .setIfPresent
                default: result.change = .append
                }
            default: break
            }
        }
        if let append { result.change = append ? .append : .set }
        return result
    }

    private static func readValue(
        _ bytes: Span<UInt8>, _ range: Range<Int>, into field: inout Field
    ) throws(WireFault) {
        var reader = WireReader(range)
        while let part = try reader.field(bytes) {
            switch part.number {
            case 1: field.name = bytes.extracting(try part.value.range()).array()
            case 2, 3:
                let value = bytes.extracting(try part.value.range()).array()
                if !value.isEmpty { field.value = value }
            default: break
            }
        }
    }
}
