internal import MartletConfig

/// Whatever text a configuration file holds, it is decoded or refused with errors that have a place.
@c(LLVMFuzzerTestOneInput)
public func fuzzConfig(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer lends `size` readable bytes for the length of the call.
    let text = unsafe [UInt8](UnsafeBufferPointer(start: data, count: size))
    let diagnostics = ConfigDiagnostics()
    let config = ProxyConfig.decode(
        bytes: text, file: "fuzz.yaml", filters: ["router", "headers", "lua"], diagnostics: diagnostics)
    precondition(config != nil || diagnostics.hasErrors, "refused without a word")
    for error in diagnostics.errors { precondition(error.description.hasPrefix("fuzz.yaml:"), error.description) }
    // What is shown of it is text, whatever the strings in it hold.
    if let config { _ = config.json }
    return 0
}
