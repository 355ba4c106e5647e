import CSluiceLinux
import Glibc

/// The process's table of open descriptors.
package enum DescriptorTable {
    /// Descriptors that room is made for at most: a megabyte of the kernel's memory.
    static let reservedMax = 131_072

    /// Raises the soft limit to `count` where the hard one allows it, and makes room at once.
    ///
    /// The kernel doubles the table as it fills, and in a process of several threads waits each time
    /// until every CPU has passed through a quiescent state: 10 to 20 ms in which a worker's streams
    /// stand still (measured: `socket(2)` as descriptor 256, 512, 1,024). So call it before the
    /// second thread starts.
    ///
    /// - Parameter descriptor: any open one.
    /// - Returns: the limit in force. Source: getrlimit(2), expand_files() of Linux.
    package static func reserve(_ count: Int, with descriptor: Int32) -> Int {
        let limit = Int(sluice_raise_descriptor_limit(count))
        let room = min(count, limit, reservedMax)
        if room > 0 { sluice_grow_descriptor_table(descriptor, Int32(room)) }
        return limit
    }

    /// The limit in force: getrlimit(2), RLIMIT_NOFILE.
    package static var limit: Int { Int(sluice_raise_descriptor_limit(0)) }

    /// The first descriptor that new clients are not to take: an eighth of the limit, 16 to 1,024, stays
    /// for connections to replicas, probes and scrapes. Without it whoever opens connections and says
    /// nothing makes healthy replicas look dead.
    package static var acceptCeiling: Int32 {
        let limit = limit
        return Int32(clamping: limit - min(max(16, limit / 8), 1_024))
    }

    /// Whether the next descriptor lies below `ceiling`: it is always the lowest that is free.
    ///
    /// - Parameter descriptor: any open one. Source: dup(2).
    package static func hasRoom(below ceiling: Int32, with descriptor: Int32) -> Bool {
        let next = dup(descriptor)
        guard next >= 0 else { return false }
        close(next)
        return next < ceiling
    }

    /// How many are open now; 0 where proc(5) is not there.
    package static func countOpen() -> Int {
        guard let directory = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(directory) }
        // Less `.`, `..` and the directory itself.
        var count = -3
        while unsafe readdir(directory) != nil { count += 1 }
        return max(0, count)
    }
}
