/// The name of a secret, which says what files the configuration has it from: `certs/shop.pem|certs/shop.key`. A secret that
/// somebody else has named stands for files of that name.
struct SecretName {
    let text: String

    init(_ text: String) { self.text = text }

    init(paths: [String]) {
        // A path with the separator in it must not become two.
        text = paths.map { $0.replacing("%", with: "%25").replacing("|", with: "%7C") }.joined(separator: "|")
    }

    /// The files of a name of our own making; one of somebody else's is one.
    var paths: [String] {
        text.split(separator: "|", omittingEmptySubsequences: false).map {
            String($0).replacing("%7C", with: "|").replacing("%25", with: "%")
        }
    }

    /// Certificate, key and, where there is one, the OCSP response.
    var certificatePaths: [String] {
        let paths = paths
        return paths.count > 1 ? paths : ["\(text).pem", "\(text).key"]
    }
}
