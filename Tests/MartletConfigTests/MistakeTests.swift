internal import MartletConfig
internal import Testing

/// A mistake and all that is said about it.
struct Mistake: Sendable, CustomTestStringConvertible {
    let text: String
    let errors: [String]

    init(_ text: String, _ errors: String...) {
        self.text = text
        self.errors = errors.map { "m.yaml:" + $0 }
    }

    var testDescription: String { errors.first ?? "" }
}

@Suite struct MistakeTests {
    @Test(arguments: Mistake.all)
    func saysWhereAndWhat(_ mistake: Mistake) {
        let decoded = Decoded(mistake.text)
        #expect(decoded.errors == mistake.errors)
        #expect(decoded.config == nil)
    }
}
