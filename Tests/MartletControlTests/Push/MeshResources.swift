import MartletControl
internal import MartletXDS

/// Resources of a small mesh. The version is all of their content.
func cluster(_ name: String, _ version: String = "1", endpoints: String? = nil) -> Resource {
    let references = endpoints.map { [Reference(.endpoints, $0)] } ?? []
    return Resource(.cluster, name, version: version, body: Array(version.utf8), references: references)
}

func endpoints(_ name: String, _ version: String = "1") -> Resource {
    Resource(.endpoints, name, version: version, body: Array(version.utf8))
}

func listener(_ name: String, _ version: String = "1", routes: [String] = [], clusters: [String] = []) -> Resource {
    Resource(
        .listener, name, version: version, body: Array(version.utf8),
        references: routes.map { Reference(.routes, $0) } + clusters.map { Reference(.cluster, $0) })
}

func route(_ name: String, _ version: String = "1", to clusters: [String]) -> Resource {
    Resource(
        .routes, name, version: version, body: Array(version.utf8), references: clusters.map { Reference(.cluster, $0) }
    )
}
