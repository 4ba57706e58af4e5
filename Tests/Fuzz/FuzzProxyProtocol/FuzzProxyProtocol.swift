internal import MartletCore
internal import MartletNet

/// Whatever stands at the beginning of a connection: every beginning of it leads to the same answer, and a header that was
/// accepted is, sent on, read as the same header.
@c(LLVMFuzzerTestOneInput)
public func fuzzProxyProtocol(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: data, count: size))
    let whole = ProxyHeader.decode(input.span)
    for cut in 0..<input.count where cut < 300 || cut % 61 == 0 {
        let step = ProxyHeader.decode(input.span.extracting(0..<cut))
        precondition(step == .needMore || step == whole, "another answer after \(cut) bytes")
    }
    if case .needMore = whole {
        precondition(input.count < 16 + ProxyHeader.maxBlock, "waits without bound")
    }
    guard case .header(let header, let consumed) = whole else { return 0 }
    precondition((0...input.count).contains(consumed))
    _ = (header.authority, header.alpn, header.uniqueID, header.tls)
    let sent = header.encoded()
    precondition(ProxyHeader.decode(sent.span) == .header(header, consumed: sent.count), "read back as another")
    return 0
}
