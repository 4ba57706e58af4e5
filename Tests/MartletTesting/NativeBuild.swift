public import Foundation
internal import MartletCore
internal import Synchronization

/// Native modules as tests need them: built from the sources in this repository, once a run.
public enum NativeBuild {
    public struct Failed: Error, CustomStringConvertible {
        public let description: String
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    private static let built = Locked<[String: Result<URL, Failed>]>([:])

    /// The library of the template in `Docs/Examples/NativeFilter`.
    public static func geo() throws -> URL { try library("Docs/Examples/NativeFilter", "GeoFilter") }

    /// The library of `Tests/NativeProbe`.
    public static func probe() throws -> URL { try library("Tests/NativeProbe", "ProbeFilter") }

    /// Builds a package's library, as its author would, beside the tests' own products: what did not change since the last
    /// run is not built again. One at a time, and others that want the same wait for it.
    private static func library(_ package: String, _ product: String) throws -> URL {
        try built.withLock { built in
            if let known = built[product] { return known }
            let scratch = Tool.martlet.deletingLastPathComponent().appendingPathComponent("native-\(product)")
            let result = Result { () throws(Failed) in
                try build(root.appendingPathComponent(package).path, product, scratch.path)
            }
            built[product] = result
            return result
        }.get()
    }

    private static func build(_ package: String, _ product: String, _ scratch: String) throws(Failed) -> URL {
        let arguments = ["build", "--package-path", package, "--scratch-path", scratch, "--product", product]
        guard let (code, output) = try? Tool.run("swift", arguments) else {
            throw Failed(description: "swift build could not be run")
        }
        guard code == 0 else { throw Failed(description: "\(product): \(output)") }
        return URL(fileURLWithPath: scratch).appendingPathComponent("debug/lib\(product).so")
    }

    /// Compiles a module written in C, with the header of the border.
    /// - Parameter source: C text; the header is included before it.
    public static func c(_ source: String, to library: URL) throws {
        let header = root.appendingPathComponent("Sources/CMartletModule/include").path
        let (code, output) = try Tool.run(
            "clang",
            ["-shared", "-fPIC", "-x", "c", "-I", header, "-include", "martlet_module.h", "-o", library.path, "-"],
            input: source)
        guard code == 0 else { throw Failed(description: output) }
        try permit(library)
    }

    /// Writable by its owner alone, whatever the umask says.
    public static func permit(_ library: URL) throws {
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: library.path)
    }

    /// Puts `library` where a proxy finds it, whole at once. `note` makes it another file, as another build would be.
    public static func install(_ library: URL, as target: URL, note: String = "") throws {
        let next = target.appendingPathExtension("next")
        // A loader reads what the headers lead to; what follows is a note.
        try (Data(contentsOf: library) + Data(note.utf8)).write(to: next)
        try permit(next)
        guard unsafe rename(next.path, target.path) == 0 else {
            throw Failed(description: "cannot rename \(next.path)")
        }
    }
}
