internal import MartletCore

@testable internal import MartletNet

/// A server that asks for a client's certificate, speaks ALPN and takes tickets: everything that a hello can touch.
private let server: TLSServerContext? = {
    let own = TLSFile(name: "certificate", bytes: Array(certificate.utf8))
    let key = TLSFile(name: "key", bytes: Array(key.utf8))
    var settings = TLSServerSettings(certificates: [TLSCertificateFiles(chain: own, key: key)])
    settings.clientCA = own
    settings.alpn = ["h2", "http/1.1"]
    settings.ticketKeys = try? TLSTicketKeys()
    return try? TLSServerContext(settings)
}()

/// Whatever a client sends in the handshake: the server asks for more, answers within bounds, or fails and stays failed, and
/// never takes it for one that was finished.
@c(LLVMFuzzerTestOneInput)
public func fuzzTLS(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let input = unsafe [UInt8](UnsafeBufferPointer(start: data, count: size))
    guard let server else { preconditionFailure("no server") }
    guard let session = TLSSession(server), let cut = input.first else { return 0 }
    let answer = ByteBuffer(capacity: 1 << 20)
    var hasFailed = false
    var start = 1
    // In pieces: the first byte says how large.
    while start < input.count {
        let end = min(start + max(Int(cut) * 8, 1), input.count)
        let piece = ByteSlice(copying: Array(input[start..<end])).buffer
        var used = 0
        let outcome = session.shakeHands(piece, from: &used)
        precondition(outcome != .done, "a handshake without a secret")
        precondition(!hasFailed || outcome == .failed, "came back from a failure")
        precondition(outcome != .hungry || used == piece.count, "hungry with bytes left")
        if outcome == .failed {
            hasFailed = true
            precondition(!session.failure.description.isEmpty, "no reason")
        }
        session.takeUnsent(into: answer)
        precondition(session.unsent == 0, "an answer without bound")
        start = end
    }
    return 0
}

// Made for this alone, by nobody trusted: `a.test` and `*.b.test`, its own authority. Made here rather than by a program,
// whose start leaves memory behind that the leak checker finds.
private let certificate = """
    -----BEGIN CERTIFICATE-----
    MIIBljCCATygAwIBAgIUK/C0j5XoE47y+C2b9hYOuDqG16owCgYIKoZIzj0EAwIw
    ETEPMA0GA1UEAwwGYS50ZXN0MCAXDTI2MTEyODIyNTQ1NFoYDzIxMjYxMTA0MjI1
    NDU0WjARMQ8wDQYDVQQDDAZhLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
    AASvUBHbFAHjC4fX0pF9yHlX02t9QnbrmnmjoRJwY0ol+03ohdiWf4rP9cxyVwag
    oNy3qZMjPwNsQtI4lueFGaylo3AwbjAdBgNVHQ4EFgQU/mD4oOMX/hoTB84yvWYp
    yRzkxT0wHwYDVR0jBBgwFoAU/mD4oOMX/hoTB84yvWYpyRzkxT0wGwYDVR0RBBQw
    EoIGYS50ZXN0gggqLmIudGVzdDAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMC
    A0gAMEUCIQCUdPWsxH58IIMtaVC1Z/EVLAatlnnJzKX1oYhumgtg6gIgCqsoNqMJ
    JDbvm9KSBPA2Z6Qxp5fGcpC1eQz4CemzLSE=
    -----END CERTIFICATE-----
    """
private let key = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2S+9gUGKjJ6Nvd8A
    D4K51Vgdowre4RMFU79t8BQysjKhRANCAASvUBHbFAHjC4fX0pF9yHlX02t9Qnbr
    mnmjoRJwY0ol+03ohdiWf4rP9cxyVwagoNy3qZMjPwNsQtI4lueFGayl
    -----END PRIVATE KEY-----
    """
