/// The files of one load. Each is read once, so that all of the load sees the same content, and what was read is what
/// the digest speaks of: a file saved while the load runs has another digest then, and is loaded again.
public final class ConfigSources {
    private var contents: [String: Result<[UInt8], ConfigFile.Failure>] = [:]
    private var states: [String: ConfigFile.State] = [:]
    /// In the order of their first reading.
    package private(set) var paths: [String] = []
    /// What was not supplied does not exist: the configuration is somebody else's, and this machine's files are not for it.
    package var isClosed = false

    package init() {}

    /// Whoever reads `path` gets `bytes`, and the disk is not asked: they came with the configuration. They count as a file
    /// of the process's own that nobody else may read.
    package func supply(_ bytes: [UInt8], as path: String) {
        if contents[path] == nil { paths.append(path) }
        contents[path] = .success(bytes)
        states[path] = ConfigFile.State(supplied: bytes.count)
    }

    /// These files are all there are. Nil changes nothing.
    package func supply(_ files: [String: [UInt8]]?) {
        guard let files else { return }
        for (path, bytes) in files { supply(bytes, as: path) }
        isClosed = true
    }

    /// Whether the load has asked for it.
    package func hasRead(_ path: String) -> Bool { contents[path] != nil }

    /// It came with the configuration, and no file of that name is to be watched.
    package func isSupplied(_ path: String) -> Bool { states[path]?.isSupplied == true }

    package func read(_ path: String, atMost limit: Int) throws(ConfigFile.Failure) -> [UInt8] {
        if let known = contents[path], let bytes = try? known.get() {
            guard bytes.count <= limit else { throw ConfigFile.Failure(tooLarge: limit) }
            return bytes
        }
        if isClosed { throw Self.notSupplied }
        if contents[path] == nil { paths.append(path) }
        let result = Result { () throws(ConfigFile.Failure) in try ConfigFile.read(path, atMost: limit) }
        contents[path] = result
        return try result.get()
    }

    /// As `read`, with whose the file is and who may do what with it.
    package func readWithState(_ path: String, atMost limit: Int) throws(ConfigFile.Failure) -> (
        bytes: [UInt8], state: ConfigFile.State
    ) {
        if let known = states[path], known.isSupplied { return (try read(path, atMost: limit), known) }
        if isClosed { throw Self.notSupplied }
        if !paths.contains(path) { paths.append(path) }
        let (bytes, state) = try ConfigFile.readWithState(path, atMost: limit)
        states[path] = state
        if state.size < ConfigFile.largeSize { contents[path] = .success(bytes) }
        return (bytes, state)
    }

    private static let notSupplied = ConfigFile.Failure(reason: "it was not handed in with the configuration")

    /// FNV-1a over the paths and contents of `files`, or, of large ones, when and as what they were written. Those that this
    /// load has not read are looked at for it.
    package func digest(of files: [String]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for file in files {
            for byte in file.utf8 { add(byte) }
            if let state = states[file] ?? ConfigFile.state(of: file), !state.isSupplied,
                state.size >= ConfigFile.largeSize
            {
                for number in state.identity { withBytes(of: number, add) }
            } else if case .success(let bytes) = contents[file] {
                for byte in bytes { add(byte) }
            } else {
                ConfigFile.forEachByte(of: file, add)
            }
        }
        return hash
    }

    private func withBytes(of number: UInt64, _ body: (UInt8) -> Void) {
        for shift in stride(from: 0, to: 64, by: 8) { body(UInt8(truncatingIfNeeded: number >> UInt64(shift))) }
    }
}
