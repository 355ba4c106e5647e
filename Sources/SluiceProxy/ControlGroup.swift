import SluiceReactor

/// The limits of the cgroups that the process runs in: its own, such as a systemd unit's, and all
/// above it, of which the lowest holds.
///
/// In a container the root is that of its cgroup namespace, which is the container's own.
/// Source: cgroups(7), cgroup v2: memory.max and cpu.max. A controller that is v1's has no such
/// file and limits nothing here.
struct ControlGroup {
    /// From the root down to the process's own; directories that are not mounted are missing.
    private let directories: [String]

    /// Levels looked at; systemd and Kubernetes make up to ten.
    private static let depthMax = 64

    /// - Parameters:
    ///   - root: where cgroup v2 is mounted.
    ///   - membership: the file that says which cgroups the process is in.
    init(root: String = "/sys/fs/cgroup", membership: String = "/proc/self/cgroup") {
        var directories = [root]
        let lines = TextFile.read(membership)?.split(separator: "\n") ?? []
        // Lines of v1 have another number and name their controllers.
        if let path = lines.first(where: { $0.hasPrefix("0::/") })?.dropFirst(3) {
            let names = path.split(separator: "/")
            // Outside of the namespace, /../…: what is mounted here is not ours.
            if !names.contains("..") {
                for name in names.prefix(Self.depthMax) {
                    directories.append("\(directories[directories.count - 1])/\(name)")
                }
            }
        }
        self.directories = directories
    }

    /// Bytes, or nil without a limit.
    func memoryMax() -> Int? {
        lowest("memory.max") { Int($0.split(separator: "\n").first ?? "") }
    }

    /// Whole CPUs by quota, rounded up; nil without one.
    func cpuMax() -> Int? {
        lowest("cpu.max") { text in
            let parts = text.split { $0 == " " || $0 == "\n" }
            guard parts.count == 2, let quota = Int(parts[0]), let period = Int(parts[1]),
                quota > 0, period > 0
            else { return nil }
            return (quota - 1) / period + 1
        }
    }

    /// The lowest number that a file has in any of the cgroups; `max` is none.
    private func lowest(_ file: String, parse: (String) -> Int?) -> Int? {
        directories.compactMap { TextFile.read("\($0)/\(file)").flatMap(parse) }.min()
    }
}
