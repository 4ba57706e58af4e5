import MartletCoding
import MartletCore
import Testing

/// Encodes `pieces`, flushing after each but the last.
func encoded(_ pieces: [[UInt8]], _ coding: ContentCoding, level: Int = 3, windowLog: Int = 15) throws -> [UInt8] {
    let encoder = try #require(ContentEncoder(coding, level: level, windowLog: windowLog))
    return try encode(pieces, with: encoder)
}

func encode(_ pieces: [[UInt8]], with encoder: ContentEncoder, room: Int = 4096) throws -> [UInt8] {
    var result: [UInt8] = []
    for (index, piece) in pieces.enumerated() {
        let isLast = index == pieces.count - 1
        var input = ByteSlice(copying: piece)
        encoding: while true {
            let out = ByteBuffer(capacity: room)
            let step = encoder.encode(&input, isLast ? .finish : .flush, into: out)
            result += out.bytes().array()
            switch step {
            case .full: continue
            case .hungry:
                #expect(!isLast)
                break encoding
            case .ended:
                #expect(isLast)
                break encoding
            case .failed(let fault):
                Issue.record("\(encoder.coding): \(fault)")
                return result
            }
        }
    }
    return result
}

/// What a decoder makes of `pieces`: the body, or why there is none.
func decoded(
    _ pieces: [[UInt8]], _ coding: ContentCoding, _ limits: ContentDecoder.Limits = .init(), room: Int = 4096
) -> Result<[UInt8], CodingProblem> {
    guard let decoder = ContentDecoder(coding, limits) else { return .failure(CodingProblem(.noMemory)) }
    var result: [UInt8] = []
    for (index, piece) in pieces.enumerated() {
        var input = ByteSlice(copying: piece)
        decoding: while true {
            let out = ByteBuffer(capacity: room)
            let step = decoder.decode(&input, isLast: index == pieces.count - 1, into: out)
            switch step {
            case .failed(let fault): return .failure(CodingProblem(fault))
            case .full: result += out.bytes().array()
            case .hungry, .ended:
                result += out.bytes().array()
                #expect((step == .ended) == (index == pieces.count - 1))
                break decoding
            }
        }
    }
    return .success(result)
}

struct CodingProblem: Error, Equatable {
    let fault: CodingFault
    init(_ fault: CodingFault) { self.fault = fault }
}

/// Text that compresses, and does not repeat itself too soon.
func prose(_ count: Int) -> [UInt8] {
    var state: UInt32 = 7
    var bytes: [UInt8] = []
    while bytes.count < count {
        state = state &* 1_664_525 &+ 1_013_904_223
        bytes += Array("{\"id\":\(state >> 12),\"name\":\"thing \(state >> 28)\"},".utf8)
    }
    return Array(bytes.prefix(count))
}

@Suite("Content codings as streams")
struct ContentCodingTests {
    static let all = ContentCoding.allCases

    @Test("What is encoded is decoded, cut in two at every byte and byte by byte", arguments: all)
    func everyCut(coding: ContentCoding) throws {
        let text = prose(1500)
        let stream = try encoded([Array(text[..<700]), Array(text[700...])], coding)
        #expect(stream.count < text.count)
        for cut in 0...stream.count {
            #expect(decoded([Array(stream[..<cut]), Array(stream[cut...])], coding) == .success(text), "cut \(cut)")
        }
        #expect(decoded(stream.map { [$0] }, coding) == .success(text))
        #expect(decoded([stream], coding, room: 1) == .success(text))
    }

    @Test("Every stream cut short is refused, and so is every one with a byte behind it", arguments: all)
    func cutShort(coding: ContentCoding) throws {
        let stream = try encoded([prose(1500)], coding)
        for end in 1..<stream.count {
            #expect(decoded([Array(stream[..<end])], coding) == .failure(.init(.truncated)), "end \(end)")
        }
        for extra: [UInt8] in [[0], [0x78], Array("GET / HTTP/1.1\r\n\r\n".utf8)] {
            #expect(decoded([stream + extra], coding) == .failure(.init(.trailingBytes)), "\(extra)")
            #expect(decoded([stream, extra], coding) == .failure(.init(.trailingBytes)), "\(extra)")
        }
        #expect(decoded([[]], coding) == .success([]))
    }

