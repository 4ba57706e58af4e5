// swift-tools-version: 6.2
// The template of a native module: copy this folder, and let `path` lead to ModuleKit of the Martlet that will load it.
import PackageDescription

let package = Package(
    name: "NativeFilter",
    products: [.library(name: "GeoFilter", type: .dynamic, targets: ["GeoModule"])],
    dependencies: [.package(path: "../../../ModuleKit")],
    targets: [
        // The filter: the same file could be compiled into the proxy.
        .target(name: "GeoFilter", dependencies: [.product(name: "MartletModule", package: "ModuleKit")]),
        // What makes it a module.
        .target(
            name: "GeoModule",
            dependencies: ["GeoFilter", .product(name: "MartletModule", package: "ModuleKit")],
            linkerSettings: [
                // Only the entry function is seen from outside: this module's Swift and the proxy's do not meet.
                .unsafeFlags(["-Xlinker", "--version-script=\(Context.packageDirectory)/module.map"]),
                // Swift's libraries come along; the machine that runs the proxy needs none.
                .unsafeFlags(["-static-stdlib"], .when(configuration: .release)),
            ]),
    ]
)
