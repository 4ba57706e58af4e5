internal import MartletControl
internal import MartletCore

extension OpenAPIDocument {
    private static let stage = object(
        [
            "kind": [
                "type": "string", "enum": ["shadow", "canary"],
                "description": "Policies only tell what they would do, or the change is in force.",
            ],
            "share": described(string, "Which proxies: 2, 25%, or conditions as zone=eu-1,label.tier=edge."),
            "seconds": described(integer, "How long all of them must have had it; 300 unless said otherwise."),
        ], optional: ["seconds"])

    private static let limits = object(
        [
            "errors": described(
                number,
                "Failures in a hundred, more than on the other proxies, that are too many; 1 unless said otherwise."
            ),
            "latency": described(
                number,
                "How many times slower the slowest in a hundred may be than on the others; 2 unless said otherwise."
            ),
            "requests": described(integer, "Requests that must have been seen in a stage; 100 unless said otherwise."),
            "patience_seconds": described(
                integer, "How much longer than its time a stage may take; 1800 unless said otherwise."),
        ], optional: ["errors", "latency", "requests", "patience_seconds"])

    private static let traffic = object(
        [
            "requests": integer, "server_errors": integer, "p99_milliseconds": number,
            "policies": list(
                object(["name": string, "runs": integer, "errors": integer, "budget_breaches": integer])),
        ], optional: ["p99_milliseconds"])

    static let rollouts: [(String, JSONValue)] = [
        (
            "RolloutRequest",
            object(
                [
                    "files": list(object(["name": string, "text": string])),
                    "attachments": [
                        "type": "object", "description": "As of apply.",
                        "additionalProperties": ["type": "string", "contentEncoding": "base64"],
                    ], "message": string, "expected_revision": integer, "stages": list(stage), "limits": limits,
                ], optional: ["attachments", "message", "expected_revision", "limits"])
        ),
        (
            "PromoteRequest",
            object(
                [
                    "all": described(boolean, "Past the stages that are left."),
                    "stage": described(integer, "Nothing is done unless it is in this one, from 1."),
                ], optional: ["all", "stage"])
        ),
        ("AbortRequest", object(["message": string], optional: ["message"])),
        (
            "Rollout",
            object(
                [
                    "namespace": string, "author": string, "message": string, "started_at": string, "ended_at": string,
                    "state": ["type": "string", "enum": ["running", "promoted", "rolled_back", "aborted"]],
                    "reason": string, "documents": list(object(["kind": string, "name": string])),
                    "stages": list(stage), "stage": described(integer, "The present one, from 1."), "limits": limits,
                    "watch": object([
                        "proxies": list(string), "lacking": list(string), "canary": traffic, "others": traffic,
                        "others_are_before": described(boolean, "They are the same proxies before they got it."),
                        "finding": string,
                    ]),
                ], optional: ["ended_at", "watch"])
        ),
    ]
}
