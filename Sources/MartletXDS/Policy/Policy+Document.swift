internal import Foundation
internal import MartletConfig
internal import MartletCore
internal import MartletXDSMessages
internal import SwiftProtobuf

typealias PolicyMessage = Martlet_Config_V1_Policy
typealias ExtensionMessage = Envoy_Config_Core_V3_TypedExtensionConfig

// A policy to the resource of ECDS and back. Its files travel with it, and are files again where it is run.

extension ExtensionMessage {
    init(policy: DocumentSection, _ diagnostics: ConfigDiagnostics, place: ConfigPlace) {
        self.init()
        name = policy.text("name") ?? ""
        var message = PolicyMessage(policy, PolicyFiles(diagnostics, place))
        let known = message.document(name: name, ResourceReading("Policy", name, diagnostics: ConfigDiagnostics()))
        if let rest = policy.rest(over: known) { message.rest = rest }
        typedConfig = Google_Protobuf_Any(of: message)
    }

    /// Nil after reporting that it is no policy.
    func document(_ reading: ResourceReading) -> DocumentSection? {
        guard let message = reading.unpack(typedConfig, as: PolicyMessage.self, in: "typed_config") else { return nil }
        var policy = message.document(name: name, reading)
        if message.hasRest { policy.put(over: message.rest) }
        return policy
    }
}

/// Reads what a policy is made of.
private struct PolicyFiles {
    private let diagnostics: ConfigDiagnostics
    private let place: ConfigPlace

    init(_ diagnostics: ConfigDiagnostics, _ place: ConfigPlace) {
        (self.diagnostics, self.place) = (diagnostics, place)
    }

    func read(_ path: String) -> Data {
        let path = ConfigFile.resolve(path, from: place.mark.file)
        do {
            return Data(try diagnostics.files.read(path, atMost: ConfigFile.maxPolicy))
        } catch {
            diagnostics.error(at: place, "cannot read \"\(path)\": \(error.reason)")
            return Data()
        }
    }

    func read(_ files: DocumentSection?) -> [Martlet_Config_V1_File] {
        (files?.entries ?? []).compactMap { entry in
            guard let path = entry.value.text else { return nil }
            return .with { ($0.name, $0.path, $0.content) = (entry.key, path, read(path)) }
        }
    }
}

extension PolicyMessage {
    fileprivate init(_ policy: DocumentSection, _ files: PolicyFiles) {
        self.init()
        if let path = policy.text("file") {
            (self.path, script) = (path, files.read(path))
        } else {
            script = Data((policy.text("inline") ?? "").utf8)
        }
        data = files.read(policy.section("data"))
        modules = files.read(policy.section("modules"))
        onError = policy.text("on_error") == "skip" ? .skip : .deny
        mode = policy.text("mode") == "shadow" ? .shadow : .enforce
        guard let budget = policy.section("budget") else { return }
        if let count = budget.int("instructions") { self.budget.instructions = .init(UInt64(count)) }
        if let size = budget.size("memory") { self.budget.memory = .init(UInt64(size)) }
        if let time = budget.duration("time") { self.budget.time = .init(time) }
        if let count = Google_Protobuf_UInt32Value(budget.int("breaches")) { self.budget.breaches = count }
    }

    fileprivate func document(name: String, _ reading: ResourceReading) -> DocumentSection {
        var policy = DocumentSection()
        policy["name"] = .text(name)
        if path.isEmpty {
            if let text = String(validating: script, as: UTF8.self) {
                policy["inline"] = .text(text)
            } else {
                reading.error("the script is not UTF-8", hint: "give it a path")
            }
        } else {
            policy["file"] = .text(path)
            reading.diagnostics.files.supply(Array(script), as: path)
        }
        for (key, files) in [("data", data), ("modules", modules)] {
            var section = DocumentSection()
            for file in files {
                section[file.name] = .text(file.path)
                reading.diagnostics.files.supply(Array(file.content), as: file.path)
            }
            policy.put(key, section)
        }
        if onError == .skip { policy["on_error"] = .text("skip") }
        if mode == .shadow { policy["mode"] = .text("shadow") }
        var budget = DocumentSection()
        if self.budget.hasInstructions { budget["instructions"] = .int(self.budget.instructions.value) }
        if self.budget.hasMemory { budget["memory"] = .size(self.budget.memory.value) }
        if self.budget.hasTime { budget["time"] = self.budget.time.document }
        if self.budget.hasBreaches { budget["breaches"] = .int(self.budget.breaches.value) }
        policy.put("budget", budget)
        return policy
    }
}
