import Foundation
import MartletTesting
import Testing

/// A module that is wrong in one way, and what `martlet check` says of it.
struct WrongModule: CustomTestStringConvertible, Sendable {
    let name: String
    /// C, or nothing for the module of `NativeModuleTests` that is right.
    var source: String?
    var mode = 0o755
    let message: String
    let hint: String

    var testDescription: String { name }
}

@Suite("Native modules that are refused")
struct NativeModuleMistakeTests {
    private static func entry(_ body: String) -> String {
        "const martlet_module *martlet_module_entry(const martlet_host *host) { \(body) }"
    }

    static let wrong: [WrongModule] = [
        WrongModule(
            name: "no symbol", source: "int other(void) { return 1; }",
            message: "is no Martlet module: it has no function martlet_module_entry", hint: "Docs/NativeModules.md"),
        WrongModule(
            name: "an old version",
            source: entry("static martlet_module m; m.version = 0; m.size = sizeof m; return &m;"),
            message: "has version 0 of the module table; this Martlet has 1", hint: "ModuleKit"),
        WrongModule(
            name: "a later version",
            source: entry("static martlet_module m; m.version = 7; m.size = sizeof m; return &m;"),
            message: "has version 7 of the module table; this Martlet has 1", hint: "ModuleKit"),
        WrongModule(
            name: "a short table", source: entry("static martlet_module m; m.version = 1; m.size = 24; return &m;"),
            message: "has a module table of 24 bytes; version 1 has 192", hint: "ModuleKit"),
        WrongModule(
            name: "a refusing start",
            source: entry(
                """
                static martlet_module m; m.version = 1; m.size = sizeof m;
                m.refusal = (martlet_borrowed_bytes){ (const uint8_t *)"no licence\\n", 11 }; return &m;
                """), message: "refused to start: no licence\\n", hint: "own words"),
        WrongModule(
            name: "a start that says nothing", source: entry("return 0;"),
            message: "refused to start, without saying why", hint: "NULL"),
        WrongModule(
            name: "no filter", source: entry("static martlet_module m; m.version = 1; m.size = sizeof m; return &m;"),
            message: "brings no filter", hint: "names none"),
        WrongModule(
            name: "a name that is built in", source: NativeModuleTests.answering("1", name: "headers"),
            message: "filter \"headers\" of module \"m\" has a name that is taken", hint: "it is built in"),
        WrongModule(
            name: "a name that is none", source: NativeModuleTests.answering("1", name: "a b"),
            message: "has a filter called \"a b\"", hint: "letters, digits and _"),
        WrongModule(
            name: "a library that is missing", source: "extern int nowhere(void); int f(void) { return nowhere(); }",
            message: "cannot be loaded: undefined symbol: nowhere", hint: "link what it needs"),
        WrongModule(
            name: "writable by others", mode: 0o757, message: "may be written by others", hint: "chmod go-w"),
        WrongModule(
            name: "writable by its group", mode: 0o775, message: "may be written by others", hint: "chmod go-w"),
    ]

    private func check(_ folder: ModuleFolder, _ modules: String, filters: String = "router") throws -> (Int32, String)
    {
        let file = folder.file("martlet.yaml")
        try """
        listeners:
          - name: public
            address: 127.0.0.1:8080
            filters: [\(filters)]
            routes: [{ match: {}, respond: { status: 204 } }]
        modules:
        \(modules)
        """.write(to: file, atomically: true, encoding: .utf8)
        let (code, output) = try Tool.run(Tool.martlet.path, ["check", file.path])
        return (code, output)
    }

    @Test("At the line of its path, with a sentence", arguments: wrong)
    func refused(module: WrongModule) throws {
        let folder = try ModuleFolder()
        let file = folder.file("m.so")
        try NativeBuild.c(module.source ?? NativeModuleTests.answering("1"), to: file)
        try FileManager.default.setAttributes([.posixPermissions: module.mode], ofItemAtPath: file.path)
        let (code, output) = try check(folder, "  - name: m\n    path: m.so")
        #expect(code == 1)
        let line = output.split(separator: "\n").first { $0.contains("martlet.yaml:8:11: error: modules[0].path: ") }
        #expect(line?.contains(module.message) == true && line?.contains(module.hint) == true, "\(output)")
    }

    @Test(
        "Keys of `modules`",
        arguments: [
            ("{ path: m.so }", "\"name\" is required"), ("{ name: m }", "\"path\" is required"),
            ("{ name: m, path: gone.so }", "gone.so\" cannot be read: No such file or directory"),
            ("{ name: m, path: m.so, pth: x }", "unknown key \"pth\" (did you mean \"path\"?)"),
            ("{ name: m, path: m.so, slow_hook: 1ms }", "5ms or more; 0 is off"),
            ("{ name: m, path: m.so }\n  - { name: m, path: m.so }", "duplicate module \"m\""),
            ("{ name: m, path: m.so }\n  - { name: n, path: m.so }", "module \"m\" brings it too"),
            ("{ name: m, path: . }", "cannot be read: Is a directory"),
        ])
    func keys(entry: String, message: String) throws {
        let folder = try ModuleFolder()
        try NativeBuild.c(NativeModuleTests.answering("1"), to: folder.file("m.so"))
        let (code, output) = try check(folder, "  - \(entry)")
        #expect(code == 1 && output.contains(message), "\(output)")
    }

