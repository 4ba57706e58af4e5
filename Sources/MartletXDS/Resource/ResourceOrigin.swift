internal import Foundation
internal import MartletConfig
internal import MartletXDSMessages

/// Where resources come from, by which is judged where those may come from that they name.
package struct ResourceOrigin: Sendable, Equatable {
    /// The process's cluster that is asked over REST. Nil: by the aggregated stream.
    package var polledCluster: String?
    /// From files of the operator's, who may name others. What a control plane names is not looked for on this machine.
    package var isLocal = false
    /// Where a file's resources stand in it, by kind and name. Others have no lines.
    var places: [String: ConfigPlace] = [:]

    package init(polledCluster: String? = nil) { self.polledCluster = polledCluster }

    static let local: ResourceOrigin = {
        var origin = ResourceOrigin()
        origin.isLocal = true
        return origin
    }()

    package static func == (one: Self, other: Self) -> Bool {
        one.polledCluster == other.polledCluster && one.isLocal == other.isLocal
    }

    /// What is asked of nobody but who was asked before is had in the same way.
    func takes(_ source: Envoy_Config_Core_V3_ApiConfigSource) -> Bool {
        source.apiType == .rest && source.clusterNames.count == 1 && source.clusterNames.first == polledCluster
    }

    /// As Envoy takes paths: from the working directory.
    static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }
}
