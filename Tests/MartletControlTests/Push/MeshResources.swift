import MartletControl

/// Resources of a small mesh. The version is all of their content.
func cluster(_ name: String, _ version: String = "1", endpoints: String? = nil) -> Resource {
    let references = endpoints.map { [Reference(.endpoint, $0)] } ?? []
    return Resource(.cluster, name, version: version, body: Array(version.utf8), references: references)
}

func endpoints(_ name: String, _ version: String = "1") -> Resource {
    Resource(.endpoint, name, version: version, body: Array(version.utf8))
}

func listener(_ name: String, _ version: String = "1", routes: [String] = [], clusters: [String] = []) -> Resource {
    Resource(
        .listener, name, version: version, body: Array(version.utf8),
        references: routes.map { Reference(.route, $0) } + clusters.map { Reference(.cluster, $0) })
}

func route(_ name: String, _ version: String = "1", to clusters: [String]) -> Resource {
    Resource(
        .route, name, version: version, body: Array(version.utf8), references: clusters.map { Reference(.cluster, $0) })
}
