import Foundation
import MartletConfig
import Testing

@Suite("One load sees each file once")
struct SourcesTests {
    private let folder: URL
    private var file: String { folder.appendingPathComponent("p.lua").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func save(_ text: String) throws { try text.write(toFile: file, atomically: true, encoding: .utf8) }
    private func read(_ sources: ConfigSources, atMost limit: Int = 100) throws -> String {
        String(decoding: try sources.read(file, atMost: limit), as: UTF8.self)
    }

    @Test("What is saved while a load runs is not in it, and not in its digest either")
    func savedMeanwhile() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try save("old")
        let load = ConfigSources()
        let before = ConfigSources().digest(of: [file])
        #expect(try read(load) == "old")
        try save("new")
        #expect(try read(load) == "old")
        #expect(load.paths == [file])
        #expect(load.digest(of: [file]) == before)
        #expect(ConfigSources().digest(of: [file]) != before)
    }

    @Test("A file that cannot be read, or is too large, is asked for again, and its digest is of what is there")
    func unreadable() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let load = ConfigSources()
        #expect(throws: ConfigFile.Failure.self) { try read(load) }
        let missing = load.digest(of: [file])
        try save("12345678")
        #expect(throws: ConfigFile.Failure.self) { try read(load, atMost: 7) }
        #expect(try read(load, atMost: 8) == "12345678")
        #expect(throws: ConfigFile.Failure.self) { try read(load, atMost: 7) }
        #expect(load.paths == [file])
        #expect(load.digest(of: [file]) != missing)
        #expect(load.digest(of: [file]) == ConfigSources().digest(of: [file]))
    }
}
