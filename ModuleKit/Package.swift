// swift-tools-version: 6.2
// What native modules are built with: the API of MartletFilter over the table of C functions in CMartletModule.
//
// The modules here are called as the proxy's own, so that a filter's source imports the same names wherever it is compiled;
// what is the same in both is the same file, by link. Their symbols have names of their own (`-module-abi-name`): the types of
// the two sides have nothing to do with each other.
import PackageDescription

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(
        name: name, dependencies: dependencies,
        swiftSettings: [
            .swiftLanguageMode(.v6),
            .enableUpcomingFeature("InternalImportsByDefault"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .enableUpcomingFeature("ExistentialAny"),
            .enableExperimentalFeature("Lifetimes"),
            .strictMemorySafety(),
            .unsafeFlags(["-module-abi-name", "\(name)OfModule"]),
            // As the proxy's request path: its Docs/Decisions/0003.
            .unsafeFlags(
                ["-enforce-exclusivity=unchecked", "-cross-module-optimization"], .when(configuration: .release)),
        ])
}

let package = Package(
    name: "ModuleKit",
    products: [
        .library(
            name: "MartletModule",
            targets: ["MartletModule", "MartletFilter", "MartletConfig", "MartletHTTP", "MartletCore"])
    ],
    targets: [
        .target(name: "CMartletModule"),
        room("MartletCore", ["CMartletModule"]),
        room("MartletHTTP", ["MartletCore", "CMartletModule"]),
        room("MartletConfig", ["MartletCore"]),
        room("MartletFilter", ["MartletCore", "MartletHTTP", "MartletConfig", "CMartletModule"]),
        room(
            "MartletModule", ["MartletCore", "MartletHTTP", "MartletConfig", "MartletFilter", "CMartletModule"]),
    ]
)
