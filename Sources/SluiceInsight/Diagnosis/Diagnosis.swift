import SluiceTime

// Control thread only.

/// Names what is wrong with the pools, second by second.
///
/// Pure: figures and time are arguments. A cause is named when its signature has been there for
/// ``Cause/namedAfter`` seconds, at once where it is certain, and forgotten
/// ``Cause/forgottenAfter`` its last sight; what is usual is learned only from subjects of which
/// nothing matches.
package struct Diagnosis: Sendable {
    /// A change that may be meant is learned as usual when it has lasted so long.
    static let usualAfter = Nanoseconds.seconds(600)
    /// Seconds of figures of a pool as a whole.
    private static let gaugesMax = DiagnosisWindow.longSeconds + 1

    private struct Pool: Sendable {
        /// Without their replicas.
        var gauges: [PoolFigures] = []
        var tracks: [String: ReplicaTrack] = [:]
        var ranges = PoolRanges()
        var lessons = HeldBack<PoolRanges.Lesson>()
        var history = PoolHistory()
    }

    private var pools: [String: Pool] = [:]
    /// Of all pools together.
    package private(set) var queueTime = QueueTime()
    /// Signatures that match, with the seconds that they have, less those that they have not.
    private var matching: [Finding.Key: Int] = [:]
    private var named: [Finding.Key: Finding] = [:]

    /// Nothing is known yet.
    package init() {}

    /// What is wrong now, the most fundamental first, pools and replicas by name.
    package var findings: [Finding] {
        named.values.sorted {
            ($0.cause.rank, $0.pool, $0.replica ?? "") < ($1.cause.rank, $1.pool, $1.replica ?? "")
        }
    }

    /// Takes in a second.
    ///
    /// - Returns: findings that are named with it, and those that are forgotten.
    @discardableResult
    package mutating func advance(
        to now: Instant, _ figures: [PoolFigures]
    ) -> (begun: [Finding], ended: [Finding]) {
        var matches: [Finding] = []
        queueTime = QueueTime()
        for pool in figures { matches += examine(pool, now) }
        let keys = Set(figures.map(\.name))
        pools = pools.filter { keys.contains($0.key) }
        return settle(matches, now)
    }

    private mutating func examine(_ figures: PoolFigures, _ now: Instant) -> [Finding] {
        // Taken out while it changes: nothing is copied.
        var pool = pools.removeValue(forKey: figures.name) ?? Pool()
        defer { pools[figures.name] = pool }
        var bare = figures
        bare.replicas = []
        bare.at = now
        if pool.gauges.count == Self.gaugesMax { pool.gauges.removeFirst() }
        pool.gauges.append(bare)
        let names = Set(figures.replicas.map(\.name))
        pool.tracks = pool.tracks.filter { names.contains($0.key) }
        for replica in figures.replicas {
            pool.tracks[replica.name, default: ReplicaTrack()].add(replica)
        }
        let tracks = figures.replicas.compactMap { pool.tracks[$0.name] }
        let window = Self.window(pool.gauges, tracks, seconds: DiagnosisWindow.seconds)
        let found = examine(tracks, window, in: &pool, figures.name)
        guard let window else {
            guard let first = pool.gauges.first else { return found }
            // What needs no comparison is not waited for.
            let young = PoolSignatures(
                window: DiagnosisWindow(
                    earlier: first, now: bare, tracks: tracks, gauges: pool.gauges),
                ranges: pool.ranges, long: nil, replicas: found)
            return found + [young.direct()].compactMap { $0 }
        }
        pool.history.add(window, at: now)
        queueTime.add(window)
        let signatures = PoolSignatures(
            window: window, ranges: pool.ranges,
            long: Self.window(pool.gauges, tracks, seconds: DiagnosisWindow.longSeconds),
            replicas: found)
        let ofPool = [signatures.first()].compactMap { $0 } + UserSignatures(pool: signatures).all()
        if mayLearn(ofPool, found, of: tracks.count, now) {
            if let lesson = PoolRanges.Lesson(window), let learned = pool.lessons.add(lesson) {
                pool.ranges.learn(learned)
            }
        } else {
            pool.lessons.drop()
        }
        return found + ofPool
    }

    /// What is wrong with single replicas; of those that are well what is usual is learned.
    private func examine(
        _ tracks: [ReplicaTrack], _ window: DiagnosisWindow?, in pool: inout Pool, _ name: String
    ) -> [Finding] {
        var found: [Finding] = []
        let pace = PoolPace(tracks)
        for track in tracks {
            guard let replica = track.now?.name else { continue }
            let signatures = ReplicaSignatures(
                pool: name, track: track, window: window, pace: pace)
            if let finding = signatures.first() {
                found.append(finding)
                pool.tracks[replica]?.isUnwell()
            } else if track.isFull {
                pool.tracks[replica]?.isWell()
            }
        }
        return found
    }

    /// Whether what a pool is like now may be usual: nothing is wrong with it and most of its replicas, or
    /// it has changed long ago in a way that may be meant.
    private func mayLearn(
        _ ofPool: [Finding], _ found: [Finding], of replicas: Int, _ now: Instant
    ) -> Bool {
        guard found.count * 2 < max(1, replicas) else { return false }
        return ofPool.allSatisfy { finding in
            guard finding.cause.mayBecomeUsual, let known = named[finding.key] else { return false }
            return now - known.since > Self.usualAfter
        }
    }

    private static func window(
        _ gauges: [PoolFigures], _ tracks: [ReplicaTrack], seconds: Int
    ) -> DiagnosisWindow? {
        let lately = Array(gauges.suffix(seconds + 1))
        guard lately.count == seconds + 1, let first = lately.first, let last = lately.last else {
            return nil
        }
        return DiagnosisWindow(
            earlier: first, now: last, tracks: tracks, gauges: lately)
    }

    private mutating func settle(
        _ matches: [Finding], _ now: Instant
    ) -> (begun: [Finding], ended: [Finding]) {
        var begun: [Finding] = []
        // A second without it takes one back: who has nothing to do for a moment is not well by that.
        var counts = matching.mapValues { $0 - 1 }.filter { $0.value > 0 }
        for match in matches {
            let count = min(matching[match.key, default: 0] + 1, match.cause.namedAfter)
            counts[match.key] = count
            var finding = match
            finding.seen = now
            if let known = named[match.key] {
                finding.since = known.since
                named[match.key] = finding
            } else if count >= match.cause.namedAfter || match.confidence == .certain {
                finding.since = now
                // One cause each: what was taken for it before was not it.
                for old in named.values where old.isReplaced(by: finding) {
                    named[old.key]?.seen = .unset
                }
                named[match.key] = finding
                begun.append(finding)
            }
        }
        matching = counts
        let ended = named.values.filter { now - $0.seen > $0.cause.forgottenAfter }
        for finding in ended { named[finding.key] = nil }
        return (begun, ended)
    }

    // MARK: Comparison

    /// How a pool does beside how it did so long ago; nil: no such pool, or nothing seen of it yet.
    package func comparison(of pool: String, against span: Nanoseconds) -> Comparison? {
        pools[pool].map { Comparison($0.history, against: span) }
    }
}
