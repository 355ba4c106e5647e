import SluiceBytes
import SluiceTelemetry

/// What the GPUs of one replica say of themselves: of several the worst, since a step waits for all.
///
/// Source: NVIDIA dcgm-exporter, default-counters.csv of releases 3.x to 4.8 (names
/// `DCGM_FI_DEV_…`); nil where the page does not have a figure.
package struct GPUFigures: Equatable, Sendable {
    /// An error that a GPU has reported; its last one stays on the page until the driver starts anew.
    package struct Fault: Hashable, Sendable {
        /// Label `gpu`: the index on its host.
        package var gpu: String
        /// Source: NVIDIA, "Xid Errors".
        package var xid: Int

        package init(gpu: String, xid: Int) {
            self.gpu = gpu
            self.xid = xid
        }
    }

    /// Whose page it is, and which GPUs of it: figures of another source have nothing to do with these.
    package var source = ""
    /// GPUs on the page that are this replica's, and how many it is said to have, 0 for any number.
    package var count = 0
    package var wanted = 0
    /// Part of the time in which a kernel ran, 0 … 1; mean.
    package var utilization: Double?
    /// Clock of the streaming multiprocessors, hertz; the slowest of those that are busy, as others
    /// clock down.
    package var clock: Double?
    /// Degrees Celsius; the hottest.
    package var temperature: Double?
    /// Watts, all together.
    package var power: Double?
    /// Part of the memory in use, 0 … 1; the fullest.
    package var memoryUsage: Double?
    /// Whether heat or the power supply holds the clock of any down; nil where the exporter does not
    /// say why clocks are what they are. A power cap is not among it: many GPUs run at theirs.
    package var isHeldDown: Bool?
    /// By GPU its last error, 0 for none; those that the page has a word on.
    package var xids: [String: Int] = [:]
    /// Errors, by GPU.
    package var faults: [Fault] {
        xids.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map {
            Fault(gpu: $0.key, xid: $0.value)
        }
    }

    /// GPUs of a replica that are told apart.
    package static let gpusMax = 64
    /// What runs for a smaller part of the time is idle.
    private static let busyLeast = 0.5

    package init() {}

    /// Reads a page.
    ///
    /// - Parameter gpus: the replica's own, by label `gpu` (an index) or `UUID`; empty: all.
    /// - Returns: nil where the page says nothing of them.
    package init?(page: Span<UInt8>, gpus: [String]) {
        var rows: [Row] = []
        var parser = PrometheusTextParser()
        let wants = { (line: Span<UInt8>, name: Range<Int>) in Series(line, name) != nil }
        let take = { (sample: borrowing PrometheusSample) in
            guard let series = Series(sample.line, sample.name), sample.value.isFinite,
                sample.value >= 0, let gpu = sample.text("gpu")?.text, Self.isName(gpu)
            else { return }
            guard
                gpus.isEmpty || gpus.contains(gpu)
                    || gpus.contains(sample.text("UUID")?.text ?? gpu)
            else { return }
            guard let place = rows.firstIndex(where: { $0.gpu == gpu }) else {
                guard rows.count < Self.gpusMax else { return }
                var row = Row(gpu: gpu)
                row.take(series, sample.value)
                return rows.append(row)
            }
            rows[place].take(series, sample.value)
        }
        parser.feed(page, wants: wants, take)
        parser.finish(wants: wants, take)
        guard !rows.isEmpty else { return nil }
        self.init(rows)
        wanted = gpus.count
    }

    /// Whether a text can name a GPU: an index or a UUID. Names go into the log.
    package static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D: true
                default: false
                }
            }
    }

    private init(_ rows: [Row]) {
        count = rows.count
        let busy = rows.compactMap { $0.values[.utilization] }
        if !busy.isEmpty { utilization = busy.reduce(0, +) / Double(busy.count) / 100 }
        let working = rows.filter { ($0.values[.utilization] ?? 100) >= Self.busyLeast * 100 }
        clock = working.compactMap { $0.values[.clock] }.min().map { $0 * 1e6 }
        temperature = rows.compactMap { $0.values[.temperature] }.max()
        let watts = rows.compactMap { $0.values[.power] }
        if !watts.isEmpty { power = watts.reduce(0, +) }
        memoryUsage = rows.compactMap(\.memoryUsage).max()
        let reasons = rows.compactMap { $0.values[.clockReasons] ?? $0.values[.oldClockReasons] }
        if !reasons.isEmpty { isHeldDown = reasons.contains(where: Self.holdsDown) }
        for row in rows {
            if let xid = row.values[.xid], xid < 1_000_000 { xids[row.gpu] = Int(xid) }
        }
    }

    /// Hardware slowdown, thermal slowdown by software or hardware, power brake.
    ///
    /// Source: NVIDIA DCGM, `DCGM_CLOCKS_EVENT_REASON_…` (one to one with NVML's).
    private static func holdsDown(_ reasons: Double) -> Bool {
        guard reasons < 1e15 else { return false }
        return UInt64(reasons) & 0xE8 != 0
    }

    /// One GPU; of its partitions (MIG) the greatest figure counts.
    private struct Row {
        let gpu: String
        var values: [Series: Double] = [:]

        mutating func take(_ series: Series, _ value: Double) {
            values[series] = max(value, values[series] ?? 0)
        }

        var memoryUsage: Double? {
            guard let used = values[.memoryUsed], let free = values[.memoryFree], used + free > 0
            else { return nil }
            return used / (used + free)
        }
    }

    private enum Series: CaseIterable {
        /// Percent.
        case utilization
        /// Megahertz.
        case clock
        case temperature, power
        /// Mebibytes.
        case memoryUsed, memoryFree
        case xid
        /// Bits; under the name since DCGM 3.3, and before.
        case clockReasons, oldClockReasons

        init?(_ line: Span<UInt8>, _ name: Range<Int>) {
            guard name.count > 12,
                let found = Self.allCases.first(where: { line.equals($0.name, in: name) })
            else { return nil }
            self = found
        }

        var name: StaticString {
            switch self {
            case .utilization: "DCGM_FI_DEV_GPU_UTIL"
            case .clock: "DCGM_FI_DEV_SM_CLOCK"
            case .temperature: "DCGM_FI_DEV_GPU_TEMP"
            case .power: "DCGM_FI_DEV_POWER_USAGE"
            case .memoryUsed: "DCGM_FI_DEV_FB_USED"
            case .memoryFree: "DCGM_FI_DEV_FB_FREE"
            case .xid: "DCGM_FI_DEV_XID_ERRORS"
            case .clockReasons: "DCGM_FI_DEV_CLOCKS_EVENT_REASONS"
            case .oldClockReasons: "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS"
            }
        }
    }
}

extension GPUFigures.Fault {
    /// Whether the hardware or its driver failed; the other codes are mostly the program's doing, the
    /// end of it, or a note for later.
    package var isHardware: Bool {
        switch xid {
        case 48, 62, 64, 74, 79, 94, 95, 119, 120: true
        default: false
        }
    }

    /// What the code is about, in a few words; empty for one that says little to an operator.
    ///
    /// Source: NVIDIA, "Xid Errors", catalog.
    package var meaning: String {
        switch xid {
        case 13: "graphics engine exception, mostly of the program"
        case 31: "memory page fault, mostly of the program"
        case 43: "the program's channel was stopped"
        case 45: "the program was ended while it used the GPU"
        case 48: "memory error that could not be corrected"
        case 62: "a microcontroller of the GPU halted"
        case 63: "a row of memory will be remapped at the next reset"
        case 64: "a row of memory could not be remapped"
        case 74: "NVLink error"
        case 79: "the GPU has fallen off the bus"
        case 92: "many memory errors that were corrected"
        case 94: "memory error that could not be corrected, contained"
        case 95: "memory error that could not be corrected, not contained"
        case 119, 120: "the GPU's system processor does not answer"
        default: ""
        }
    }
}
