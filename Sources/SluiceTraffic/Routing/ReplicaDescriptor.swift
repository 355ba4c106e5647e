/// A replica as configuration or discovery names it.
package struct ReplicaDescriptor: Hashable, Sendable {
    /// What metrics, logs and pages call it.
    package var name: String
    /// Identity across updates: scheme, host and port. Two descriptors of one key are one replica.
    package var key: String
    /// Share of the load relative to the others; not a number or ≤ 0 counts as 1, held within 0.01 … 100.
    package var weight: Double

    package init(name: String, key: String, weight: Double = 1) {
        self.name = name
        self.key = key
        self.weight = weight
    }

    /// The weight the router divides by.
    var usableWeight: Double {
        guard weight > 0, weight.isFinite else { return 1 }
        return min(max(weight, 0.01), 100)
    }
}
