import Foundation

/// What differs under `make sanitize`.
public enum Sanitizer {
    public static let isOn = ProcessInfo.processInfo.environment["MARTLET_SANITIZER"] != nil

    /// Of the programs under test: they are asked for leaks at their end. The test process is not: threads of its clients
    /// hold buffers when it exits.
    static let environment = ProcessInfo.processInfo.environment.merging(
        isOn ? ["ASAN_OPTIONS": "detect_leaks=1"] : [:]
    ) { $1 }
}
