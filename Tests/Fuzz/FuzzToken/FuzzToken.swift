internal import MartletAuth
internal import MartletCore
internal import MartletCrypto

/// Whatever a client sends as a token, or a key server as a key set: it is read or refused. What is read as base64 is written the same way
/// again, so that no two texts pass for the same bytes.
@c(LLVMFuzzerTestOneInput)
public func fuzzToken(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let text = unsafe [UInt8](UnsafeBufferPointer(start: data, count: size))
    for alphabet in [Base64.Alphabet.url, .standard] {
        guard let bytes = Base64.decode(text.span, alphabet) else { continue }
        precondition(Base64.encode(bytes.span, alphabet) == text, "another text for the same bytes")
    }
    _ = JSONWebToken.isReadable(text.span)
    // What the fuzzer finds in plain text, as a token has it.
    let encoded = Base64.encode(text.span, .url)
    let header = Array("eyJhbGciOiJFUzI1NiJ9".utf8)
    for first in [header, encoded] {
        let token = first + [0x2E] + encoded + [0x2E] + encoded
        _ = JSONWebToken.isReadable(token.span)
    }
    for allowsSecrets in [true, false] { _ = try? KeySet.read(text.span, allowsSecrets: allowsSecrets) }
    return 0
}
