internal import MartletControl

/// What the routes of the API do: they ask the control plane, for callers who may.
struct APIDesk: Sendable {
    let control: any ControlPlane
    let instances: any InstanceRegistry
    let audit: AuditLog
    let counters: APICounters
    /// Why the control plane is not ready; nil: it is.
    let unready: @Sendable () async -> String?

    // MARK: Documents

    func list(_ call: APICall) async throws -> APIAnswer {
        let kind = call.path["kind"] == nil ? nil : try call.kind()
        let namespace = call.path["namespace"]
        let revision = await control.revision()
        let documents = try await control.documents(namespace: namespace, kind: kind)
        return try APIAnswer(
            DocumentList(
                revision: revision,
                documents: documents.filter { call.caller.sees($0.key.namespace) }.map { DocumentMessage($0) }))
    }

    func document(_ call: APICall) async throws -> APIAnswer {
        try APIAnswer(DocumentMessage(try await control.document(try call.key(), at: try call.revision())))
    }

    func history(_ call: APICall) async throws -> APIAnswer {
        let versions = try await control.history(try call.key(), limit: try call.limit())
        return try APIAnswer(HistoryMessage(versions: versions.map { VersionMessage($0) }))
    }

    func log(_ call: APICall) async throws -> APIAnswer {
        let events = try await control.log(namespace: call.namespace, limit: try call.limit())
        return try APIAnswer(LogMessage(transactions: events.map { TransactionMessage($0) }))
    }

    // MARK: Changes

    func apply(_ call: APICall) async throws -> APIAnswer {
        let request = try call.decode(
            ApplyRequest.self,
            keys: ["": ["files", "attachments", "message", "expected_revision"], "files[]": ["name", "text"]])
        let submission = try call.submission(request)
        if call.isDryRun { return try APIAnswer(PlanMessage(try await control.plan(submission), for: call.caller)) }
        return try APIAnswer(of: AppliedMessage(try await control.apply(submission, by: call.caller.name)))
    }

    func delete(_ call: APICall) async throws -> APIAnswer {
        let key = try call.key()
        let within = call.caller.namespaces
        if call.isDryRun {
            return try APIAnswer(
                PlanMessage(try await control.planDeletion([key], within: within), for: call.caller))
        }
        let applied = try await control.delete([key], within: within, by: call.caller.name, message: call.message)
        return try APIAnswer(of: AppliedMessage(applied))
    }

    /// Several at once, for what none of them can be deleted without.
    func deleteAll(_ call: APICall) async throws -> APIAnswer {
        let request = try call.decode(
            DeleteRequest.self, keys: ["": ["documents", "message"], "documents[]": ["kind", "name"]])
        guard (request.message ?? "").utf8.count <= APICall.maxMessage else { throw APICall.messageTooLong }
        let keys = try request.documents.map { document in
            guard let kind = MeshKind(word: document.kind) else {
                throw APIFailure.badRequest("there is no kind \"\(document.kind.prefix(60))\"")
            }
            return try DocumentKey(call.namespace, kind.rawValue, document.name)
        }
        let within = call.caller.namespaces
        if call.isDryRun {
            return try APIAnswer(PlanMessage(try await control.planDeletion(keys, within: within), for: call.caller))
        }
        let applied = try await control.delete(
            keys, within: within, by: call.caller.name, message: request.message ?? "")
        return try APIAnswer(of: AppliedMessage(applied))
    }

    func rollback(_ call: APICall) async throws -> APIAnswer {
        let request = try call.decode(RollbackRequest.self, keys: ["": ["revision", "message"]])
        guard (request.message ?? "").utf8.count <= APICall.maxMessage else { throw APICall.messageTooLong }
        guard request.revision > 0 else {
            throw APIFailure.badRequest("revision is a number from 1, not \(request.revision)")
        }
        let keys = call.path["name"] == nil ? nil : [try call.key()]
        let applied = try await control.rollback(
            namespace: call.namespace, keys: keys, to: request.revision, within: call.caller.namespaces,
            by: call.caller.name, message: request.message ?? "")
        return try APIAnswer(of: AppliedMessage(applied))
    }

    // MARK: Proxies

    func proxies(_ call: APICall) async throws -> APIAnswer {
        let connected = await control.connected()
        return try APIAnswer(
            ProxyList(
                revision: await control.revision(),
                proxies: Self.visible(connected, to: call.caller).map { ProxyMessage($0, isWhole: false) },
                replicas: connected.replicas.isEmpty
                    ? nil : connected.replicas.map { ReplicaStatusMessage($0, for: call.caller) }))
    }

    func proxy(_ call: APICall) async throws -> APIAnswer {
        let id = call.path["id"] ?? ""
        guard let proxy = Self.visible(await control.connected(), to: call.caller).first(where: { $0.id == id }) else {
            throw APIFailure.notFound("no proxy \"\(id.prefix(100))\" is connected")
        }
        return try APIAnswer(ProxyMessage(proxy, isWhole: true))
    }

    private static func visible(_ connected: ConnectedProxies, to caller: Caller) -> [ProxyStatus] {
        connected.proxies.filter { caller.sees($0.namespace) }.map { proxy in
            var proxy = proxy
            if caller.namespaces != nil { proxy.replica = nil }
            return proxy
        }
    }

    /// For another replica, or whoever may see as much.
    func view(_ call: APICall) async throws -> APIAnswer {
        guard call.caller.namespaces == nil else {
            throw APIFailure.forbidden("this is of all namespaces; the token \"\(call.caller.name)\" is for some")
        }
        return try APIAnswer(ReplicaMessage(await control.view()))
    }

    // MARK: About itself

    func auditEntries(_ call: APICall) throws -> APIAnswer {
        let entries = audit.recent(limit: AuditLog.kept).filter { entry -> Bool in
            // What was done says itself where.
            let namespaces = entry.documents.compactMap { $0.split(separator: "/").first.map(String.init) }
            return call.caller.namespaces == nil
                || (namespaces.isEmpty ? [entry.namespace].compactMap(\.self) : namespaces).contains(
                    where: call.caller.sees)
        }
        return try APIAnswer(AuditList(entries: Array(entries.prefix(try call.limit()))))
    }

    func ready() async -> APIAnswer {
        guard let reason = await unready() else { return APIAnswer(text: "ready\n") }
        return APIAnswer(text: reason + "\n", status: 503)
    }

    func metrics() async -> APIAnswer {
        APIAnswer(
            text: counters.text(revision: await control.revision(), proxies: await control.ownProxies())
                + Self.counts(of: await instances.instances(namespace: nil, service: nil)),
            type: "text/plain; version=0.0.4; charset=utf-8")
    }
}
