internal import MartletCoding
internal import MartletCore

/// The first byte says which coding and how much room a step has, the second where the rest is cut in two. Whatever the
/// rest is: decoding it whole, in two pieces and byte by byte gives the same body or the same fault, within the limits.
@c(LLVMFuzzerTestOneInput)
public func fuzzDecoder(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let lent = unsafe UnsafeBufferPointer(start: data, count: size)
    guard lent.count >= 2 else { return 0 }
    let (selector, place) = unsafe (lent[0], lent[1])
    let input = unsafe Array(lent.dropFirst(2))
    let coding = ContentCoding.allCases[Int(selector & 3)]
    let room = 1 + Int(selector >> 2) * 64
    let cut = input.count * Int(place) / 256
    let whole = outcome([input], coding, room: room)
    precondition(
        whole == outcome([Array(input[..<cut]), Array(input[cut...])], coding, room: 4096), "differs when cut at \(cut)"
    )
    if input.count <= 256 {
        precondition(whole == outcome(input.map { [$0] }, coding, room: 4096), "differs byte by byte")
    }
    return 0
}

private enum Outcome: Equatable {
    case body([UInt8])
    /// Which of the limits or mistakes is met first depends on how much is done at a time.
    case refused
}

private func outcome(_ pieces: [[UInt8]], _ coding: ContentCoding, room: Int) -> Outcome {
    var limits = ContentDecoder.Limits()
    limits.size = 1 << 18
    limits.maxWindowLog = 20
    guard let decoder = ContentDecoder(coding, limits) else { return .refused }
    var body: [UInt8] = []
    for (index, piece) in (pieces.isEmpty ? [[]] : pieces).enumerated() {
        var rest = ByteSlice(copying: piece)
        let isLast = index >= pieces.count - 1
        stepping: while true {
            let out = ByteBuffer(capacity: room)
            let before = rest.count
            let step = decoder.decode(&rest, isLast: isLast, into: out)
            precondition(decoder.given <= limits.size + 1)
            if case .failed = step { return .refused }
            body += out.bytes().array()
            switch step {
            case .hungry:
                precondition(rest.isEmpty && !isLast)
                break stepping
            case .ended:
                precondition(rest.isEmpty && isLast)
                break stepping
            default: precondition(out.count > 0 || rest.count < before, "the decoder does not advance")
            }
        }
    }
    return .body(body)
}
