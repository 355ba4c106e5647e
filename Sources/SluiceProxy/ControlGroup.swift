import Glibc

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

/// Small files read whole; cold paths only.
enum TextFile {
    /// Bytes read at most.
    static let bytesMax = 1 << 20

    /// The file's text, or nil when it cannot be read.
    static func read(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while text.count < bytesMax {
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            text.append(contentsOf: chunk[0..<count])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
