import SluiceReactor

/// The limits of the cgroups that the process runs in: its own, such as a systemd unit's, and all
/// above it, of which the lowest holds.
///
/// In a container the root is that of its cgroup namespace, which is the container's own; or the path
/// is the host's, which is not mounted there, and the mounted root is the container's own.
/// Source: cgroups(7); cgroup v2: memory.max and cpu.max; v1: memory.limit_in_bytes of the controller
/// memory, cpu.cfs_quota_us and cpu.cfs_period_us of cpu.
struct ControlGroup {
    /// From the root down to the process's own, of v2 and of two controllers of v1; directories that are
    /// not mounted are missing.
    private let unified: [String]
    private let memory: [String]
    private let cpu: [String]

    /// Levels looked at; systemd and Kubernetes make up to ten.
    private static let depthMax = 64
    /// What v1 says where there is no limit is the largest number of whole pages.
    private static let unlimited = Int.max - 1 << 20

    /// - Parameters:
    ///   - root: where cgroups are mounted.
    ///   - membership: the file that says which cgroups the process is in.
    init(root: String = "/sys/fs/cgroup", membership: String = "/proc/self/cgroup") {
        let lines = TextFile.read(membership)?.split(separator: "\n") ?? []
        // A number, controllers by name, where v2 has 0 and none, and the path.
        func directories(_ mount: String, _ isMeant: (Substring) -> Bool) -> [String] {
            var found = [mount]
            let fields = lines.lazy.map {
                $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            }
            guard let path = fields.first(where: { $0.count == 3 && isMeant($0[1]) })?[2] else {
                return found
            }
            let names = path.split(separator: "/")
            // Outside of the namespace, /../…: what is mounted here is not ours.
            guard path.hasPrefix("/"), !names.contains("..") else { return found }
            for name in names.prefix(Self.depthMax) {
                found.append("\(found[found.count - 1])/\(name)")
            }
            return found
        }
        unified = directories(root) { $0.isEmpty }
        memory = directories("\(root)/memory") { $0.split(separator: ",").contains("memory") }
        cpu = directories("\(root)/cpu") { $0.split(separator: ",").contains("cpu") }
    }

    /// Bytes, or nil without a limit.
    func memoryMax() -> Int? {
        let limits =
            numbers("memory.max", in: unified)
            + numbers("memory.limit_in_bytes", in: memory).filter { $0 < Self.unlimited }
        return limits.min()
    }

    /// Whole CPUs by quota, rounded up; nil without one.
    func cpuMax() -> Int? {
        let quotas = unified.compactMap { TextFile.read("\($0)/cpu.max") }.map(Self.words)
        let split = cpu.map { directory in
            ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
                .compactMap { TextFile.read("\(directory)/\($0)") }.flatMap(Self.words)
        }
        return (quotas + split).compactMap(Self.wholeCPUs).min()
    }

    private static func wholeCPUs(_ words: [Substring]) -> Int? {
        guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]),
            quota > 0, period > 0
        else { return nil }
        return (quota - 1) / period + 1
    }

    private static func words(_ text: String) -> [Substring] {
        text.split { $0 == " " || $0 == "\n" }
    }

    /// The numbers that a file has in any of the cgroups; `max` is none.
    private func numbers(_ file: String, in directories: [String]) -> [Int] {
        directories.compactMap { directory in
            TextFile.read("\(directory)/\(file)").flatMap {
                Int($0.split(separator: "\n").first ?? "")
            }
        }
    }
}
