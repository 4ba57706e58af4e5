internal import Foundation
internal import MartletTesting
internal import MartletXDSMessages
internal import SwiftProtobuf
internal import Testing

@Suite("Messages are those that others know")
struct MessageTests {
    /// The comparing is done by Peers/descriptors.py, in a virtual environment of its own.
    @Test("Every field has the name, the number, the type and the label of Envoy's")
    func descriptors() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let root = folder.deletingLastPathComponent().deletingLastPathComponent()
        let script = folder.appendingPathComponent("Peers/descriptors.py").path
        let result = try Tool.run("/usr/bin/python3", [script, root.path])
        // What it compares with comes from PyPI once, and is kept in the build folder.
        if result.code == 75 { try Test.cancel("\(result.output)") }
        #expect(result.code == 0, "\(result.output)")
    }

    @Test("Messages bear the names that type URLs are made of")
    func names() {
        #expect(Envoy_Config_Cluster_V3_Cluster.protoMessageName == "envoy.config.cluster.v3.Cluster")
        #expect(Martlet_Config_V1_Policy.protoMessageName == "martlet.config.v1.Policy")
    }

    @Test("A request of discovery is the bytes that the field numbers say")
    func bytes() throws {
        var request = Envoy_Service_Discovery_V3_DiscoveryRequest()
        request.versionInfo = "7"
        request.node.id = "edge-1"
        request.resourceNames = ["api"]
        request.typeURL = "t"
        request.responseNonce = "n"
        let bytes: [UInt8] = try request.serializedBytes()
        #expect(
            bytes == [10, 1, 55, 18, 8, 10, 6] + Array("edge-1".utf8) + [26, 3] + Array("api".utf8)
                + [34, 1, 116, 42, 1, 110])
    }
}
