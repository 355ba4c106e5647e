import SluiceTime

/// What happens next in a fleet.
enum FleetEvent {
    /// A request of a stream comes.
    case arrival(stream: Int)
    /// A refused request comes again.
    case retry(request: Int)
    /// A client's patience is over.
    case patience(request: Int)
    /// A step of a replica ends.
    case step(replica: Int)
    /// A gateway asks a replica for its gauges.
    case scrape(gateway: Int, replica: Int)
    /// The answer is there.
    case reading(gateway: Int, replica: Int, ReplicaReading)
    /// A gateway's tick.
    case tick(gateway: Int)
    /// A fault begins.
    case fault(Int)
}

/// Events by time; those of one instant in the order in which they were put in.
struct EventHeap {
    private struct Entry {
        let at: Instant
        let order: UInt64
        let event: FleetEvent

        static func < (a: Entry, b: Entry) -> Bool {
            a.at == b.at ? a.order < b.order : a.at < b.at
        }
    }

    private var heap: [Entry] = []
    private var order: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }

    mutating func insert(_ event: FleetEvent, at: Instant) {
        order &+= 1
        heap.append(Entry(at: at, order: order, event: event))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func popFirst() -> (at: Instant, event: FleetEvent)? {
        guard let last = heap.popLast() else { return nil }
        guard let first = heap.first else { return (last.at, last.event) }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child] < heap[least] { least = child }
            }
            if least == parent { break }
            heap.swapAt(parent, least)
            parent = least
        }
        return (first.at, first.event)
    }
}
