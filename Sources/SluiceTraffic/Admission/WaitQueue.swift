import SluiceTime

/// The bounded queue of one pool and each worker's box of messages, as lists over one table.
///
/// A line per class and tenant, the earliest due first within a line. A node passes from its line
/// to its worker's box without being copied, so that cancelling is O(1) wherever it is. Nothing is
/// allocated once the table has reached its high mark.
struct WaitQueue: Sendable {
    /// Workers at most: the bits of a ``WakeSet``.
    static let workersMax = 64

    /// Requests that one with less time may pass when it comes, and retries that one more stays behind.
    static let passedMax = 64

    /// All nodes, in whatever list.
    private(set) var nodes: [WaitNode] = []
    private var firstFree: Int32 = -1
    /// The box of each worker, then the lines by class and tenant.
    private var lists: [WaitList]
    private var tenantCount: Int
    /// By class.
    private(set) var turns: [TenantTurns]
    /// Requests that wait.
    private(set) var count = 0
    /// Bytes of waiting bodies.
    private(set) var bytes = 0
    /// The same by class.
    private var classBytes: [Int]
    /// No deadline of the queue is earlier; lets a tick skip the walk.
    private(set) var deadlineFloor = Instant.never
    /// When somebody began to wait who was alone in his class; unset when nobody waits.
    private var beginnings: [Instant]

    /// - Parameter policy: its classes and tenants.
    init(_ policy: AdmissionPolicy = AdmissionPolicy()) {
        let weights = policy.tenants.map(\.weight)
        tenantCount = weights.count
        turns = policy.classes.map { _ in TenantTurns(weights: weights) }
        beginnings = policy.classes.map { _ in .unset }
        classBytes = policy.classes.map { _ in 0 }
        lists = [WaitList](
            repeating: WaitList(), count: Self.workersMax + weights.count * policy.classes.count)
    }

    /// Puts new weights into force, and more tenants; classes stay as many as they were.
    mutating func setTenants(_ tenants: [TenantPolicy]) {
        let weights = tenants.map(\.weight)
        for index in turns.indices { turns[index].setWeights(weights) }
        guard tenants.count > tenantCount else { return }
        var wider = Array(lists[..<Self.workersMax])
        for index in turns.indices {
            for tenant in tenants.indices {
                wider.append(tenant < tenantCount ? lists[line(index, tenant)] : WaitList())
            }
        }
        lists = wider
        tenantCount = tenants.count
    }

    /// Whether nobody waits.
    var isEmpty: Bool { count == 0 }
    /// Tenants it has lines for.
    var tenants: Int { tenantCount }

    /// The most urgent class of which somebody waits.
    var mostUrgent: Int? { turns.firstIndex { $0.backlog > 0 } }

    /// Requests of classes more urgent than `bound` that wait.
    func backlog(below bound: Int) -> Int {
        var total = 0
        for index in 0..<min(bound, turns.count) { total += turns[index].backlog }
        return total
    }

    /// Since when somebody of this class or a more urgent one has waited at all times; nil when nobody
    /// does.
    func since(upTo classIndex: Int) -> Instant? {
        var earliest: Instant?
        for index in 0...classIndex where beginnings[index].isSet {
            earliest = min(earliest ?? beginnings[index], beginnings[index])
        }
        return earliest
    }

    /// The first in a line; −1 when it is empty.
    func first(_ classIndex: Int, _ tenant: Int) -> Int32 {
        lists[line(classIndex, tenant)].first
    }

    /// Age of the longest waiting of a class; zero when nobody waits.
    func oldest(_ classIndex: Int, now: Instant) -> Nanoseconds {
        var oldest = Nanoseconds.zero
        for index in 0..<turns[classIndex].count {
            let head = first(classIndex, turns[classIndex].tenant(index))
            if head >= 0 { oldest = max(oldest, now - nodes[Int(head)].since) }
        }
        return oldest
    }

    /// Age of the longest waiting of all; zero when nobody waits.
    func oldest(now: Instant) -> Nanoseconds {
        turns.indices.map { oldest($0, now: now) }.max() ?? .zero
    }

    /// Whether the ticket's request waits, or its message does.
    func holds(_ ticket: QueueTicket) -> Bool {
        guard Int(ticket.slot) < nodes.count else { return false }
        let node = nodes[Int(ticket.slot)]
        guard node.generation == ticket.generation else { return false }
        switch node.stage {
        case .free: return false
        case .waiting, .granted, .refused: return true
        }
    }

    /// Puts a request at the end of its line, a retry at the head, behind the retries there: it has
    /// waited before.
    mutating func enqueue(_ node: WaitNode, now: Instant) -> QueueTicket {
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
        if node.isRetry {
            linkRetry(index, to: line(of: node))
        } else {
            linkByDue(index, to: line(of: node))
        }
        let classIndex = Int(node.request.classIndex)
        if turns[classIndex].backlog == 0 { beginnings[classIndex] = now }
        turns[classIndex].add(Int(node.request.tenant))
        bytes += node.bodyBytes
        classBytes[classIndex] += node.bodyBytes
        count += 1
        deadlineFloor = min(deadlineFloor, node.deadline)
        return QueueTicket(slot: UInt32(index), generation: generation)
    }

