import SluiceTime

/// Who is due next, as a binary heap: a benchmark runs a thousand streams through it.
struct FixedSchedule {
    /// One output that is to come.
    struct Due {
        let at: Instant
        let id: EngineRequestID

        /// Ties go to the older request, so that a run can be repeated.
        static func < (a: Due, b: Due) -> Bool {
            a.at == b.at ? a.id < b.id : a.at < b.at
        }
    }

    private var heap: [Due] = []

    /// The earliest.
    var first: Due? { heap.first }

    mutating func insert(_ id: EngineRequestID, due at: Instant) {
        heap.append(Due(at: at, id: id))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeFirst() {
        guard let last = heap.popLast() else { return }
        if heap.isEmpty { return }
        heap[0] = last
        sink(from: 0)
    }

    /// Takes a sequence out wherever it stands; linear, for aborts only.
    mutating func remove(_ id: EngineRequestID) {
        guard let index = heap.firstIndex(where: { $0.id == id }) else { return }
        heap.swapAt(index, heap.count - 1)
        heap.removeLast()
        guard index < heap.count else { return }
        var child = index
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
        sink(from: child)
    }

    private mutating func sink(from start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child] < heap[least] { least = child }
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
