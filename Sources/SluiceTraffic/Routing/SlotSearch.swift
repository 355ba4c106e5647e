import SluiceTime

/// Which replica is sent more than any has been seen to run, where nobody has told how many that are.
///
/// One replica at a time, for whoever is sent too many to it waits in its engine: what it shows the
/// others are taken to run too, since the replicas of a pool are mostly alike. They take turns, ever
/// later after failures. Steps grow as a new connection's window does (slow start, RFC 5681 section
/// 3.1) until a first replica was found full, and are one slot after that. With every replica trying
/// for itself, of what a gateway that was told nothing served in its first 20 s at 3x the capacity
/// 75 % was within the objective, 41 % without metrics; so 96 and 96 %, before recalls (T1d).
struct SlotSearch: Sendable {
    /// Replicas are taken to run so many before anything is known.
    static let frontierMin = 2.0
    /// Between two tries.
    static let retryMin = Nanoseconds.seconds(2)
    static let retryMax = Nanoseconds.seconds(600)

    /// The most that any replica has been seen to run at once.
    private(set) var frontier = frontierMin
    /// The most that any has been found full at, unless more were found since; 0: none.
    private(set) var full = 0.0
    /// The slot of the replica that is tried, if any.
    private(set) var replica: Int?
    /// What that one holds without a try, and how many more it is sent.
    private(set) var level = 0.0
    private(set) var more = 0.0
    private var nextTry = Instant.unset
    private var retryAfter = retryMin
    /// When each was tried last, by slot.
    private var tried: [Instant] = []

    /// Whether another try may begin.
    func isDue(now: Instant) -> Bool { replica == nil && now >= nextTry }

    /// When a replica was tried last.
    func lastTry(_ slot: Int) -> Instant { slot < tried.count ? tried[slot] : .unset }

    /// A replica may be sent more than it is believed to run.
    mutating func begin(_ slot: Int, level: Double, now: Instant) {
        while tried.count <= slot { tried.append(.unset) }
        tried[slot] = now
        replica = slot
        self.level = level
        more = level <= full ? 1 : max(2, (frontier / 2).rounded(.down))
    }

    /// A replica was seen to run so many.
    ///
    /// - Returns: whether that is more than any before.
    mutating func show(_ slot: Int, running: Double, now: Instant) -> Bool {
        if slot == replica, running > level {
            full = 0
            retryAfter = Self.retryMin
            replica = nil
            nextTry = now
        }
        guard running > frontier else { return false }
        frontier = running
        return true
    }

    /// A replica was found full.
    mutating func showFull(_ slot: Int, at level: Double, now: Instant) {
        full = max(full, level)
        guard slot == replica, level <= self.level else { return }
        replica = nil
        nextTry = now + retryAfter
        retryAfter = min(retryAfter * 2, Self.retryMax)
    }

    /// The replica was found full without a try, which may have had another reason: its turn comes first,
    /// and soon.
    mutating func hasten(_ slot: Int, now: Instant) {
        if slot < tried.count { tried[slot] = .unset }
        nextTry = min(nextTry, now + Self.retryMin)
    }

    /// The replica under trial takes no more requests.
    mutating func giveUp() { replica = nil }
}
