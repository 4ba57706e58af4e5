import MartletCore
import MartletGRPC
import Testing

@Suite("What gRPC says in fields")
struct StatusTests {
    @Test("Names and numbers of statuses")
    func names() {
        #expect(GRPCStatus.named == 17)
        let snake = (0..<17).map { GRPCStatus(rawValue: $0).snakeName?.description }
        #expect(
            snake == [
                "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
                "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
                "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
            ])
        #expect(GRPCStatus.cancelled.camelName?.description == "Canceled")
        #expect(GRPCStatus.unauthenticated.camelName?.description == "Unauthenticated")
        #expect(GRPCStatus(rawValue: 17).camelName == nil)
        #expect(GRPCStatus(rawValue: 99).description == "99")
    }

    @Test(
        "A field's value",
        arguments: [
            ("0", 0), ("16", 16), ("17", 17), ("4294967295", UInt32.max), ("4294967296", nil), ("", nil), ("-1", nil),
            ("1 ", nil), ("OK", nil),
        ] as [(String, UInt32?)])
    func field(_ text: String, _ number: UInt32?) { #expect(GRPCStatus(text.utf8Span.span)?.rawValue == number) }

    @Test(
        "HTTP statuses that come without one",
        arguments: [
            (200, 2), (400, 13), (401, 16), (403, 7), (404, 12), (408, 2), (413, 2), (429, 14), (500, 2), (502, 14),
            (503, 14), (504, 14), (505, 2),
        ] as [(UInt16, UInt32)])
    func http(_ status: UInt16, _ number: UInt32) { #expect(GRPCStatus(http: status).rawValue == number) }

    @Test(
        "Messages in fields",
        arguments: [
            ("", ""), ("plain words", "plain words"), ("no-route\n", "no-route"), ("100%", "100%25"),
            ("a\nb\tc", "a%0Ab%09c"), ("Zürich", "Z%C3%BCrich"), ("~\u{7F}", "~%7F"), ("  in front", "  in front"),
            (" \r\n", ""), ("\u{1F426}", "%F0%9F%90%A6"),
        ])
    func message(_ text: String, _ field: String) {
        let encoded = GRPCMessageText.encode(text.utf8Span.span)
        #expect(String(decoding: encoded, as: UTF8.self) == field)
        let again = String(decoding: GRPCMessageText.decode(encoded.span), as: UTF8.self)
        #expect(text.hasPrefix(again))
    }

    @Test(
        "What is no escape stands for itself",
        arguments: [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%41%", "A%"), ("%c3%bc", "ü"), ("%%34", "%4")])
    func badEscape(_ field: String, _ text: String) {
        #expect(String(decoding: GRPCMessageText.decode(field.utf8Span.span), as: UTF8.self) == text)
    }

    @Test("A long message is cut before a character")
    func longMessage() {
        let text = String(repeating: "a", count: GRPCMessageText.maxBytes - 1) + "ü" + "more"
        let encoded = GRPCMessageText.encode(text.utf8Span.span)
        #expect(encoded.count == GRPCMessageText.maxBytes - 1)
        #expect(encoded.allSatisfy { $0 == 0x61 })
        // Bytes that are no text are cut as well.
        let noText = [UInt8](repeating: 0x80, count: 5000)
        #expect(GRPCMessageText.encode(noText.span).count <= 3 * GRPCMessageText.maxBytes)
    }

    @Test(
        "Content types",
        arguments: [
            ("application/grpc", .grpc), ("application/grpc+proto", .grpc), ("Application/GRPC+json", .grpc),
            ("application/grpc; charset=utf-8", .grpc), ("application/grpc ;a=b", .grpc),
            ("application/grpc-web", .web), ("application/grpc-web+proto", .web), ("application/grpc-web;x=y", .web),
            ("application/grpc-web-text", .webText), ("application/grpc-web-text+proto", .webText),
            ("application/GRPC-Web-Text", .webText), ("application/grpcx", nil), ("application/grpc-webx", nil),
            ("application/grpc-web-textual", nil), ("application/grpc-", nil), ("application/json", nil), ("", nil),
            ("application/grp", nil),
        ] as [(String, GRPCContentType?)])
    func contentType(_ text: String, _ kind: GRPCContentType?) {
        #expect(GRPCContentType(text.utf8Span.span) == kind)
    }

    @Test(
        "Formats of messages",
        arguments: [
            ("application/grpc+proto", "+proto"), ("application/grpc-web-text+json; a=b", "+json"),
            ("application/grpc", ""), ("application/grpc;a=b", ""),
        ])
    func format(_ type: String, _ format: String) {
        #expect(GRPCContentType.format(type.utf8Span.span).string() == format)
    }

    @Test(
        "Timeouts are written in eight digits at most, and never shorter",
        arguments: [
            (0, "0n"), (1, "1n"), (99_999_999, "99999999n"), (100_000_000, "100000u"), (100_000_001, "100001u"),
            (100_000_000_000, "100000m"), (100_000_000_000_000, "100000S"), (99_999_999_000_000_000, "99999999S"),
            (UInt64.max, "5124096H"),
        ] as [(UInt64, String)])
    func timeout(_ nanoseconds: UInt64, _ text: String) {
        #expect(GRPCTimeout.text(Nanoseconds(rawValue: nanoseconds)) == text)
        let read = GRPCTimeout.parse(text.utf8Span.span)
        // Beyond 292 years there is no telling apart.
        if nanoseconds < 1 << 62 { #expect(read.map { $0.rawValue >= nanoseconds } == true) }
    }

    @Test(
        "Paths of methods",
        arguments: [
            ("/pkg.Service/Method", "pkg.Service", "Method"), ("/S/M", "S", "M"), ("/S", nil, nil), ("/S/", nil, nil),
            ("//M", nil, nil), ("/S/M/x", nil, nil), ("S/M", nil, nil), ("/", nil, nil), ("", nil, nil),
        ] as [(String, String?, String?)])
    func path(_ text: String, _ service: String?, _ method: String?) {
        let span = text.utf8Span.span
        let path = GRPCMethodPath(span)
        #expect(path.map { span.extracting($0.service).string() } == service)
        #expect(path.map { span.extracting($0.method).string() } == method)
    }
}
