import SluiceReactor

/// The limits of the cgroup that the process runs in. Source: cgroup v2, memory.max and cpu.max.
enum ControlGroup {
    /// Bytes, or nil without a limit.
    static func memoryMax() -> Int? {
        guard let text = TextFile.read("/sys/fs/cgroup/memory.max") else { return nil }
        return Int(text.split(separator: "\n").first ?? "")
    }

    /// Whole CPUs by quota, rounded up; nil without one.
    static func cpuMax() -> Int? {
        guard let text = TextFile.read("/sys/fs/cgroup/cpu.max") else { return nil }
        let parts = text.split { $0 == " " || $0 == "\n" }
        guard parts.count == 2, let quota = Int(parts[0]), let period = Int(parts[1]), period > 0
        else { return nil }
        return max(1, (quota + period - 1) / period)
    }
}
