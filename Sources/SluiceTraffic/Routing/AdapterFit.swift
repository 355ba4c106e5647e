/// How a replica stands to the LoRA adapter of a request.
///
/// A guess at what vLLM does with it: one that has not run of late is copied to the GPU first, and one
/// more than `--max-loras` waits until the last request of another has ended.
/// Source: VLLM.md, *Metric dialect*, LoRA.
enum AdapterFit: UInt8, Sendable {
    /// In its batch now, or sent there since the last scrape.
    case running
    /// Listed.
    case listed
    /// Listed, and as many others run as may at once.
    case crowded
    /// Not listed: the replica would answer 404.
    case absent

    /// Added to the time of its first token, seconds.
    var delay: Double {
        switch self {
        case .running, .absent: 0
        case .listed: 0.1
        case .crowded: 1
        }
    }

    /// The same where replicas are compared by their requests.
    var load: Double {
        switch self {
        case .running, .absent: 0
        case .listed: 1
        case .crowded: 8
        }
    }
}

/// The adapters of one replica, by the gateway's numbers.
struct ReplicaAdapters: Sendable {
    /// Adapters remembered as running at most, whatever a page says.
    static let runningMax = 256

    /// In ascending order.
    private(set) var listed: [UInt16] = []
    private(set) var running: [UInt16] = []
    /// vLLM's `--max-loras`; nil where not known.
    private var runningLimit: Int?

    /// The replica has told its models.
    mutating func list(_ numbers: [UInt16]) { listed = numbers.sorted() }

    /// A page said which run, and how many may.
    mutating func scraped(running numbers: [UInt16], limit: Int?) {
        running = Array(numbers.prefix(Self.runningMax))
        runningLimit = limit
    }

    /// A request of the adapter is sent: it runs when the next comes.
    mutating func sent(_ adapter: UInt16) {
        guard running.count < Self.runningMax, !running.contains(adapter) else { return }
        running.append(adapter)
    }

    /// Whether the replica serves the adapter.
    func lists(_ adapter: UInt16) -> Bool {
        var (low, high) = (0, listed.count)
        while low < high {
            let middle = (low + high) / 2
            if listed[middle] < adapter { low = middle + 1 } else { high = middle }
        }
        return low < listed.count && listed[low] == adapter
    }

    func fit(_ adapter: UInt16) -> AdapterFit {
        guard lists(adapter) else { return .absent }
        if running.contains(adapter) { return .running }
        return running.count >= runningLimit ?? .max ? .crowded : .listed
    }
}

extension PoolState {
    /// Whether any replica lists the adapter; where none does, any may be asked and says so itself.
    private func isListed(_ adapter: UInt16) -> Bool {
        entries.contains { $0.isUsed && $0.adapters.lists(adapter) }
    }

    /// How each slot's replica stands to the request's adapter; empty where that does not matter.
    func adapterFits(_ request: RouteRequest) -> [AdapterFit] {
        guard request.adapter != 0, isListed(request.adapter) else { return [] }
        return entries.map { $0.isUsed ? $0.adapters.fit(request.adapter) : .absent }
    }

    /// Whether a replica that lists the adapter and was not tried yet serves now or may soon.
    func hasHope(adapter: UInt16, _ excluding: ReplicaIDs) -> Bool {
        let isListed = isListed(adapter)
        return entries.indices.contains { slot in
            entries[slot].isUsed && isHopeful(entries[slot].health.state)
                && !excluding.contains(id(slot))
                && (!isListed || entries[slot].adapters.lists(adapter))
        }
    }
}