    /// Moves a waiting node to its worker's box; the worker to wake if the box was empty.
    mutating func deliver(_ index: Int32, as stage: WaitNode.Stage) -> Int? {
        leaveLine(index)
        nodes[Int(index)].stage = stage
        let worker = Int(nodes[Int(index)].worker)
        link(index, to: worker)
        return lists[worker].count == 1 ? worker : nil
    }

    /// Takes the oldest message out of a worker's box.
    mutating func take(worker: Int) -> WaitNode? {
        let index = lists[worker].first
        guard index >= 0 else { return nil }
        unlink(index, from: worker)
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
        case .waiting: leaveLine(index)
        case .granted, .refused: unlink(index, from: Int(node.worker))
        }
        free(index)
        return node
    }

    /// Bytes of the waiting bodies of all that are less urgent.
    func bytes(lessUrgentThan classIndex: Int) -> Int {
        classBytes[min(classIndex + 1, classBytes.count)...].reduce(0, +)
    }

    /// The newest waiting request of the least urgent class, if that is less urgent than
    /// `classIndex`; of the tenant with most.
    func newest(lessUrgentThan classIndex: Int) -> Int32? {
        guard let least = turns.lastIndex(where: { $0.backlog > 0 }), least > classIndex,
            let tenant = turns[least].longest()
        else { return nil }
        return lists[line(least, tenant)].last
    }

    /// Calls `body` with each waiting node's index; it may deliver or remove that one.
    mutating func forEachWaiting(_ body: (inout WaitQueue, Int32) -> Void) {
        for line in Self.workersMax..<lists.count {
            var cursor = lists[line].first
            while cursor >= 0 {
                let following = nodes[Int(cursor)].next
                body(&self, cursor)
                cursor = following
            }
        }
    }

    /// Charges a tenant of a class with the tokens of a dispatch, or settles such a charge.
    mutating func charge(_ classIndex: Int, _ tenant: Int, _ tokens: Double) {
        turns[classIndex].charge(tenant, tokens)
    }

    /// Sets the floor after a full walk.
    mutating func setDeadlineFloor(_ floor: Instant) { deadlineFloor = floor }

    /// Messages in a worker's box.
    func boxCount(worker: Int) -> Int { lists[worker].count }

    // MARK: Links

    private func line(_ classIndex: Int, _ tenant: Int) -> Int {
        Self.workersMax + classIndex * tenantCount + tenant
    }

    private func line(of node: WaitNode) -> Int {
        line(Int(node.request.classIndex), Int(node.request.tenant))
    }

    private mutating func leaveLine(_ index: Int32) {
        let node = nodes[Int(index)]
        unlink(index, from: line(of: node))
        let classIndex = Int(node.request.classIndex)
        turns[classIndex].remove(Int(node.request.tenant))
        if turns[classIndex].backlog == 0 { beginnings[classIndex] = .unset }
        bytes -= node.bodyBytes
        classBytes[classIndex] -= node.bodyBytes
        count -= 1
        if count == 0 { deadlineFloor = .never }
    }

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

    /// Puts a node before those at the end of its line that are due later: a long prompt has less time
    /// to wait than the short ones before it.
    private mutating func linkByDue(_ index: Int32, to list: Int) {
        var after = lists[list].last
        var steps = 0
        while after >= 0, steps < Self.passedMax, !nodes[Int(after)].isRetry,
            nodes[Int(after)].due > nodes[Int(index)].due
        {
            after = nodes[Int(after)].previous
            steps += 1
        }
        link(index, after: after, to: list)
    }

    /// Puts a retry behind those at the head of its line that are retries, too.
    private mutating func linkRetry(_ index: Int32, to list: Int) {
        var after: Int32 = -1
        var steps = 0
        var next = lists[list].first
        while next >= 0, steps < Self.passedMax, nodes[Int(next)].isRetry {
            after = next
            next = nodes[Int(next)].next
            steps += 1
        }
        link(index, after: after, to: list)
    }

    /// - Parameter after: the node before it; negative: none, it becomes the first.
    private mutating func link(_ index: Int32, after: Int32, to list: Int) {
        guard after >= 0 else { return linkFirst(index, to: list) }
        let next = nodes[Int(after)].next
        guard next >= 0 else { return link(index, to: list) }
        nodes[Int(index)].previous = after
        nodes[Int(index)].next = next
        nodes[Int(after)].next = index
        nodes[Int(next)].previous = index
        lists[list].count += 1
    }

    private mutating func linkFirst(_ index: Int32, to list: Int) {
        let first = lists[list].first
        nodes[Int(index)].previous = -1
        nodes[Int(index)].next = first
        if first >= 0 { nodes[Int(first)].previous = index } else { lists[list].last = index }
        lists[list].first = index
        lists[list].count += 1
    }

    private mutating func unlink(_ index: Int32, from list: Int) {
        let previous = nodes[Int(index)].previous
        let next = nodes[Int(index)].next
        if previous >= 0 { nodes[Int(previous)].next = next } else { lists[list].first = next }
        if next >= 0 { nodes[Int(next)].previous = previous } else { lists[list].last = previous }
        lists[list].count -= 1
    }
}
