internal import MartletHTTP

/// RFC 7541: the blocks that HEADERS carry.
extension ConformanceCase {
    private static let line = Raw.block(Raw.line())
    private static let error = HTTP2Outcome.connection(.compressionError)

    private static func bad(_ name: String, _ block: [UInt8]) -> ConformanceCase {
        .init(name, Raw.headers(1, line + block), is: error)
    }

    static let hpack: [ConformanceCase] = [
        // MARK: 2.3, 6.1 indices
        .init(
            "2.3.1 the static table", Raw.headers(1, [0x82, 0x84, 0x86, 0x41] + Raw.string("t")),
            last: "1 GET / http none host=t ."),
        .init(
            "2.3.2 the dynamic table", Raw.headers(1, line + Raw.literal("a", "b", indexed: true)),
            Raw.headers(3, line + [0xBE]),
            last: "3 GET / http none host=t a=b ."),
        .init(
            "2.3.2 the newest is first",
            Raw.headers(1, line + Raw.literal("a", "b", indexed: true) + Raw.literal("c", "d", indexed: true)),
            Raw.headers(3, line + [0xBF, 0xBE]),
            last: "3 GET / http none host=t a=b c=d ."),
        .init(
            "6.2.1 a name from the dynamic table", Raw.headers(1, line + Raw.literal("a", "b", indexed: true)),
            Raw.headers(3, line + [0x7E] + Raw.string("c")), last: "3 GET / http none host=t a=c ."),
        bad("6.1 index 0", [0x80]),
        bad("2.3.3 index beyond both tables", [0xBE]),
        bad("2.3.3 index far beyond", [0xFF, 0xFF, 0xFF, 0x07]),
        bad("6.2.2 a name's index beyond both tables", [0x0F, 0x40] + Raw.string("v")),
        .init(
            "6.2.3 never indexed", Raw.headers(1, line + [0x10] + Raw.string("a") + Raw.string("b")),
            Raw.headers(3, line + [0xBE]), is: error),
        .init(
            "6.2.2 without indexing", Raw.headers(1, line + Raw.literal("a", "b")), Raw.headers(3, line + [0xBE]),
            is: error),

        // MARK: 5.1 integers
        .init(
            "5.1 an integer with zeros behind",
            Raw.headers(1, line + [0x00, 0x01, 0x61, 0x7F, 0x80, 0x00] + [UInt8](repeating: 0x62, count: 127)),
            last: "1 GET / http none host=t a=" + String(repeating: "b", count: 127) + " ."),
        bad("5.1 an integer beyond 32 bits", [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        bad("5.1 an integer without end", [0xFF, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]),
        bad("5.1 an integer cut off", [0xFF]),
        bad("5.2 a string cut off", [0x00, 0x05, 0x61, 0x62]),
        bad("5.2 a string longer than a head can be", [0x00, 0x01, 0x61, 0x7F, 0xFF, 0xFF, 0xFF, 0x07]),

        // MARK: 5.2 Huffman
        .init(
            "5.2 Huffman",
            Raw.headers(
                1,
                line + [0x00, 0x01, 0x61, 0x8C, 0xF1, 0xE3, 0xC2, 0xE5, 0xF2, 0x3A, 0x6B, 0xA0, 0xAB, 0x90, 0xF4, 0xFF]),
            last: "1 GET / http none host=t a=www.example.com ."),
        bad("5.2 padding of zeros", [0x00, 0x01, 0x61, 0x81, 0x18]),
        bad("5.2 padding of more than 7 bits", [0x00, 0x01, 0x61, 0x82, 0x1F, 0xFF]),
        bad("5.2 the end symbol", [0x00, 0x01, 0x61, 0x84, 0xFF, 0xFF, 0xFF, 0xFC]),
        .init(
            "5.2 Huffman without bytes", Raw.headers(1, line + [0x00, 0x01, 0x61, 0x80]),
            last: "1 GET / http none host=t a= ."),

        // MARK: 4.2, 6.3 sizes
        .init("6.3 a size at the beginning", Raw.headers(1, [0x20] + line), last: "1 GET / http none host=t ."),
        .init(
            "6.3 two sizes at the beginning", Raw.headers(1, [0x20, 0x3F, 0xE1, 0x1F] + line),
            last: "1 GET / http none host=t ."),
        .init("4.2 a size behind a field", Raw.headers(1, line + [0x20]), is: error),
        .init("4.2 a size beyond ours", Raw.headers(1, Raw.integer(4097, bits: 5, lead: 0x20) + line), is: error),
        .init(
            "4.2 a size as large as ours", Raw.headers(1, Raw.integer(4096, bits: 5, lead: 0x20) + line),
            last: "1 GET / http none host=t ."),
        .init(
            "4.3 a size of 0 empties the table", Raw.headers(1, line + Raw.literal("a", "b", indexed: true)),
            Raw.headers(3, [0x20] + line + [0xBE]), is: error),
        .init(
            "4.4 what does not fit empties the table",
            Raw.headers(
                1,
                line + Raw.literal("a", "b", indexed: true)
                    + Raw.literal("c", String(repeating: "x", count: 4096), indexed: true)),
            Raw.headers(3, line + [0xBE]), is: error),
        .init(
            "4.4 the oldest goes first",
            Raw.headers(
                1,
                line + Raw.literal("a", String(repeating: "x", count: 2000), indexed: true)
                    + Raw.literal("b", String(repeating: "y", count: 2000), indexed: true)
                    + Raw.literal("c", "z", indexed: true)),
            Raw.headers(3, line + [0xBE]), last: "3 GET / http none host=t c=z ."),
        .init(
            "4.4 the oldest is gone",
            Raw.headers(
                1,
                line + Raw.literal("a", String(repeating: "x", count: 2000), indexed: true)
                    + Raw.literal("b", String(repeating: "y", count: 2000), indexed: true)
                    + Raw.literal("c", "z", indexed: true)),
            Raw.headers(3, line + [0xC0]), is: error),
        .init(
            "4.3 blocks that are not looked at count for the table", Raw.frame(.settings, flags: Raw.ack, 0),
            Raw.headers(
                1, line + [0x00] + Raw.string("X-Upper") + Raw.string("v") + Raw.literal("a", "b", indexed: true)),
            Raw.headers(3, line + [0xBE]), is: .stream(1, .protocolError)),
    ]
}
