import SluiceTime

/// A request that waits, or whose grant or expiry waits for its worker to fetch it.
struct WaitNode: Sendable {
    enum Stage: Sendable {
        case free
        case waiting
        case granted(Reservation)
        case expired(ShedReason)
    }

    var stage = Stage.free
    var generation: UInt32 = 0
    var previous: Int32 = -1
    var next: Int32 = -1
    var worker: UInt8 = 0
    var token: UInt64 = 0
    var bodyBytes = 0
    var since = Instant.unset
    var deadline = Instant.never
    /// Whether the deadline is the caller's own rather than ours.
    var deadlineIsCallers = false
    /// Replicas it must not go to; not empty for retries only.
    var excluding = ReplicaIDs()
    var isRetry = false
}

/// A doubly linked list through the nodes of a ``WaitQueue``.
struct WaitList: Sendable {
    var first: Int32 = -1
    var last: Int32 = -1
    var count = 0
}

/// The bounded queue of one pool and each worker's box of grants, as lists over one table.
///
/// A node passes from the queue to its worker's box without being copied, so that cancelling is
/// O(1) wherever it is. Nothing is allocated once the table has reached its high mark.
struct WaitQueue: Sendable {
    /// Workers at most: the bits of a ``WakeSet``.
    static let workersMax = 64

    private(set) var nodes: [WaitNode] = []
    private var firstFree: Int32 = -1
    /// The queue, then the box of each worker: list w + 1 is worker w's.
    private var lists = [WaitList](repeating: WaitList(), count: workersMax + 1)
    /// Bytes of waiting bodies.
    private(set) var bytes = 0
    /// No deadline of the queue is earlier; lets ``ReplicaPool/tick(now:)`` skip the walk.
    private(set) var deadlineFloor = Instant.never

    /// Who waits, in order.
    var waiting: WaitList { lists[0] }
    var isEmpty: Bool { waiting.count == 0 }
    var count: Int { waiting.count }

    /// Age of the longest waiting; zero when nobody waits.
    func headAge(now: Instant) -> Nanoseconds {
        waiting.first < 0 ? .zero : max(.zero, now - nodes[Int(waiting.first)].since)
    }

    /// Whether the ticket's request waits, or its message does.
    func holds(_ ticket: QueueTicket) -> Bool {
        guard Int(ticket.slot) < nodes.count else { return false }
        let node = nodes[Int(ticket.slot)]
        guard node.generation == ticket.generation else { return false }
        switch node.stage {
        case .free: return false
        case .waiting, .granted, .expired: return true
        }
    }

    /// Puts a request at the end, a retry at the head: it has waited before.
    mutating func enqueue(_ node: WaitNode) -> QueueTicket {
        let index: Int32
        if firstFree >= 0 {
            index = firstFree
            firstFree = nodes[Int(index)].next
        } else {
            index = Int32(nodes.count)
            nodes.append(WaitNode())
        }
        let generation = nodes[Int(index)].generation
        nodes[Int(index)] = node
        nodes[Int(index)].generation = generation
        nodes[Int(index)].stage = .waiting
        if node.isRetry { pushFront(index) } else { link(index, to: 0) }
        bytes += node.bodyBytes
        deadlineFloor = min(deadlineFloor, node.deadline)
        return QueueTicket(slot: UInt32(index), generation: generation)
    }

    /// Moves a waiting node to its worker's box; the worker to wake if the box was empty.
    mutating func deliver(_ index: Int32, as stage: WaitNode.Stage) -> Int? {
        unlink(index, from: 0)
        bytes -= nodes[Int(index)].bodyBytes
        if waiting.count == 0 { deadlineFloor = .never }
        nodes[Int(index)].stage = stage
        let worker = Int(nodes[Int(index)].worker)
        link(index, to: worker + 1)
        return boxCount(worker: worker) == 1 ? worker : nil
    }

    /// Takes the oldest message out of a worker's box.
    mutating func take(worker: Int) -> WaitNode? {
        let index = lists[worker + 1].first
        guard index >= 0 else { return nil }
        unlink(index, from: worker + 1)
        let node = nodes[Int(index)]
        free(index)
        return node
    }

    /// Removes a node wherever it is; the ticket must be held. Its stage says what it had.
    mutating func remove(_ ticket: QueueTicket) -> WaitNode {
        let index = Int32(ticket.slot)
        let node = nodes[Int(index)]
        switch node.stage {
        case .free: preconditionFailure("the caller checks holds(_:)")
        case .waiting:
            unlink(index, from: 0)
            bytes -= node.bodyBytes
            if waiting.count == 0 { deadlineFloor = .never }
        case .granted, .expired: unlink(index, from: Int(node.worker) + 1)
        }
        free(index)
        return node
    }

    /// Sets the floor after a full walk.
    mutating func setDeadlineFloor(_ floor: Instant) { deadlineFloor = floor }

    /// Messages in a worker's box.
    func boxCount(worker: Int) -> Int { lists[worker + 1].count }

    // MARK: Links

    private mutating func free(_ index: Int32) {
        nodes[Int(index)].stage = .free
        nodes[Int(index)].generation &+= 1
        nodes[Int(index)].next = firstFree
        nodes[Int(index)].previous = -1
        firstFree = index
    }

    private mutating func link(_ index: Int32, to list: Int) {
        let last = lists[list].last
        nodes[Int(index)].previous = last
        nodes[Int(index)].next = -1
        if last >= 0 { nodes[Int(last)].next = index } else { lists[list].first = index }
        lists[list].last = index
        lists[list].count += 1
    }

    private mutating func pushFront(_ index: Int32) {
        let first = lists[0].first
        nodes[Int(index)].previous = -1
        nodes[Int(index)].next = first
        if first >= 0 { nodes[Int(first)].previous = index } else { lists[0].last = index }
        lists[0].first = index
        lists[0].count += 1
    }

    private mutating func unlink(_ index: Int32, from list: Int) {
        let previous = nodes[Int(index)].previous
        let next = nodes[Int(index)].next
        if previous >= 0 { nodes[Int(previous)].next = next } else { lists[list].first = next }
        if next >= 0 { nodes[Int(next)].previous = previous } else { lists[list].last = previous }
        lists[list].count -= 1
    }
}
