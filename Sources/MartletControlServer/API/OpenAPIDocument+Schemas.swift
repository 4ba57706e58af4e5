internal import MartletControl
internal import MartletCore

extension OpenAPIDocument {
    static let string = kind("string")
    static let integer = kind("integer")
    static let boolean = kind("boolean")
    static let number = kind("number")

    static func kind(_ type: String) -> JSONValue { ["type": .string(type)] }
    static func list(_ item: JSONValue) -> JSONValue { ["type": "array", "items": item] }
    static func ref(_ schema: String) -> JSONValue { ["$ref": .string("#/components/schemas/\(schema)")] }
    static func list(_ schema: String) -> JSONValue { list(ref(schema)) }
    static func described(_ schema: JSONValue, _ words: String) -> JSONValue {
        .object((schema.members ?? []) + [JSONMember(name: "description", value: .string(words))])
    }

    /// Members in `optional` may be absent.
    static func object(_ members: KeyValuePairs<String, JSONValue>, optional: Set<String> = []) -> JSONValue {
        let required = members.map(\.key).filter { !optional.contains($0) }
        return [
            "type": "object", "required": .array(required.map { .string($0) }), "additionalProperties": false,
            "properties": .object(members.map { JSONMember(name: $0.key, value: $0.value) }),
        ]
    }

    static var schemas: JSONValue {
        .object((documents + rollouts + instances + mesh + failures).map { JSONMember(name: $0.0, value: $0.1) })
    }

    private static let documents: [(String, JSONValue)] = [
        ("Kind", ["type": "string", "enum": .array(MeshKind.allCases.map { .string($0.rawValue) })]),
        (
            "Document",
            object([
                "namespace": string, "kind": string, "name": string, "revision": integer, "created": integer,
                "text": described(string, "YAML, as apply takes it. What keys and other files hold is left out."),
            ])
        ),
        ("DocumentList", object(["revision": integer, "documents": list("Document")])),
        (
            "ApplyRequest",
            object(
                [
                    "files": list(object(["name": string, "text": string])),
                    "attachments": [
                        "type": "object",
                        "description":
                            "What the files name, by path as resolved from the file that names it, in Base64.",
                        "additionalProperties": ["type": "string", "contentEncoding": "base64"],
                    ],
                    "message": string,
                    "expected_revision": described(
                        integer, "Nothing is changed if the namespace has changed since this revision."),
                ], optional: ["attachments", "message", "expected_revision"])
        ),
        (
            "DeleteRequest",
            object(
                ["documents": list(object(["kind": string, "name": string])), "message": string], optional: ["message"])
        ),
        ("RollbackRequest", object(["revision": integer, "message": string], optional: ["message"])),
        (
            "Change",
            object(
                [
                    "namespace": string, "kind": string, "name": string,
                    "action": ["type": "string", "enum": ["create", "update", "delete", "unchanged"]],
                    "before": string, "after": string,
                ], optional: ["before", "after"])
        ),
        ("Applied", object(["revision": integer, "changes": list("Change"), "warnings": list("Mistake")])),
        (
            "Plan",
            object([
                "changes": list("Change"),
                "proxies": list(
                    object([
                        "id": string, "namespace": string,
                        "resources": list(object(["type": string, "name": string, "action": string])),
                        "drains": described(list(string), "Listeners whose connections would drain."),
                    ])), "warnings": list("Mistake"),
            ])
        ),
        (
            "History",
            object([
                "versions": list(
                    object([
                        "revision": integer, "author": string, "message": string, "time": string, "deleted": boolean,
                    ]))
            ])
        ),
        (
            "Log",
            object([
                "transactions": list(
                    object([
                        "revision": integer, "author": string, "message": string, "time": string,
                        "changes": list(
                            object(["namespace": string, "kind": string, "name": string, "deleted": boolean])),
                    ]))
            ])
        ),
    ]

    private static let health: JSONValue = [
        "type": "string", "enum": .array(Instance.Health.allCases.map { .string($0.rawValue) }),
    ]
    private static let labels: JSONValue = ["type": "object", "additionalProperties": string]

