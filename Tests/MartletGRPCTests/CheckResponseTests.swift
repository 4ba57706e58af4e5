import MartletGRPC
import Testing

/// Messages are put together with the writer, whose output other implementations read in the end-to-end tests.
@Suite("Answers of authorization services")
struct CheckResponseTests {
    private func message(_ fill: (inout WireWriter) -> Void) -> [UInt8] {
        var writer = WireWriter()
        fill(&writer)
        return writer.bytes
    }

    private func option(
        _ writer: inout WireWriter, _ name: String, _ value: String, append: Bool? = nil, action: UInt64 = 0
    ) {
        writer.message(1) {
            $0.text(1, name)
            $0.text(2, value)
        }
        if let append { writer.message(2) { $0.bool(1, append) } }
        writer.varint(3, action)
    }

    @Test("Nothing is a permit, as it is to others; a status other than OK is a denial")
    func status() throws {
        #expect(try CheckResponse([]).isOK)
        #expect(try CheckResponse(message { $0.message(1) { $0.varint(1, 7) } }).code == 7)
        #expect(try !CheckResponse(message { $0.message(1) { $0.varint(1, 16) } }).isOK)
        #expect(try !CheckResponse(message { $0.message(5) { _ in } }).isOK)
        #expect(try CheckResponse(message { $0.message(1) { $0.text(2, "words") } }).isOK)
        // A code is an int32; one that is negative is no permit.
        #expect(try !CheckResponse(message { $0.message(1) { $0.varint(1, .max) } }).isOK)
    }

    @Test("A denial's status, fields and body")
    func denial() throws {
        let response = try CheckResponse(
            message { writer in
                writer.message(1) { $0.varint(1, 7) }
                writer.message(2) { denied in
                    denied.message(1) { $0.varint(1, 302) }
                    denied.message(2) { option(&$0, "location", "/login") }
                    denied.text(3, "go")
                    denied.varint(99, 1)
                }
            })
        #expect(!response.isOK && response.status == 302 && response.body == Array("go".utf8))
        #expect(response.fields.map(\.name) == [Array("location".utf8)])
    }

    @Test("What each way of setting a field means")
    func changes() throws {
        let response = try CheckResponse(
            message { writer in
                writer.message(3) { ok in
                    ok.message(2) { option(&$0, "a", "") }
                    ok.message(2) { option(&$0, "b", "1", append: true) }
                    ok.message(2) { option(&$0, "c", "1", append: false, action: 1) }
                    for action in 1...3 { ok.message(2) { option(&$0, "d\(action)", "1", action: UInt64(action)) } }
                    ok.message(2) { $0.message(1) { $0.text(3, "raw") } }
                    ok.text(5, "gone")
                    ok.message(6) { option(&$0, "e", "1") }
                    ok.message(6) { option(&$0, "f", "1", append: false) }
                }
            })
        #expect(response.fields.map(\.change) == [.set, .append, .set, .addIfAbsent, .set, .setIfPresent, .set])
        #expect(response.fields.last?.value == Array("raw".utf8))
        #expect(response.removed == [Array("gone".utf8)])
        #expect(response.responseFields.map(\.change) == [.append, .set])
    }

    @Test(
        "What cannot be read is no answer",
        arguments: [[0x08, 0x01], [0x0A, 0x05, 0x08], [0x0A, 0x02, 0x0A, 0x00], [0x1A, 0x02, 0x10, 0x01], [0xFF]]
            as [[UInt8]])
    func faults(bytes: [UInt8]) {
        let response = try? CheckResponse(bytes)
        #expect(response == nil)
    }
}
