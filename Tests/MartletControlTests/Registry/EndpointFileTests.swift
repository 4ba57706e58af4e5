import Foundation
import Testing

@testable import MartletControl

@Suite("Files of endpoints")
struct EndpointFileTests {
    private let root = FileManager.default.temporaryDirectory.appendingPathComponent(
        "martlet-files-\(UUID().uuidString)")

    private func write(_ path: String, _ text: String) throws {
        let file = root.appendingPathComponent(path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    private func link(_ path: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(
            atPath: root.appendingPathComponent(path).path, withDestinationPath: target)
    }

    private func read(_ path: String, namespace: String = "shop") -> String {
        let folder = EndpointFolder(path: root.appendingPathComponent("endpoints").path)
        do throws(EndpointFolder.Unreadable) {
            return String(decoding: try folder.read(EndpointFileName(namespace: namespace, path: path)), as: UTF8.self)
        } catch {
            return error.reason
        }
    }

    @Test("Files and links below a namespace's folder are read, and nothing that lies elsewhere")
    func places() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        try write("secret.yaml", "secret")
        try write("endpoints/other/api.yaml", "other")
        try write("endpoints/shop/api.yaml", "one")
        try write("endpoints/shop/deep/api.yaml", "deep")
        try write("endpoints/shop/..2026/api.yaml", "dated")
        try write("endpoints/shop/large.yaml", String(repeating: "x", count: (1 << 20) + 1))
        // As a mounted ConfigMap is laid out.
        try link("endpoints/shop/..data", to: "..2026")
        try link("endpoints/shop/linked.yaml", to: "..data/api.yaml")
        try link("endpoints/shop/out.yaml", to: "../../secret.yaml")
        try link("endpoints/shop/neighbour.yaml", to: "../other/api.yaml")
        try link("endpoints/shop/away", to: "/etc")
        try link("endpoints/shop-more", to: "shop")
        try write("endpoints/shopping/api.yaml", "no")
        for (path, expected) in [
            ("api.yaml", "one"), ("deep/api.yaml", "deep"), ("linked.yaml", "dated"), ("none.yaml", "is not there"),
            ("out.yaml", "leads out of its folder"), ("neighbour.yaml", "leads out of its folder"),
            ("away/passwd", "leads out of its folder"), ("deep", "is no file"), ("large.yaml", "is larger than 1 MiB"),
            ("../shopping/api.yaml", "is no path below the folder"), ("/etc/passwd", "is no path below the folder"),
        ] { #expect(read(path) == expected, "\(path)") }
        #expect(read("api.yaml", namespace: "..") == "is no path below the folder")
        #expect(read("api.yaml", namespace: "other") == "other")
    }
}
