#if canImport(Glibc)
internal import Glibc
#endif

/// Where the proxy runs when its configuration does not say: one configuration serves the proxies of every zone.
enum ProxyZone {
    static let variable = "MARTLET_ZONE"

    /// Nil when it is unset or empty. Nothing here sets the environment, so reading it races with nobody.
    static var ofEnvironment: String? {
        guard let text = unsafe getenv(variable) else { return nil }
        let zone = unsafe String(cString: text)
        return zone.isEmpty ? nil : zone
    }
}