    private static let instances: [(String, JSONValue)] = [
        (
            "Registration",
            object(
                [
                    "address": described(string, "IP address and port."),
                    "weight": described(integer, "Its share against the others', 1 to 128; 1 unless said otherwise."),
                    "zone": string, "health": health, "labels": labels,
                    "ttl_seconds": described(
                        integer, "In which it has to renew, 1 to 3600; \(Instance.defaultTTL) unless said otherwise."),
                ], optional: ["weight", "zone", "health", "labels", "ttl_seconds"])
        ),
        (
            "Instance",
            object([
                "namespace": string, "service": string, "id": string, "address": string, "weight": integer,
                "zone": string, "health": health, "labels": labels, "ttl_seconds": integer,
            ])
        ),
        ("InstanceList", object(["instances": list("Instance")])),
        ("HealthRequest", object(["health": health])),
    ]

    private static let mesh: [(String, JSONValue)] = [
        (
            "Proxy",
            object(
                [
                    "id": string, "cluster": string, "namespace": string, "zone": string,
                    "labels": ["type": "object", "additionalProperties": string], "agent": string, "method": string,
                    "address": string, "connected_at": string,
                    "state": ["type": "string", "enum": ["synced", "pending", "refused"]], "sent_revision": integer,
                    "acknowledged_revision": integer, "applied_revision": integer,
                    "applied_by": [
                        "type": "string", "enum": ["reported", "acknowledged"],
                        "description":
                            "Reported by the proxy, or no more than acknowledged by one that does not report.",
                    ],
                    "lag_milliseconds": described(integer, "Since when it has not had what it is to have."),
                    "feeds": list(
                        object(
                            [
                                "type": string, "sent_version": string, "acknowledged_version": string,
                                "applied_version": string,
                                "waiting": described(
                                    list(string), "Accepted, and waiting there for what they mention."),
                                "refusal": string,
                                "withheld": list(string),
                            ],
                            optional: [
                                "sent_version", "acknowledged_version", "applied_version", "waiting", "refusal",
                            ])),
                    "report": ref("ProxyReport"),
                    "replica": described(string, "That it is connected to, where there may be several."),
                ], optional: ["replica", "applied_revision", "applied_by", "lag_milliseconds", "report"])
        ),
        (
            "ProxyReport",
            object(
                [
                    "age_milliseconds": integer,
                    "requests_per_second": described(number, "Of the last ten seconds, as what follows."),
                    "error_share": described(number, "Responses of 500 to 599 among all, 0 to 1."),
                    "median_milliseconds": number, "p99_milliseconds": number,
                    "waiting": described(integer, "Resources that wait there for what they mention."),
                    "policies": described(
                        list(
                            object(
                                [
                                    "name": string, "version": string, "runs": integer, "errors": integer,
                                    "budget_breaches": integer, "shadow_decisions": integer,
                                ], optional: ["version"])),
                        "Counts since the proxy started; not in the list of all proxies."),
                ],
                optional: [
                    "requests_per_second", "error_share", "median_milliseconds", "p99_milliseconds", "policies",
                ])
        ),
        (
            "ProxyList",
            object(
                [
                    "revision": integer, "proxies": list("Proxy"),
                    "replicas": described(
                        list(
                            object(
                                [
                                    "id": string, "url": described(string, "Of its API, as the others reach it."),
                                    "leader": described(boolean, "It watches rollouts."),
                                    "answers": described(boolean, "False: its proxies are not in the list."),
                                    "proxies": integer,
                                ], optional: ["url", "proxies"])),
                        "Where there may be several; the one that answers this first."),
                ], optional: ["replicas"])
        ),
        ("Replica", ["type": "object"]),
        (
            "AuditList",
            object([
                "entries": list(
                    object(
                        [
                            "time": string, "who": string, "from": string, "action": string, "namespace": string,
                            "documents": list(string),
                            "result": ["type": "string", "enum": ["started", "done", "refused"]], "status": integer,
                            "reason": string, "revision": integer, "suppressed": integer,
                        ], optional: ["who", "action", "namespace", "status", "reason", "revision", "suppressed"]))
            ])
        ),
        ("Description", ["type": "object"]),
    ]

    private static let failures: [(String, JSONValue)] = [
        (
            "Mistake",
            object(
                [
                    "severity": ["type": "string", "enum": ["error", "warning"]], "file": string, "line": integer,
                    "column": integer, "path": string, "message": string, "hint": string,
                    "text": described(string, "As martlet check prints it."),
                ], optional: ["hint"])
        ),
        ("Failure", object(["error": object(["code": string, "message": string, "errors": list("Mistake")])])),
    ]
}
