internal import HTTPTypes

extension APIRoute {
    private static let namespace = "/v1/namespaces/{namespace}"
    private static let limit = Parameter(
        name: "limit", kind: .number, summary: "How many at most, 1 to \(APICall.maxLimit); 50 unless said otherwise.")
    private static let dryRun = Parameter(
        name: "dry_run", kind: .truth, summary: "Change nothing, and answer what would change, and on which proxies.")
    private static let message = Parameter(name: "message", kind: .text, summary: "Why, for the history.")

    /// Every route. Where two match, the first is meant: words come before parameters.
    static let all: [APIRoute] = instances + rollouts + documents + changes + mesh + itself

    private static let documents: [APIRoute] = [
        APIRoute(
            action: "listAllDocuments", method: .get, path: "/v1/documents",
            summary: "Every document of the namespaces that the token is for.", role: .read,
            content: .json("DocumentList"), answer: { try await $0.list($1) }),
        APIRoute(
            action: "listTransactions", method: .get, path: namespace + "/log",
            summary: "The changes of a namespace, newest first.", role: .read, query: [limit],
            content: .json("Log"), answer: { try await $0.log($1) }),
        APIRoute(
            action: "listDocuments", method: .get, path: namespace + "/{kind}",
            summary: "The documents of a kind: listeners, clusters, policies or services.", role: .read,
            content: .json("DocumentList"), refusals: [404], answer: { try await $0.list($1) }),
        APIRoute(
            action: "getDocument", method: .get, path: namespace + "/{kind}/{name}",
            summary: "One document, as it is or as it was.", role: .read,
            query: [
                Parameter(name: "revision", kind: .number, summary: "As it was after this revision.")
            ], content: .json("Document"), refusals: [404], answer: { try await $0.document($1) }),
        APIRoute(
            action: "getHistory", method: .get, path: namespace + "/{kind}/{name}/history",
            summary: "The versions of a document, newest first.", role: .read, query: [limit],
            content: .json("History"), refusals: [404], answer: { try await $0.history($1) }),
    ]

    private static let changes: [APIRoute] = [
        APIRoute(
            action: "applyDocuments", method: .post, path: namespace + "/apply",
            summary: "Check what files describe, and make it so if nothing is wrong.", role: .write, changes: true,
            query: [dryRun], body: "ApplyRequest", content: .json("Applied"), dryRun: "Plan",
            refusals: [409, 422], answer: { try await $0.apply($1) }),
        APIRoute(
            action: "deleteDocuments", method: .post, path: namespace + "/delete",
            summary: "Delete several documents at once. Refused while something else needs one.", role: .write,
            changes: true, query: [dryRun], body: "DeleteRequest", content: .json("Applied"), dryRun: "Plan",
            refusals: [404, 409, 422], answer: { try await $0.deleteAll($1) }),
        APIRoute(
            action: "rollbackNamespace", method: .post, path: namespace + "/rollback",
            summary: "Make all documents of a namespace what they were after a revision.", role: .write,
            changes: true, body: "RollbackRequest", content: .json("Applied"), refusals: [404, 409, 422],
            answer: { try await $0.rollback($1) }),
        APIRoute(
            action: "deleteDocument", method: .delete, path: namespace + "/{kind}/{name}",
            summary: "Delete a document. Refused while something else needs it.", role: .write, changes: true,
            query: [message, dryRun], content: .json("Applied"), dryRun: "Plan", refusals: [404, 409, 422],
            answer: { try await $0.delete($1) }),
        APIRoute(
            action: "rollbackDocument", method: .post, path: namespace + "/{kind}/{name}/rollback",
            summary: "Make a document what it was after a revision.", role: .write, changes: true,
            body: "RollbackRequest", content: .json("Applied"), refusals: [404, 409, 422],
            answer: { try await $0.rollback($1) }),
    ]

    private static let mesh: [APIRoute] = [
        APIRoute(
            action: "listProxies", method: .get, path: "/v1/proxies",
            summary: "Every connected proxy of the namespaces that the token is for, and where it stands.", role: .read,
            content: .json("ProxyList"), answer: { try await $0.proxies($1) }),
        APIRoute(
            action: "getProxy", method: .get, path: "/v1/proxies/{id}", summary: "One connected proxy.", role: .read,
            content: .json("Proxy"), refusals: [404], answer: { try await $0.proxy($1) }),
        APIRoute(
            action: "getReplica", method: .get, path: "/v1/replica",
            summary:
                "What this process knows and other replicas do not: they ask each other. It changes with versions.",
            role: .read, content: .json("Replica"), answer: { try await $0.view($1) }),
        APIRoute(
            action: "listAudit", method: .get, path: "/v1/audit",
            summary: "Who did what, and what was refused, newest first, since this process started.", role: .admin,
            query: [limit], content: .json("AuditList"), answer: { try $0.auditEntries($1) }),
    ]

    private static let itself: [APIRoute] = [
        APIRoute(
            action: "getDescription", method: .get, path: "/openapi.json", summary: "This description.",
            content: .json("Description"),
            answer: { _, _ in APIAnswer(text: OpenAPIDocument.text, type: "application/json") }),
        APIRoute(
            action: "getLive", method: .get, path: "/live", summary: "Whether the process is alive.",
            content: .text("text/plain"), answer: { _, _ in APIAnswer(text: "live\n") }),
        APIRoute(
            action: "getReady", method: .get, path: "/ready",
            summary: "Whether the control plane has read its store, and is not ending.", content: .text("text/plain"),
            refusals: [503], answer: { desk, _ in await desk.ready() }),
        APIRoute(
            action: "getMetrics", method: .get, path: "/metrics", summary: "Counts, as Prometheus reads them.",
            content: .text("text/plain"), answer: { desk, _ in await desk.metrics() }),
    ]
}
