package import MartletConfig
internal import MartletCore

extension RouteIndex {
    /// Compiles a listener's routes. `overrides` has, for each route, what it says about places in the chain. Nil after
    /// reporting expressions that do not compile.
    package static func build(
        _ listener: ListenerConfig, clusterIndex: (String) -> Int?, overrides: [[Int: RouteOverride]],
        diagnostics: ConfigDiagnostics
    ) -> RouteIndex? {
        var routes: [Route] = []
        var conditions: [RouteConditions?] = []
        var hosts = HostTable()
        var groups = [RouteGroup.Draft()]
        for (position, config) in listener.routes.enumerated() {
            let action = compile(config, clusterIndex, diagnostics)
            guard let condition = RouteConditions(config.match, diagnostics: diagnostics), let action else { continue }
            routes.append(
                Route(
                    position: position, name: config.name ?? "route-\(position)", action: action,
                    cluster: clusters(config.action),
                    overrides: overrides.indices.contains(position) ? overrides[position] : [:]))
            conditions.append(condition.isEmpty ? nil : condition)
            for number in Set(groupNumbers(config.match.hosts, &hosts, &groups)) {
                insert(config.match, position, &groups[number])
            }
        }
        guard routes.count == listener.routes.count else { return nil }
        return RouteIndex(
            routes: routes, conditions: conditions, hosts: hosts, groups: groups.map { RouteGroup($0) })
    }

    private static func clusters(_ action: RouteAction) -> String? {
        switch action {
        case .cluster(let reference): reference.name
        case .split(let parts): parts.map(\.cluster.name).joined(separator: ",")
        case .redirect, .respond: nil
        }
    }

    private static func groupNumbers(
        _ patterns: [HostPattern], _ hosts: inout HostTable, _ groups: inout [RouteGroup.Draft]
    ) -> [Int] {
        guard !patterns.isEmpty else { return [0] }
        var count = groups.count
        let make = {
            count += 1
            return count - 1
        }
        let numbers = patterns.map { pattern in
            switch pattern {
            case .any: 0
            case .exact(let name): hosts.group(.exact, name, make)
            case .suffix(let name): hosts.group(.suffix, name, make)
            case .prefix(let name): hosts.group(.prefix, name, make)
            }
        }
        while groups.count < count { groups.append(RouteGroup.Draft()) }
        return numbers
    }

    private static func insert(_ match: RouteMatch, _ position: Int, _ group: inout RouteGroup.Draft) {
        func add(_ path: String, _ kind: PathTable.Kind) {
            if match.isCaseSensitive {
                group.paths.insert(Array(path.utf8), kind, position: position)
            } else {
                group.foldedPaths.insert(Array(path.utf8), kind, position: position)
            }
        }
        switch match.path {
        case .exact(let path): add(path, .exact)
        case .prefix(let path): add(path, .prefix)
        case .segments(let path): add(path, .segments)
        case .regex, nil: group.others.append(Int32(position))
        }
    }

    // MARK: Actions

    private static func compile(
        _ route: RouteConfig, _ clusterIndex: (String) -> Int?, _ diagnostics: ConfigDiagnostics
    ) -> CompiledAction? {
        switch route.action {
        case .cluster(let reference):
            return forward(route, [(reference.name, 1)], clusterIndex, diagnostics)
        case .split(let parts):
            return forward(route, parts.map { ($0.cluster.name, $0.weight) }, clusterIndex, diagnostics)
        case .redirect(let redirect):
            return compile(redirect, matched: matchedLength(route.match), diagnostics).map { .redirect($0) }
        case .respond(let respond):
            return .respond(
                RespondAction(
                    status: UInt16(respond.status), headers: headers(of: respond), body: Array(respond.body.utf8)))
        }
    }

    /// A body without a type would be the client's to guess: a browser may take text for HTML.
    private static func headers(of respond: RespondConfig) -> [(name: HeaderName, value: String)] {
        let hasType = respond.headers.contains { $0.name.id == .contentType }
        return respond.body.isEmpty || hasType
            ? respond.headers : respond.headers + [(.contentType, "text/plain")]
    }

    private static func matchedLength(_ match: RouteMatch) -> Int {
        switch match.path {
        case .exact(let path), .prefix(let path), .segments(let path): path.utf8.count
        case .regex, nil: 0
        }
    }

    private static func forward(
        _ route: RouteConfig, _ parts: [(name: String, weight: Int)], _ clusterIndex: (String) -> Int?,
        _ diagnostics: ConfigDiagnostics
    ) -> CompiledAction? {
        // Names were checked; one that is unknown all the same is an error reported already.
        let clusters = parts.compactMap { part in
            clusterIndex(part.name).map { CompiledCluster(cluster: $0, weight: UInt32(part.weight)) }
        }
        var rewrite: RewriteAction?
        if let config = route.rewrite {
            var path: RewriteAction.Path?
            switch config.path {
            case .prefix(let text): path = .prefix(matched: matchedLength(route.match), with: Array(text.utf8))
            case .regex(let source, let to):
                guard let pattern = RouteConditions.pattern(source, folds: false, matching: .part, diagnostics) else {
                    return nil
                }
                path = .regex(pattern, to: Array(to.utf8))
            case nil: break
            }
            rewrite = RewriteAction(path: path, host: config.host.map { Array($0.utf8) })
        }
        let mirrors = route.mirrors.compactMap { mirror in
            clusterIndex(mirror.cluster.name).map { MirrorAction(cluster: $0, share: mirror.fraction) }
        }
        return .forward(
            ForwardAction(
                clusters: clusters, timeout: route.timeout.map { Nanoseconds($0) } ?? .zero,
                idleTimeout: route.idleTimeout.map { Nanoseconds($0) } ?? .zero,
                sendsDeadline: route.hasOwnTimeout && route.timeout != nil, rewrite: rewrite, mirrors: mirrors,
                hash: route.hash.map { HashRule($0) }))
    }

    private static func compile(
        _ config: RedirectConfig, matched: Int, _ diagnostics: ConfigDiagnostics
    ) -> RedirectAction? {
        var action = RedirectAction(
            status: UInt16(config.status), scheme: config.scheme, host: config.host,
            port: config.port.map { UInt16($0) },
            stripsQuery: config.stripQuery)
        switch config.path {
        case .full(let path): action.path = path
        case .prefix(let prefix): action.prefix = (matched, prefix)
        case .regex(let source, let to):
            guard let pattern = RouteConditions.pattern(source, folds: false, matching: .part, diagnostics) else {
                return nil
            }
            action.regex = (pattern, Array(to.utf8))
        case nil: break
        }
        return action
    }
}
