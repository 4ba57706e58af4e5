package import MartletConfig

/// What checks configurations before anybody gets them: the code that proxies load them by. The control plane does not link it
/// itself; whoever starts it brings it along.
package protocol MeshChecker: Sendable {
    /// All that a load does short of serving.
    /// - Parameter root: `listeners`, `clusters` and `policies`.
    /// - Parameter diagnostics: has the files that `root` names, and reads no others.
    func check(_ root: ConfigNode, diagnostics: ConfigDiagnostics)

    /// Runs a policy's tests.
    /// - Parameter path: of the `tests.yaml` among `files`.
    func test(_ path: String, files: [String: [UInt8]], diagnostics: ConfigDiagnostics)
}
