internal import HTTPTypes
internal import MartletCore

/// The description of the API (OpenAPI 3.1), made of the same table that is served.
enum OpenAPIDocument {
    static let text: String = value.text + "\n"

    static let value: JSONValue = [
        "openapi": "3.1.0",
        "info": [
            "title": "Martlet control plane",
            "version": "1",
            "summary": "What a mesh of proxies is to do, who changed it, and where each proxy stands.",
            "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
        ],
        "servers": [["url": "/"]],
        "paths": paths,
        "components": [
            "schemas": schemas,
            "securitySchemes": [
                "token": [
                    "type": "http", "scheme": "bearer",
                    "description":
                        "A token of the control plane's configuration. Without any there, none is needed, and the API can be reached from its machine alone.",
                ]
            ],
            "responses": ["Failure": failure],
        ],
    ]

    private static var paths: JSONValue {
        var members: [JSONMember] = []
        for path in APIRoute.all.map(\.path) where !members.contains(where: { $0.name == path }) {
            let routes = APIRoute.all.filter { $0.path == path }
            members.append(
                JSONMember(
                    name: path,
                    value: .object(
                        routes.map { JSONMember(name: $0.method.rawValue.lowercased(), value: operation($0)) })))
        }
        return .object(members)
    }

    private static func operation(_ route: APIRoute) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("operationId", .string(route.action)), ("summary", .string(route.summary)),
        ]
        if let role = route.role {
            members.append(("description", .string("Needs a token with the role \(role.rawValue) or a higher one.")))
            members.append(("security", ([["token": .array([])]])))
        } else {
            members.append(("security", .array([])))
        }
        let parameters = route.names.map { parameter($0) } + route.query.map { parameter($0) }
        if !parameters.isEmpty { members.append(("parameters", .array(parameters))) }
        if let body = route.body {
            members.append(
                (
                    "requestBody",
                    ([
                        "required": true, "content": ["application/json": ["schema": reference(body)]],
                    ])
                ))
        }
        members.append(("responses", responses(route)))
        return .object(members.map { JSONMember(name: $0.0, value: $0.1) })
    }

    private static func parameter(_ name: String) -> JSONValue {
        let schema: JSONValue =
            name == "kind" ? (["$ref": "#/components/schemas/Kind"]) : (["type": "string", "minLength": .integer(1)])
        return (["name": .string(name), "in": "path", "required": true, "schema": schema])
    }

    private static func parameter(_ parameter: APIRoute.Parameter) -> JSONValue {
        ([
            "name": .string(parameter.name), "in": "query", "description": .string(parameter.summary),
            "schema": ["type": .string(parameter.kind.rawValue)],
        ])
    }

    private static func responses(_ route: APIRoute) -> JSONValue {
        let content: JSONValue
        switch route.content {
        case .text(let type): content = ([type: ["schema": ["type": "string"]]])
        case .json(let schema):
            let schemas = [schema] + (route.dryRun.map { [$0] } ?? [])
            content =
                ([
                    "application/json": [
                        "schema": schemas.count == 1 ? reference(schema) : (["oneOf": .array(schemas.map(reference))])
                    ]
                ])
        }
        var members = [JSONMember(name: "200", value: (["description": "Done.", "content": content]))]
        let isText = if case .text = route.content { true } else { false }
        var refusals = route.refusals + [400]
        if route.role != nil { refusals += [401, 403, 503] }
        if route.changes { refusals += route.body == nil ? [] : [413, 415] }
        for status in Set(refusals).sorted() {
            let answer: JSONValue =
                isText && status == 503
                ? (["description": "Not yet, or no more; the text says why.", "content": content])
                : (["$ref": "#/components/responses/Failure"])
            members.append(JSONMember(name: String(status), value: answer))
        }
        return .object(members)
    }

    private static var failure: JSONValue {
        ([
            "description":
                "Not done: 400 the request makes no sense, 401 no known token, 403 the token may not, 404 not there, 409 somebody else was faster, 413 the body is too large, 415 it is no JSON, 422 the configuration has mistakes, 503 the store does not answer.",
            "content": ["application/json": ["schema": reference("Failure")]],
        ])
    }

    private static func reference(_ schema: String) -> JSONValue {
        (["$ref": .string("#/components/schemas/\(schema)")])
    }
}
