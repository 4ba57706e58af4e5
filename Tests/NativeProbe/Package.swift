// swift-tools-version: 6.2
// A module that uses all of the filter API, for tests and the measurement.
import PackageDescription

let package = Package(
    name: "NativeProbe",
    products: [.library(name: "ProbeFilter", type: .dynamic, targets: ["ProbeModule"])],
    dependencies: [.package(path: "../../ModuleKit")],
    targets: [
        // The filter: the same file could be compiled into the proxy.
        .target(name: "ProbeFilter", dependencies: [.product(name: "MartletModule", package: "ModuleKit")]),
        // What makes it a module.
        .target(
            name: "ProbeModule",
            dependencies: ["ProbeFilter", .product(name: "MartletModule", package: "ModuleKit")],
            linkerSettings: [
                // Only the entry function is seen from outside: this module's Swift and the proxy's do not meet.
                .unsafeFlags(["-Xlinker", "--version-script=\(Context.packageDirectory)/module.map"]),
                // Swift's libraries come along; the machine that runs the proxy needs none.
                .unsafeFlags(["-static-stdlib"], .when(configuration: .release)),
            ]),
    ]
)
