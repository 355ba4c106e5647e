import Glibc
import SluiceReactor

/// What this binary is.
package enum BuildInfo {
    package static let version = "0.1.0"
    /// Set by the build where it knows; a checkout does not.
    static let commit = "unknown"
    #if swift(>=6.4)
        static let swift = "6.4"
    #elseif swift(>=6.3)
        static let swift = "6.3"
    #else
        static let swift = "6.2"
    #endif
}

/// What the kernel says of this process. Source: proc_pid_stat(5), getrlimit(2).
struct ProcessFigures {
    let openFiles: Int
    let maxFiles: Int
    let virtualBytes: Int
    let residentBytes: Int
    let threads: Int
    let startSeconds: Double

    static func read() -> ProcessFigures? {
        guard let stat = TextFile.read("/proc/self/stat"),
            let name = stat.lastIndex(of: ")"),
            let system = TextFile.read("/proc/stat")
        else { return nil }
        // Fields are counted from the state, which is the third.
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        guard fields.count > 21, let threads = Int(fields[17]), let ticks = Double(fields[19]),
            let virtual = Int(fields[20]), let pages = Int(fields[21])
        else { return nil }
        let boot = system.split(separator: "\n").first { $0.hasPrefix("btime ") }
            .flatMap { Double($0.dropFirst(6)) }
        return ProcessFigures(
            openFiles: DescriptorTable.countOpen(), maxFiles: DescriptorTable.limit,
            virtualBytes: virtual, residentBytes: pages * Int(sysconf(Int32(_SC_PAGESIZE))),
            threads: threads,
            startSeconds: (boot ?? 0) + ticks / Double(sysconf(Int32(_SC_CLK_TCK))))
    }
}
