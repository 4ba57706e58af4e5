// swift-tools-version: 6.2
import PackageDescription

// One set of rules for every Swift target: Swift 6 mode, explicit imports, `any` spelled out, every unsafe expression
// marked, warnings are errors. Arrows between rooms are enforced by `make build`
// (`--explicit-target-dependency-import-check error`).
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

// The request path: Decisions/0003; optimised across its modules. Debug builds, and so every test, keep the run-time exclusivity checks.
let requestPath: [SwiftSetting] =
    house + [
        .unsafeFlags(["-enforce-exclusivity=unchecked", "-cross-module-optimization"], .when(configuration: .release))
    ]

// Generated messages mark nothing as unsafe in the way of the house: SwiftProtobuf answers for them.
let messages: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

func room(
    _ name: String, _ dependencies: [Target.Dependency], path: String? = nil, exclude: [String] = [],
    settings: [SwiftSetting] = house
) -> Target {
    .target(name: name, dependencies: dependencies, path: path, exclude: exclude, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: exclude, swiftSettings: house)
}

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "martlet", targets: ["martlet"]),
        .executable(name: "martlet-control", targets: ["martlet-control"]),
        .library(name: "MartletFilter", targets: ["MartletFilter"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        // The control plane's alone.
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // C: the kernel calls, and the system libraries.
        .target(name: "CLinux"),
        .target(name: "CMartletModule"),
        .target(
            name: "CLua",
            linkerSettings: [.linkedLibrary("lua5.4"), .linkedLibrary("crypto"), .linkedLibrary("pcre2-8")]),
        .target(
            name: "CCompress",
            linkerSettings: [
                .linkedLibrary("z"), .linkedLibrary("brotlienc"), .linkedLibrary("brotlidec"), .linkedLibrary("zstd"),
            ]),
        .target(name: "CHTTP2", linkerSettings: [.linkedLibrary("nghttp2")]),
        .target(name: "CCrypto", linkerSettings: [.linkedLibrary("crypto"), .linkedLibrary("crypt")]),
        .target(name: "CTLS", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
        .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),

        // The rooms, from the ground up.
        room("MartletCore", ["CPCRE2"], settings: requestPath),
        room("MartletCrypto", ["MartletCore", "CCrypto"], settings: requestPath),
        room("MartletNet", ["MartletCore", "CLinux", "CTLS"], settings: requestPath),
        room("MartletHTTP", ["MartletCore", "CHTTP2"], settings: requestPath),
        room("MartletGRPC", ["MartletCore", "MartletHTTP"], settings: requestPath),
        room("MartletCoding", ["MartletCore", "CCompress"], settings: requestPath),
        room("MartletConfig", ["MartletCore", .product(name: "Yams", package: "Yams")]),
        room(
            "MartletFilter", ["MartletCore", "MartletHTTP", "MartletGRPC", "MartletConfig"], settings: requestPath),
        room(
            "MartletLua", ["MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter", "CLua"],
            settings: requestPath),
        room(
            "MartletNative",
            ["MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter", "CMartletModule", "CLinux"],
            settings: requestPath),
        room(
            "MartletProxy",
            [
                "MartletCore", "MartletCrypto", "MartletNet", "MartletHTTP", "MartletGRPC", "MartletConfig",
                "MartletFilter", "MartletXDS",
                .product(name: "Logging", package: "swift-log"),
            ], settings: requestPath),
        // The messages of xDS are a target of their own, so that the settings of generated code are theirs alone.
        room(
            "MartletXDSMessages", [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            path: "Sources/MartletXDS/Generated", exclude: ["sources.sha256"], settings: messages),
        room(
            "MartletXDS",
            [
                "MartletCore", "MartletCrypto", "MartletConfig", "MartletXDSMessages",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ], exclude: ["Protos", "Generated"]),
        // The control plane. Nothing that the proxy links may name it: its packages are heavy.
        room(
            "MartletControl",
            [
                "MartletCore", "MartletConfig", "MartletXDS", .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ]),
        room(
            "MartletControlServer",
            [
                "MartletCore", "MartletCrypto", "MartletConfig", "MartletXDS", "MartletXDSMessages", "MartletControl",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ]),

        // Built-in filters. SwiftPM reserves `Plugins/` for build-tool plugins, hence the explicit paths.
        room(
            "MartletRouting", ["MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter"], path: "Plugins/Routing",
            settings: requestPath),
        room(
            "MartletAuth",
            ["MartletCore", "MartletHTTP", "MartletGRPC", "MartletConfig", "MartletFilter", "MartletCrypto"],
            path: "Plugins/Auth", settings: requestPath),
        room(
            "MartletResilience", ["MartletCore", "MartletHTTP", "MartletGRPC", "MartletConfig", "MartletFilter"],
            path: "Plugins/Resilience", settings: requestPath),
        room(
            "MartletObserve", ["MartletCore", "MartletHTTP", "MartletGRPC", "MartletConfig", "MartletFilter"],
            path: "Plugins/Observe", settings: requestPath),
        room(
            "MartletTransform",
            ["MartletCore", "MartletCoding", "MartletHTTP", "MartletGRPC", "MartletConfig", "MartletFilter"],
            path: "Plugins/Transform", settings: requestPath),

        // What both executables know of filters: the one table.
        room(
            "MartletBuiltIn",
            [
                "MartletFilter", "MartletLua", "MartletNative", "MartletAuth", "MartletObserve", "MartletRouting",
                "MartletResilience", "MartletTransform",
            ]),
        .executableTarget(
            name: "martlet",
            dependencies: [
                "MartletCore", "MartletNet", "MartletHTTP", "MartletConfig", "MartletFilter", "MartletLua",
                "MartletProxy", "MartletXDS", "MartletRouting", "MartletBuiltIn",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: house),
        room(
            "MartletControlCheck",
            ["MartletConfig", "MartletControl", "MartletLua", "MartletProxy", "MartletRouting", "MartletBuiltIn"]),
        .executableTarget(
            name: "martlet-control",
            dependencies: [
                "MartletCore", "MartletConfig", "MartletFilter", "MartletNet", "MartletLua", "MartletProxy",
                "MartletRouting",
                "MartletBuiltIn", "MartletControl", "MartletControlCheck", "MartletControlServer",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOFoundationCompat", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: house),

        // Tests: one folder a room, and the kit they share.
        room("MartletTesting", ["MartletCore", "MartletNet"], path: "Tests/MartletTesting"),
        tests("MartletHTTPTests", ["MartletCore", "MartletHTTP", "MartletTesting"]),
        tests("MartletCoreTests", ["MartletCore"]),
        tests("MartletGRPCTests", ["MartletCore", "MartletGRPC"]),
        tests("MartletCryptoTests", ["MartletCore", "MartletCrypto"]),
        tests(
            "MartletAuthTests",
            [
                "MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter", "MartletCrypto", "MartletAuth",
                "MartletRouting", "MartletTesting",
            ]),
        tests("MartletNetTests", ["MartletCore", "MartletNet", "MartletTesting"]),
        tests(
            "MartletControlTests",
            [
                "MartletCore", "MartletConfig", "MartletXDS", "MartletControl", "MartletControlCheck", "MartletTesting",
                "MartletControlServer", "MartletXDSMessages", "StoreWriter",
                .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ]),
        // The control plane with real proxies under it.
        tests(
            "MeshTests", ["MartletCore", "MartletTesting", "martlet", "martlet-control", "MeshDriver"],
            exclude: ["Peers"]),
        // A control plane that does what lines of standard input say.
        .executableTarget(
            name: "MeshDriver",
            dependencies: [
                "MartletConfig", "MartletControl", "MartletControlCheck", "MartletControlServer", "MartletXDS",
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
            ], path: "Tests/MeshDriver", swiftSettings: house),
        // Simulated proxies, for the figures of Tests/Benchmarks/mesh.py.
        .executableTarget(
            name: "MeshLoad",
            dependencies: [
                "MartletCore", "MartletXDS", .product(name: "GRPCCore", package: "grpc-swift-2"),
                .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport"),
            ], path: "Tests/MeshLoad", swiftSettings: house),
        // The process that the tests of the store kill.
        .executableTarget(
            name: "StoreWriter", dependencies: ["MartletControl"], path: "Tests/StoreWriter", swiftSettings: house),
        tests("MartletCodingTests", ["MartletCore", "MartletCoding"]),
        tests(
            "MartletTransformTests",
            [
                "MartletCore", "MartletCoding", "MartletHTTP", "MartletGRPC", "MartletConfig", "MartletFilter",
                "MartletTransform",
            ]),
        tests(
            "MartletFilterTests",
            [
                "MartletCore", "MartletHTTP", "MartletGRPC", "MartletConfig", "MartletFilter", "MartletRouting",
                "MartletAuth",
                "MartletResilience", "MartletTransform",
            ]),
        tests(
            "MartletProxyTests",
            ["MartletCore", "MartletNet", "MartletHTTP", "MartletConfig", "MartletFilter", "MartletProxy"]),
        tests(
            "MartletObserveTests",
            [
                "MartletCore", "MartletHTTP", "MartletGRPC", "MartletConfig", "MartletFilter", "MartletObserve",
                "MartletTransform", "MartletRouting",
            ]),
        tests("MartletConfigTests", ["MartletCore", "MartletConfig"]),
        tests(
            "MartletXDSTests",
            [
                "MartletCore", "MartletConfig", "MartletXDS", "MartletXDSMessages", "MartletTesting",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ], exclude: ["Peers"]),
        tests(
            "MartletLuaTests", ["MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter", "MartletLua", "CLua"]),
        tests(
            "MartletResilienceTests",
            [
                "MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter", "MartletResilience", "MartletRouting",
            ]),
        tests(
            "EndToEnd",
            [
                "MartletCore", "MartletCoding", "MartletConfig", "MartletFilter", "MartletGRPC", "MartletHTTP",
                "MartletNet",
                "MartletProxy", "MartletTesting", "martlet",
            ], exclude: ["Peers"]),
        // The example of Docs/FilterAPI.md, driven through a real chain.
        room(
            "FilterExample", ["MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter"],
            path: "Docs/Examples/FilterExample"),
        // The same source as the native modules that tests load: both must compile it.
        room(
            "GeoFilter", ["MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter"],
            path: "Docs/Examples/NativeFilter/Sources/GeoFilter"),
        room(
            "ProbeFilter", ["MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter"],
            path: "Tests/NativeProbe/Sources/ProbeFilter", settings: requestPath),
        tests(
            "DocsTests",
            [
                "MartletCore", "MartletConfig", "MartletFilter", "MartletHTTP", "FilterExample", "MartletTesting",
                "martlet",
            ]),
    ]
)

// Targets of `make fuzz`. libFuzzer brings their `main`, so an ordinary build, which could not link them, leaves them out.
func fuzzer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: "Tests/Fuzz/\(name)", exclude: ["corpus"], swiftSettings: house)
}

// What a hook of a native module costs; Docs/Decisions/0011. Built on demand, for it is a program of its own.
if Context.environment["MARTLET_HOOK_COST"] != nil {
    package.targets.append(
        .executableTarget(
            name: "HookCost",
            dependencies: [
                "MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter", "MartletNative", "ProbeFilter",
            ], path: "Tests/Benchmarks/HookCost", swiftSettings: requestPath))
}

if Context.environment["MARTLET_FUZZ"] != nil {
    package.targets += [
        fuzzer("FuzzHTTP1Request", ["MartletCore", "MartletHTTP"]),
        fuzzer("FuzzHTTP1Response", ["MartletCore", "MartletHTTP"]),
        fuzzer("FuzzGRPC", ["MartletCore", "MartletGRPC"]),
        fuzzer("FuzzHTTP2", ["MartletCore", "MartletHTTP"]),
        fuzzer("FuzzConfig", ["MartletConfig"]),
        fuzzer("FuzzPolicy", ["CLua"]),
        fuzzer("FuzzDecoder", ["MartletCore", "MartletCoding"]),
        fuzzer("FuzzProxyProtocol", ["MartletCore", "MartletNet"]),
        fuzzer("FuzzSniffer", ["MartletCore", "MartletNet"]),
        fuzzer("FuzzTLS", ["MartletCore", "MartletNet"]),
        fuzzer("FuzzToken", ["MartletCore", "MartletCrypto", "MartletAuth"]),
    ]
}
