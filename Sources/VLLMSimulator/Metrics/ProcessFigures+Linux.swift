import Foundation
import SluiceReactor
import SluiceTime

extension ProcessFigures {
    /// The figures of this process, the simulator itself; what cannot be read stays as it was made up.
    ///
    /// Source: proc(5) `/proc/self/stat` (fields 23 and 24), `/proc/self/limits`, getrusage(2).
    static func ofThisProcess(startSeconds: Double) -> ProcessFigures {
        var figures = ProcessFigures(startSeconds: startSeconds)
        let (user, system) = MonotonicClock.cpuTime()
        figures.processorSeconds = (user + system).seconds
        if let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            // Listing the directory took one.
            figures.openDescriptors = Double(open.count - 1)
        }
        let limits = try? String(contentsOfFile: "/proc/self/limits", encoding: .utf8)
        if let line = limits?.split(separator: "\n").first(where: { $0.hasPrefix("Max open files") }
        ),
            let limit = line.dropFirst(14).split(separator: " ").first.flatMap({ Double($0) })
        {
            figures.maxDescriptors = limit
        }
        // The command's name is in parentheses and may hold anything; the rest begins with field 3.
        guard let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
            let end = stat.lastIndex(of: ")")
        else { return figures }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 21, let virtual = Double(fields[20]),
            let pages = Double(fields[21])
        else { return figures }
        figures.virtualBytes = virtual
        figures.residentBytes = pages * Double(sysconf(Int32(_SC_PAGESIZE)))
        return figures
    }
}
