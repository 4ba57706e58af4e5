internal import MartletCore
internal import MartletNet

/// Whatever stands at the beginning of a connection: every beginning of it leads to the same protocol and the same reading of a
/// ClientHello, within the bounds that both promise.
@c(LLVMFuzzerTestOneInput)
public func fuzzSniffer(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: data, count: size))
    let kind = ProtocolSniffer.kind(of: input.span, isFinal: false)
    precondition(kind != nil || input.count < ProtocolSniffer.enough, "no answer")
    precondition(ProtocolSniffer.kind(of: input.span, isFinal: true) != nil, "no answer at the end")
    for cut in 0..<min(input.count, ProtocolSniffer.enough) {
        let early = ProtocolSniffer.kind(of: input.span.extracting(0..<cut), isFinal: false)
        precondition(early == nil || early == kind, "another protocol after \(cut) bytes")
    }
    let hello = ClientHello.peek(input.span)
    for cut in 0..<input.count where cut < 300 || cut % 61 == 0 {
        let step = ClientHello.peek(input.span.extracting(0..<cut))
        precondition(step == .needMore || step == hello, "another hello after \(cut) bytes")
    }
    switch hello {
    case .needMore: precondition(input.count <= ClientHello.maxLength + 5, "waits without bound")
    case .fault: break
    case .hello(let hello):
        precondition(kind == .tls || input[2] > 4, "a hello of no TLS")
        guard let name = hello.serverName else { break }
        precondition((1...255).contains(name.utf8.count) && name == name.lowercased(), "not a host name")
    }
    return 0
}
