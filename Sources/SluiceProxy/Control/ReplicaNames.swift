import SluiceTelemetry
import SluiceTime

/// The small integers by which shards and records know replicas, a value.
///
/// Pods come and go under new names for ever: a name that has not been in use for ``keptFor`` is
/// dropped, and its index given to another after ``quietFor``, when every worker has set its counters
/// to zero.
struct ReplicaNames {
    /// How long the series of a replica that is gone are shown.
    static let keptFor = Nanoseconds.seconds(600)
    /// How long an index rests between two names.
    static let quietFor = Nanoseconds.seconds(60)
    /// Indexes at most: sixteen bits of a series' key.
    static let countMax = 65_535

    /// By index; nil where the name has been dropped.
    private(set) var names: [ReplicaName?] = []
    private var indexes: [ReplicaName: Int32] = [:]
    private var goneSince: [Int32: Instant] = [:]
    private var resting: [(index: Int32, since: Instant)] = []

    /// The index of a name, given now if need be; -1 when there are none left.
    mutating func index(of name: ReplicaName, now: Instant) -> Int32 {
        if let index = indexes[name] { return index }
        let index: Int32
        if let first = resting.first, now - first.since >= Self.quietFor {
            index = first.index
            resting.removeFirst()
            names[Int(index)] = name
        } else {
            guard names.count < Self.countMax else { return -1 }
            index = Int32(names.count)
            names.append(name)
        }
        indexes[name] = index
        return index
    }

    /// Which indexes replicas have now.
    mutating func note(inUse: Set<Int32>, now: Instant) {
        for index in indexes.values {
            if inUse.contains(index) {
                goneSince[index] = nil
            } else if goneSince[index] == nil {
                goneSince[index] = now
            }
        }
    }

    /// Drops the names that have been out of use for ``keptFor`` and tells their indexes.
    mutating func dropOld(now: Instant) -> [(index: Int32, name: ReplicaName)] {
        var dropped: [(index: Int32, name: ReplicaName)] = []
        for (index, since) in goneSince where now - since >= Self.keptFor {
            guard let name = names[Int(index)] else { continue }
            dropped.append((index, name))
            names[Int(index)] = nil
            indexes[name] = nil
            resting.append((index, now))
        }
        for (index, _) in dropped { goneSince[index] = nil }
        return dropped
    }
}
