internal import CLinux

/// Tells that something changed in some directories. Directories, not files: an editor that writes a new file and
/// renames it, and Kubernetes swapping a symlink, both leave a watch on the old file deaf.
package final class DirectoryWatcher {
    private let descriptor: Int32
    private var source: LevelSource?
    private var watched: Set<String> = []

    package init(loop: EventLoop, _ changed: @escaping () -> Void) throws(SystemError) {
        let descriptor = try SystemError.check("inotify_init1", mrt_inotify())
        self.descriptor = descriptor
        source = try LevelSource(loop: loop, descriptor: descriptor, ownsDescriptor: true) {
            if mrt_inotify_drain(descriptor) > 0 { changed() }
        }
    }

    /// Watches `path` too. Doing so again is cheap and also renews a watch whose directory was replaced.
    package func watch(_ path: String) throws(SystemError) {
        _ = try SystemError.check("watch \(path)", unsafe mrt_inotify_add_directory(descriptor, path))
        watched.insert(path)
    }

    package func close() {
        source?.close()
        source = nil
    }
}
