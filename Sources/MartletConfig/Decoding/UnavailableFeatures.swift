/// What the configuration language has and this version does not run. Writing one is an error, never ignored.
///
/// The one list: who builds a feature deletes its line here and reads the key where it belongs.
enum UnavailableFeatures {
    /// Keys by the kind of mapping they stand in, which is the last name in its path: `listeners[0]` is a "listeners".
    private static let keys: [String: [String: String]] = [:]

    static func name(of key: String, at path: ConfigPath) -> String? { keys[path.lastName]?[key] }
}