    @Test(
        "What a module's filter says of its section comes with line, path and hint",
        arguments: [
            ("{ probe: { label: a, cluster: nowhere } }", ":4:", "filters[0].probe.cluster: no cluster is called"),
            ("{ probe: {} }", ":4:", "filters[0].probe: \"label\" is required"),
            ("{ probe: { label: a, lable: b } }", ":4:", "unknown key \"lable\" (did you mean \"label\"?)"),
            ("{ probe: { label: a, numbers: [3, 30] } }", ":4:", "filters[0].probe.numbers[1]: 30 is out of bounds"),
            ("{ probe: [] }", ":4:", "expected a mapping, found a list"),
            ("{ probe: { label: a, file: gone.txt } }", ":4:", "cannot read"),
            (
                "{ probe: { label: a, fragile: true } }", ":4:",
                "warning: listeners[0].filters[0].probe.fragile: this is"
            ),
        ])
    func sections(filter: String, line: String, message: String) throws {
        let folder = try ModuleFolder()
        try NativeBuild.install(try NativeBuild.probe(), as: folder.file("probe.so"))
        let (_, output) = try check(folder, "  - { name: p, path: probe.so }", filters: "\(filter), router")
        let found = output.split(separator: "\n").filter { $0.contains(message) }
        #expect(found.count == 1 && found.allSatisfy { $0.contains("martlet.yaml\(line)") }, "\(output)")
    }

    @Test("A file that is cut short is refused and does not end the process", arguments: [0, 3, 63, 64, 500, 4096, -1])
    func cut(length: Int) throws {
        let folder = try ModuleFolder()
        let file = folder.file("m.so")
        try NativeBuild.c(NativeModuleTests.answering("1"), to: file)
        let whole = try Data(contentsOf: file)
        try whole.prefix(length < 0 ? whole.count + length : length).write(to: file)
        try NativeBuild.permit(file)
        let (code, output) = try check(folder, "  - { name: m, path: m.so }")
        #expect(code == 1 && output.contains("no shared library, or not whole (put new files"), "\(output)")
    }

    @Test("A refused version leaves the one in force, and the next good one comes by itself")
    func keepsServing() throws {
        let folder = try ModuleFolder()
        let file = folder.file("m.so")
        try NativeBuild.c(NativeModuleTests.answering("1"), to: file)
        let proxy = try TestProxy(
            listener: "    filters: [small: {}, router]\n    routes: [{ match: {}, respond: { status: 204 } }]",
            rest: "modules:\n  - { name: m, path: \(file.path) }")
        for module in Self.wrong.prefix(5) {
            try NativeBuild.c(module.source ?? "", to: folder.file("next.so"))
            try NativeBuild.install(folder.file("next.so"), as: file)
            let isSaid = eventually { proxy.logged.contains(module.message) }
            #expect(isSaid, "\(module.name)")
            #expect(try proxy.get("/").contains("x-version: 1\r\n"))
        }
        #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 422 "))
        try NativeBuild.c(NativeModuleTests.answering("2"), to: folder.file("next.so"))
        try NativeBuild.install(folder.file("next.so"), as: file)
        let isBack = try eventually { try proxy.get("/").contains("x-version: 2\r\n") }
        #expect(isBack)
    }

    @Test("A process loads so many versions and no more")
    func bounded() throws {
        let folder = try ModuleFolder()
        let file = folder.file("m.so")
        let library = folder.file("one.so")
        try NativeBuild.c(NativeModuleTests.answering("1"), to: library)
        try NativeBuild.install(library, as: file)
        let proxy = try TestProxy(
            listener: "    filters: [small: {}, router]\n    routes: [{ match: {}, respond: { status: 204 } }]",
            rest: "modules:\n  - { name: m, path: \(file.path) }")
        for number in 1..<100 {
            try NativeBuild.install(library, as: file, note: "\(number)")
            #expect(try proxy.admin("/reload", method: "POST").hasPrefix("HTTP/1.1 200 "), "\(number)")
        }
        try NativeBuild.install(library, as: file, note: "100")
        let refused = try proxy.admin("/reload", method: "POST")
        #expect(refused.hasPrefix("HTTP/1.1 422 ") && refused.contains("restart the proxy"), "\(refused)")
        #expect(try proxy.metric("martlet_module_versions_loaded{module=\"m\"}") == "100")
        #expect(try proxy.get("/").contains("x-version: 1\r\n"))
    }
}