    @Test(
        "Every flipped bit is refused or changes what comes out: never a trap, never more than the limit",
        arguments: all)
    func flippedBits(coding: ContentCoding) throws {
        let stream = try encoded([prose(300)], coding)
        var limits = ContentDecoder.Limits()
        limits.size = 10_000
        for index in stream.indices {
            for bit in 0..<8 {
                var broken = stream
                broken[index] ^= 1 << UInt8(bit)
                if case .success(let bytes) = decoded([broken], coding, limits) { #expect(bytes.count <= 10_000) }
            }
        }
    }

    @Test(
        "One encoder serves many streams, each after the last was broken off", arguments: [ContentCoding.gzip, .zstd])
    func reuse(coding: ContentCoding) throws {
        let encoder = try #require(ContentEncoder(coding, level: 3, windowLog: 15))
        for round in 0..<4 {
            let text = prose(2000 + round)
            #expect(try decoded([encode([text], with: encoder, room: 64)], coding) == .success(text))
            #expect(encoder.reset(windowLog: 15))
            var rest = ByteSlice(copying: text)
            _ = encoder.encode(&rest, .goOn, into: ByteBuffer(capacity: 4096))
            #expect(encoder.reset(windowLog: 12))
        }
        let brotli = try #require(ContentEncoder(.br, level: 3, windowLog: 15))
        #expect(!brotli.reset(windowLog: 15))
    }

    @Test("Members of gzip and frames of zstd follow one another; nothing follows the others")
    func members() throws {
        for (coding, takes) in [(ContentCoding.gzip, true), (.zstd, true), (.br, false), (.deflate, false)] {
            let stream = try encoded([prose(900)], coding) + encoded([prose(50)], coding)
            let expected: Result<[UInt8], CodingProblem> =
                takes ? .success(prose(900) + prose(50)) : .failure(.init(.trailingBytes))
            for cut in 0...stream.count {
                #expect(
                    decoded([Array(stream[..<cut]), Array(stream[cut...])], coding) == expected, "\(coding) \(cut)")
            }
        }
    }

    @Test("zstd: skippable frames are skipped, formats of before RFC 8878 are not read")
    func frames() throws {
        let skippable: [UInt8] = [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3]
        let stream = try skippable + encoded([prose(200)], .zstd) + skippable
        for cut in 0...stream.count {
            let pieces = [Array(stream[..<cut]), Array(stream[cut...])]
            #expect(decoded(pieces, .zstd) == .success(prose(200)), "cut \(cut)")
        }
        for version: UInt8 in 0x22...0x27 {
            let old: [UInt8] = [version, 0xB5, 0x2F, 0xFD, 0, 0, 0, 0, 0]
            #expect(decoded([old], .zstd) == .failure(.init(.malformed)))
            #expect(decoded(old.map { [$0] }, .zstd) == .failure(.init(.malformed)))
        }
    }

    @Test("A bomb stops at its limit", arguments: all)
    func bomb(coding: ContentCoding) throws {
        let zeros = [[UInt8]](repeating: [UInt8](repeating: 0, count: 1 << 20), count: 16)
        let stream = try encoded(zeros, coding, windowLog: 15)
        #expect(stream.count < 100_000)
        var limits = ContentDecoder.Limits()
        limits.ratio = 1_000_000
        limits.size = 3 << 20
        #expect(decoded([stream], coding, limits) == .failure(.init(.tooLarge)))
        limits.size = 16 << 20
        #expect(decoded([stream], coding, limits) == .success([UInt8](repeating: 0, count: 16 << 20)))
        limits.size = (16 << 20) - 1
        #expect(decoded([stream], coding, limits) == .failure(.init(.tooLarge)))
        #expect(decoded([stream], coding) == .failure(.init(.ratio)))
        // Within the first MiB no ratio is looked at.
        #expect(try decoded([encoded([zeros[0]], coding)], coding) == .success(zeros[0]))

        // Never a byte beyond, however much room there is.
        limits.size = 100
        let decoder = try #require(ContentDecoder(coding, limits))
        var input = ByteSlice(copying: stream)
        let out = ByteBuffer(capacity: 1 << 20)
        #expect(decoder.decode(&input, isLast: true, into: out) == .failed(.tooLarge))
        #expect(out.count <= 101)
    }

    @Test("Windows beyond the limit are refused at the first bytes")
    func windows() throws {
        var limits = ContentDecoder.Limits()
        limits.maxWindowLog = 17
        for coding in [ContentCoding.br, .zstd] {
            for log in 10...22 {
                // Long enough that the encoder does not settle for less.
                let stream = try encoded([prose(100), prose(5000)], coding, windowLog: log)
                let result = decoded([stream], coding, limits)
                #expect((result == .failure(.init(.window))) == (log > 17), "\(coding) \(log): \(result)")
                #expect(decoded([stream], coding) == .success(prose(100) + prose(5000)), "\(coding) \(log)")
            }
        }
    }

    @Test("Settings out of bounds make no encoder")
    func bounds() {
        #expect(ContentEncoder(.gzip, level: 3, windowLog: 40) == nil)
        #expect(ContentEncoder(.br, level: 3, windowLog: 99) == nil)
        #expect(ContentEncoder(.zstd, level: 3, windowLog: 99) == nil)
        #expect(ContentEncoder(.gzip, level: 99, windowLog: 15) == nil)
        #expect(ContentEncoder(.br, level: 12, windowLog: 18) == nil)
        #expect(ContentEncoder(.gzip, level: .max, windowLog: 15) == nil)
    }

    @Test("Names on the wire")
    func names() {
        for (text, coding) in [
            ("gzip", ContentCoding.gzip), ("GZip", .gzip), ("x-gzip", .gzip), ("br", .br), ("zstd", .zstd),
            ("deflate", .deflate), ("compress", nil), ("", nil), ("gzi", nil), ("brr", nil),
        ] as [(String, ContentCoding?)] {
            let named = ContentCoding(text.utf8Span.span)
            #expect(named == coding, "\(text)")
        }
    }
}
