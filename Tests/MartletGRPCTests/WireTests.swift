import MartletCore
import MartletGRPC
import Testing

@Suite("Protobuf on the wire")
struct WireTests {
    /// As text, or nil for a fault.
    private func read(_ bytes: [UInt8]) -> String? {
        var reader = WireReader(bytes.span)
        var fields: [String] = []
        do throws(WireFault) {
            while let field = try reader.field(bytes.span) { fields.append("\(field.number) \(field.value)") }
        } catch {
            return nil
        }
        return fields.joined(separator: ", ")
    }

    @Test(
        "Fields",
        arguments: [
            ([], ""), ([0x08, 0x01], "1 varint(1)"), ([0x08, 0x96, 0x01], "1 varint(150)"),
            ([0x12, 0x02, 0x41, 0x42], "2 bytes(Range(2..<4))"), ([0x1A, 0x00], "3 bytes(Range(2..<2))"),
            ([0x0D, 1, 0, 0, 0], "1 fixed32(1)"), ([0x09, 1, 0, 0, 0, 0, 0, 0, 1], "1 fixed64(72057594037927937)"),
            (
                [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
                "1 varint(18446744073709551615)"
            ),
            ([0x0B, 0x08, 0x01, 0x0C, 0x10, 0x02], "2 varint(2)"), ([0x0B, 0x13, 0x14, 0x0C], ""),
            ([0x00], nil), ([0x08], nil), ([0x08, 0x80], nil), ([0x12, 0x02, 0x41], nil), ([0x0D, 1, 0], nil),
            ([0x0C], nil), ([0x0B], nil), ([0x0B, 0x14], nil), ([0x0E, 0x00], nil), ([0x0F], nil),
            ([0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], nil),
            ([0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], nil),
            ([UInt8](repeating: 0x0B, count: 100), nil),
        ] as [([UInt8], String?)])
    func fields(_ bytes: [UInt8], _ text: String?) {
        #expect(read(bytes) == text)
    }

    @Test("What is written is read again, and defaults are not written")
    func writer() throws {
        var writer = WireWriter()
        writer.varint(1, 0)
        writer.varint(2, 300)
        writer.bool(3, false)
        writer.bool(4, true)
        writer.text(5, "")
        writer.text(6, "text")
        writer.message(7) { $0.varint(1, 1) }
        writer.message(8) { _ in }
        let key = [UInt8](repeating: 0x61, count: 200)
        writer.entry(9, key.span, "v".utf8Span.span)
        writer.entry(10, "k".utf8Span.span, "".utf8Span.span)
        let bytes = writer.bytes
        var reader = WireReader(bytes.span)
        var seen: [UInt32: [UInt8]] = [:]
        while let field = try reader.field(bytes.span) {
            if case .bytes(let range) = field.value {
                seen[field.number] = Array(bytes[range])
            } else {
                seen[field.number] = []
            }
        }
        #expect(seen.keys.sorted() == [2, 4, 6, 7, 8, 9, 10])
        #expect(seen[7] == [0x08, 0x01])
        #expect(seen[9] == [0x0A, 0xC8, 0x01] + key + [0x12, 0x01, 0x76])
        #expect(seen[10] == [0x0A, 0x01, 0x6B])
    }

    @Test("Health messages")
    func health() {
        #expect(HealthMessages.request(service: "").isEmpty)
        #expect(HealthMessages.request(service: "shop") == [0x0A, 4, 0x73, 0x68, 0x6F, 0x70])
        let answers: [([UInt8], HealthMessages.Serving?)] = [
            ([0x08, 0x01], .serving), ([0x08, 0x02], .notServing), ([], .unknown), ([0x08, 0x63], .unknown),
            ([0x12, 0x00, 0x08, 0x03], .serviceUnknown), ([0x0A, 0x01], nil), ([0x0A, 0x00], nil),
        ]
        for (bytes, serving) in answers {
            let read = try? HealthMessages.response(bytes.span)
            #expect(read == serving)
        }
    }
}
