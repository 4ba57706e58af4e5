/// The proxy's list of keys that it does not run; a filter's section has none.
enum UnavailableFeatures {
    static func name(of key: String, at path: ConfigPath) -> String? { nil }
    static func name(of value: String, for key: String, at path: ConfigPath) -> String? { nil }
}
