internal import MartletConfig
internal import MartletCore
internal import MartletXDSMessages
internal import SwiftProtobuf

extension DiscoveryOffer {
    /// A response of discovery over REST. It names no type: that is in the path that was asked.
    package static func read(json bytes: [UInt8], _ type: ResourceType) throws(DiscoveryClient.Unreadable)
        -> DiscoveryOffer
    {
        let root: JSONValue
        do {
            root = try JSONReader.read(bytes.span)
        } catch {
            throw DiscoveryClient.Unreadable(description: "the control plane sent what is no JSON: \(error)")
        }
        guard let items = root["resources"]?.items else {
            throw DiscoveryClient.Unreadable(
                description: "the control plane sent no discovery response: no \"resources\"")
        }
        let diagnostics = ConfigDiagnostics()
        let reader = MessageReader(.carried, diagnostics: diagnostics)
        var response = Envoy_Service_Discovery_V3_DiscoveryResponse()
        response.typeURL = type.typeURL
        response.versionInfo = (root["version_info"] ?? root["versionInfo"])?.string ?? ""
        for item in items {
            let name = (item["name"] ?? item["cluster_name"] ?? item["clusterName"])?.string ?? ""
            let mark = ResourceReading.mark(type.kind, name)
            guard let resource = reader.any(ConfigNode(json: item, mark: mark, path: .root)) else { continue }
            response.resources.append(resource)
        }
        // Of a type that is ours there is always one.
        guard var offer = DiscoveryOffer(response) else {
            throw DiscoveryClient.Unreadable(description: "the control plane sent resources of no known type")
        }
        let faults = diagnostics.errors.map(\.description) + (offer.fault.map { [$0] } ?? [])
        if !faults.isEmpty { offer.fault = faults.joined(separator: "\n") }
        return offer
    }
}
