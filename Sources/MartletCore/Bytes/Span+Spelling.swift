/// Names of headers as CGI and what came after it read them: in any case, and with an underscore for a hyphen. To such a server
/// `X_Real_IP` is `x-real-ip`, so what is said of the one holds for the other.
extension Span where Element == UInt8 {
    package func isSpelling(of name: Span<UInt8>) -> Bool { count == name.count && beginsWithSpelling(of: name) }

    package func beginsWithSpelling(of beginning: Span<UInt8>) -> Bool {
        guard count >= beginning.count else { return false }
        for index in beginning.indices where self[index].asSpelt != beginning[index].asSpelt { return false }
        return true
    }
}

extension UInt8 {
    fileprivate var asSpelt: UInt8 { self == 0x5F ? 0x2D : lowercasedASCII }
}
