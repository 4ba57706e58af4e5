internal import Foundation

/// The tests.yaml files that folders have in or below them.
struct PolicyTestFolders {
    static let fileName = "tests.yaml"

    /// In the order of the arguments, then by name; each once.
    let files: [String]
    /// What was named and has none.
    let errors: [String]
    /// The folders to watch for changes: those named and all below.
    let folders: [String]

    init(_ arguments: [String]) {
        var files: [String] = []
        var errors: [String] = []
        var folders: [String] = []
        for argument in arguments {
            // A link that was named is followed.
            let path = URL(fileURLWithPath: argument).resolvingSymlinksInPath().path
            guard let type = Self.type(of: path) else {
                errors.append("\(argument): error: no such file or folder")
                continue
            }
            guard type == .typeDirectory else {
                files.append(argument)
                folders.append(argument.lastIndex(of: "/").map { String(argument[...$0]) } ?? ".")
                continue
            }
            let (found, below) = Self.search(argument)
            if found.isEmpty {
                let hint = "Docs/PolicyTests.md says how to write one"
                errors.append("\(argument): error: no \(Self.fileName) here or below (\(hint))")
            }
            files += found
            folders += below
        }
        var seen: Set<String> = []
        self.files = files.filter { seen.insert($0).inserted }
        self.errors = errors
        self.folders = folders
    }

    private static func type(of path: String) -> FileAttributeType? {
        (try? FileManager.default.attributesOfItem(atPath: path))?[.type] as? FileAttributeType
    }

    /// Hidden folders and symbolic links are left alone.
    private static func search(_ folder: String) -> (files: [String], folders: [String]) {
        let base = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
        var files: [String] = []
        var folders = [base]
        for name in ((try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []).sorted() {
            let path = base == "/" ? "/" + name : base + "/" + name
            let type = type(of: path)
            if name == fileName, type == .typeRegular || type == .typeSymbolicLink {
                files.insert(path, at: 0)
            } else if type == .typeDirectory, !name.hasPrefix(".") {
                let below = search(path)
                files += below.files
                folders += below.folders
            }
        }
        return (files, folders)
    }
}
